"""What the files of a log are called, so that their names sort as they were given."""

import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from krustlet.process.lognames import next_name, rotated

LOG = "/logs/0.log"
AT = 1_700_000_000.5
KUBELETS = re.compile(r"/logs/0\.log\.\d{8}-\d{6}")


def test_the_first_is_called_as_a_kubelet_would_call_it() -> None:
    assert next_name(LOG, "", AT) == "/logs/0.log.20231114-221320"
    assert KUBELETS.fullmatch(next_name(LOG, "", AT))


def test_the_next_one_of_a_later_second_too() -> None:
    newest = next_name(LOG, "", AT)
    assert next_name(LOG, newest, AT + 1) == "/logs/0.log.20231114-221321"


def test_several_in_a_second_are_numbered() -> None:
    first = next_name(LOG, "", AT)
    second = next_name(LOG, first, AT)
    third = next_name(LOG, second, AT)
    assert (second, third) == (f"{first}.000001", f"{first}.000002")


@given(st.lists(st.floats(AT - 5, AT + 5), min_size=1, max_size=50))
def test_names_sort_as_they_were_given_whatever_the_clock_does(times: list[float]) -> None:
    names = list[str]()
    for at in times:
        names.append(next_name(LOG, names[-1] if names else "", at))
    assert names == sorted(set(names))


def test_what_is_called_otherwise_is_none_of_ours(tmp_path: Path) -> None:
    ours = ["0.log.20231114-221320", "0.log.20231114-221320.000001", "0.log.20231114-221321"]
    others = [
        "0.log",
        "1.log",
        "10.log.20231114-221320",
        "0.log.20231114-221320.gz",
        "0.log.20231114-221320.tmp",
        "0.log.20231114-22132",
        "0.log.20231114_221320",
        "0.log.bak",
    ]
    for name in ours + others:
        (tmp_path / name).touch()
    assert rotated(str(tmp_path / "0.log")) == [str(tmp_path / name) for name in ours]
