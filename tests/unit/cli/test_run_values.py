"""What `docker run` users write, and what it means here."""

from pathlib import Path

import click
import pytest

from krustlet.cli.node_values import PIDS
from krustlet.cli.run_values import CPUS, MEMORY, SHARE, USER, Share, User, environment


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("4194304", 4 << 20),
        ("5000000b", 5_000_000),
        ("64m", 64 << 20),
        ("64M", 64 << 20),
        ("64MiB", 64 << 20),
        ("64mb", 64 << 20),
        ("64Mi", 64 << 20),
        ("1.5g", 3 << 29),
        ("8192k", 8 << 20),
        ("1 g", 1 << 30),
        ("8191p", 8191 << 50),
    ],
)
def test_memory_counts_by_1024_as_in_docker(text: str, size_bytes: int) -> None:
    assert MEMORY.convert(text, None, None) == str(size_bytes)


@pytest.mark.parametrize(
    "text", ["", "m", "-1", "1x", "1mm", "1ib", "1e9", "0", "0.1b", "64 mi b", "١m"]
)
def test_what_is_no_memory(text: str) -> None:
    with pytest.raises(click.BadParameter, match="memory"):
        MEMORY.convert(text, None, None)


@pytest.mark.parametrize("text", ["1", "1k", "4095k", "3.99m"])
def test_less_memory_than_a_container_needs(text: str) -> None:
    with pytest.raises(click.BadParameter, match="less memory than a container needs, which is 4m"):
        MEMORY.convert(text, None, None)


@pytest.mark.parametrize("text", ["8192p", "9" * 20, "9" * 200])
def test_more_memory_than_can_be_counted(text: str) -> None:
    with pytest.raises(click.BadParameter, match="more memory than can be counted, which is 8191p"):
        MEMORY.convert(text, None, None)


def test_more_processors_than_can_be_counted() -> None:
    assert CPUS.convert("175921860", None, None) == "175921860000m"
    for text in ("175921861", "1e999999"):
        with pytest.raises(click.BadParameter, match="which are 175921860"):
            CPUS.convert(text, None, None)


@pytest.mark.parametrize(("text", "pids"), [("-1", -1), ("0", 0), ("2", 2), ("4194304", 4_194_304)])
def test_how_many_threads(text: str, pids: int) -> None:
    assert PIDS.convert(text, None, None) == pids


@pytest.mark.parametrize(
    ("text", "why"),
    [("1", "one that waits"), ("-2", "from 2"), ("4194305", "to 4"), ("x", "whole")],
)
def test_what_is_no_number_of_threads(text: str, why: str) -> None:
    with pytest.raises(click.BadParameter, match=why):
        PIDS.convert(text, None, None)


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
        ("input:/\udcff", "is not UTF-8 text"),
        ("\udcff:/data", "is not UTF-8 text"),
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


@pytest.mark.parametrize("word", ["A=\udcff", "A\udcff=x", "OURS"])
def test_an_environment_is_text(word: str) -> None:
    with pytest.raises(click.UsageError, match="is not UTF-8 text") as caught:
        environment([], [word], {"OURS": "secret\udcff"})
    assert "secret" not in caught.value.message


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
