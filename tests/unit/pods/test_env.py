import pytest
from hypothesis import given
from hypothesis import strategies as st

from krustlet.objects import (
    Container,
    EnvVar,
    expand,
)
from krustlet.pods.env import Arguments, Found, arguments, compose

VARIABLES = {"A": "a", "B": "b", "REFERENCE": "$(A)", "EMPTY": "", "ODD NAME": "odd"}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        pytest.param("$(A)", "a", id="whole"),
        pytest.param("$(A)-$(A)", "a-a", id="twice"),
        pytest.param("__$(B)__", "__b__", id="in-the-middle"),
        pytest.param("x$(EMPTY)y", "xy", id="empty-value"),
        pytest.param("$(ODD NAME)", "odd", id="any-name-there-is"),
        pytest.param("$(REFERENCE)", "$(A)", id="a-value-is-not-looked-into"),
        pytest.param("$(MISSING)", "$(MISSING)", id="unknown-name"),
        pytest.param("$()", "$()", id="no-name"),
        pytest.param("$$(A)_$(B)", "$(A)_b", id="escaped"),
        pytest.param("$$A", "$A", id="escaped-without-parentheses"),
        pytest.param("$$$$$$(A)", "$$$(A)", id="even-number-of-dollars"),
        pytest.param("$$$$$$$(A)", "$$$a", id="odd-number-of-dollars"),
        pytest.param("$$$$$$$(MISSING)", "$$$$(MISSING)", id="odd-number-and-unknown-name"),
        pytest.param("\\$(A)", "\\a", id="backslashes-escape-nothing"),
        pytest.param("$(A$(B))", "$(A$(B))", id="nested"),
        pytest.param("$(A$$B)", "$(A$$B)", id="escape-inside-a-name"),
        pytest.param("x$(A", "x$(A", id="never-closed"),
        pytest.param("$(B)__$(", "b__$(", id="opened-at-the-end"),
        pytest.param("--$($($($($--", "--$($($($($--", id="often-opened"),
        pytest.param("$($$", "$($", id="opened-then-escaped"),
        pytest.param("$(A)x$", "ax$", id="dollar-at-the-end"),
        pytest.param("$A ${A} $? (A)", "$A ${A} $? (A)", id="shell-syntax"),
        pytest.param("$é$(A)", "$éa", id="not-ascii"),
        pytest.param("\n$(A)\n", "\na\n", id="line-breaks"),
    ],
)
def test_expansion_is_that_of_kubernetes(text: str, expanded: str) -> None:
    assert expand(text, VARIABLES) == expanded


_texts = st.text("$()AB x", max_size=30)


@given(_texts)
def test_an_escaped_text_comes_out_as_it_was(text: str) -> None:
    assert expand(text.replace("$", "$$"), VARIABLES) == text


@given(st.text("$AB{} )", max_size=30))
def test_without_an_opening_only_double_dollars_change(text: str) -> None:
    assert expand(text, VARIABLES) == text.replace("$$", "$")


@given(_texts)
def test_expansion_reads_from_left_to_right(text: str) -> None:
    assert expand(text, VARIABLES) == read_by_hand(text, VARIABLES)


def read_by_hand(text: str, variables: dict[str, str]) -> str:
    """The specification, one sign at a time."""
    if len(text) < 2 or text[0] != "$":
        return text and text[0] + read_by_hand(text[1:], variables)
    if text[1] == "$":
        return "$" + read_by_hand(text[2:], variables)
    name, closed, rest = text[2:].partition(")")
    if text[1] == "(" and closed:
        return variables.get(name, f"$({name})") + read_by_hand(rest, variables)
    return text[:2] + read_by_hand(text[2:], variables)


def test_variables_refer_to_those_before_them() -> None:
    container = Container(
        env=(
            EnvVar(name="A", value="a"),
            EnvVar(name="AB", value="$(A)b"),
            EnvVar(name="EARLY", value="$(LATE)"),
            EnvVar(name="LATE", value="$$(A)"),
            EnvVar(name="A", value="$(A)a"),
            EnvVar(name="EMPTY"),
        )
    )
    made = compose(container, Found(), derived=lambda _: None, services={})
    assert list(made.items()) == [
        ("A", "aa"),
        ("AB", "ab"),
        ("EARLY", "$(LATE)"),
        ("LATE", "$(A)"),
        ("EMPTY", ""),
    ]


def test_command_and_args_are_expanded() -> None:
    container = Container(command=("$(A)", "$$(A)"), args=("--b=$(B)", "$(MISSING)"))
    assert arguments(container, VARIABLES) == Arguments(
        command=("a", "$(A)"), args=("--b=b", "$(MISSING)")
    )
    assert arguments(Container(), VARIABLES) == Arguments(command=(), args=())
