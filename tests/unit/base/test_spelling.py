from pathlib import Path

import pytest

from krustlet.base import did_you_mean, did_you_mean_file


@pytest.mark.parametrize(
    ("word", "question"),
    [
        ("imagee", "did you mean `image`?"),
        ("IMAGE", "did you mean `image`?"),
        ("restartpolicy", "did you mean `restartPolicy`?"),
        ("zzz", ""),
    ],
)
def test_the_nearest_word_is_asked_for(word: str, question: str) -> None:
    assert did_you_mean(word, ["image", "restartPolicy"]) == question


def test_the_nearest_file_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "hello.wasm").touch()
    assert did_you_mean_file(tmp_path / "helo.wasm") == f"did you mean {tmp_path}/hello.wasm?"
    assert did_you_mean_file(tmp_path / "hello.wsm") == f"did you mean {tmp_path}/hello.wasm?"
    assert did_you_mean_file(tmp_path / "nope.wasm") == ""
    assert did_you_mean_file(tmp_path / "zzz") == ""
    assert did_you_mean_file(tmp_path / "no" / "x") == f"there is no directory {tmp_path}/no"
