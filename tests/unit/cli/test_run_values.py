"""What `docker run` users write, and what it means here."""

from pathlib import Path

import click
import pytest

from krustlet.cli.run_values import CPUS, MEMORY, SHARE, USER, Share, User, environment


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("1000", 1000),
        ("1b", 1),
        ("64m", 64 << 20),
        ("64M", 64 << 20),
        ("64MiB", 64 << 20),
        ("64mb", 64 << 20),
        ("1.5g", 3 << 29),
        ("2k", 2048),
        ("1 g", 1 << 30),
    ],
)
def test_memory_counts_by_1024_as_in_docker(text: str, size_bytes: int) -> None:
    assert MEMORY.convert(text, None, None) == str(size_bytes)


@pytest.mark.parametrize("text", ["", "m", "-1", "1x", "1mm", "1e9", "0", "0.1b", "64 mi b", "١m"])
def test_what_is_no_memory(text: str) -> None:
    with pytest.raises(click.BadParameter, match="memory"):
        MEMORY.convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "quantity"), [("1", "1000m"), ("0.5", "500m"), (".25", "250m"), ("0.0001", "1m")]
)
def test_processors(text: str, quantity: str) -> None:
    assert CPUS.convert(text, None, None) == quantity


@pytest.mark.parametrize("text", ["", "0", "-1", "nan", "inf", "half", "1m"])
def test_what_is_no_number_of_processors(text: str) -> None:
    with pytest.raises(click.BadParameter, match="processors"):
        CPUS.convert(text, None, None)


def test_users_are_numbers() -> None:
    assert USER.convert("1000", None, None) == User(1000, None)
    assert USER.convert("0:50", None, None) == User(0, 50)


@pytest.mark.parametrize(
    "text", ["", "root", "1000:", ":5", "-1", "1:2:3", "2147483648", "1:9999999999"]
)
def test_what_is_no_user(text: str) -> None:
    with pytest.raises(click.BadParameter):
        USER.convert(text, None, None)


def test_a_share_is_an_absolute_place_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    there = str(tmp_path / "in")
    assert SHARE.convert("in:/data", None, None) == Share(there, "/data", False)
    assert SHARE.convert(f"{there}:/data:ro", None, None) == Share(there, "/data", True)
    assert SHARE.convert("~/in:/data:rw", None, None) == Share(there, "/data", False)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("in", "names no two places"),
        ("in:data", "names no two places"),
        (":/data", "names no two places"),
        ("in:/data:rx", "it can be ro, or rw"),
        ("imput:/data", "imput: no such file or directory; did you mean input?"),
        ("volume:/data", "named volumes are not kept"),
    ],
)
def test_what_cannot_be_shared(
    text: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "input").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(click.BadParameter) as caught:
        SHARE.convert(text, None, None)
    assert why in caught.value.message


def test_the_environment_is_of_files_then_of_words_and_the_last_counts(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("\ufeff# a remark\n\n  A=1\nB=two words \nC=\nOURS\nNOT_OURS\nD=x=y#z\n")
    found = environment([file], ["B=3", "E", "F="], {"OURS": "here", "E": "e", "SECRET": "s"})
    assert found == {"A": "1", "B": "3", "C": "", "OURS": "here", "D": "x=y#z", "E": "e", "F": ""}


@pytest.mark.parametrize("line", ["=x", "A B=x\n =y", "A\tB\n=", "A=\0"])
def test_a_line_that_is_no_variable_is_told_with_its_place(tmp_path: Path, line: str) -> None:
    file = tmp_path / "env"
    file.write_text(f"A=1\n{line}\n")
    with pytest.raises(click.UsageError) as caught:
        environment([file], [], {})
    assert caught.value.message.startswith(f"{file}:")


@pytest.mark.parametrize(
    ("content", "why"), [(None, "No such file or directory"), (b"\xff\xfe", "is not UTF-8 text")]
)
def test_a_file_that_cannot_be_read_is_told(
    tmp_path: Path, content: bytes | None, why: str
) -> None:
    file = tmp_path / "env"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(click.UsageError, match=why):
        environment([file], [], {})
