"""Values of `krustlet node`'s options."""

import click
import pytest

from krustlet.cli.node_values import (
    ADDRESSES,
    LABELS,
    NAMES,
    NODE_NAME,
    REGISTRIES,
    TAINTS,
    taints_text,
)
from krustlet.objects import Taint
from krustlet.settings import DEFAULT_TAINTS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", (), id="none"),
        pytest.param("a:5000", ("a:5000",), id="one"),
        pytest.param(" a:5000 , b ,", ("a:5000", "b"), id="blanks-and-empty-words"),
    ],
)
def test_names(text: str, expected: tuple[str, ...]) -> None:
    assert NAMES.convert(text, None, None) == expected


def test_addresses_are_one_of_each_family() -> None:
    assert ADDRESSES.convert("192.168.11.5,fd00::5", None, None) == ("192.168.11.5", "fd00::5")


def test_unspecified_addresses_stand_for_those_of_the_default_routes() -> None:
    assert ADDRESSES.convert("0.0.0.0,::", None, None) == ("0.0.0.0", "::")


@pytest.mark.parametrize(
    "text", ["x", "127.0.0.1", "::1", "169.254.0.1", "fe80::1", "224.0.0.1", "10.0.0.1,10.0.0.2"]
)
def test_no_other_addresses_are_taken(text: str) -> None:
    with pytest.raises(click.BadParameter):
        ADDRESSES.convert(text, None, None)


def test_labels_may_have_no_value() -> None:
    assert LABELS.convert("zone=a, fast ,=x", None, None) == {"zone": "a", "fast": ""}


@pytest.mark.parametrize("text", ["a b=c", "-a=b", "x/y/z=1", "k=b!", f"k={'v' * 64}"])
def test_labels_that_the_api_server_would_refuse_are_not_taken(text: str) -> None:
    with pytest.raises(click.BadParameter, match="cannot be the"):
        LABELS.convert(text, None, None)


def test_a_node_s_name_is_in_lower_case() -> None:
    assert NODE_NAME.convert("Wasm-1.Example.com", None, None) == "wasm-1.example.com"


@pytest.mark.parametrize("text", ["wasm_1", "", "-a", "a..b", "a" * 254])
def test_no_other_names_are_taken(text: str) -> None:
    with pytest.raises(click.BadParameter):
        NODE_NAME.convert(text, None, None)


def test_a_name_is_quoted_as_it_was_typed() -> None:
    with pytest.raises(click.BadParameter, match="`WASM_5` cannot be a name"):
        NODE_NAME.convert("WASM_5", None, None)


def test_labels_that_no_node_may_give_itself_are_not_taken() -> None:
    assert LABELS.convert("node.kubernetes.io/a=b", None, None) == {"node.kubernetes.io/a": "b"}
    with pytest.raises(click.BadParameter, match=r"itself with node-role\.kubernetes\.io/a; "):
        LABELS.convert("node-role.kubernetes.io/a=", None, None)


def test_registries_are_hosts() -> None:
    text = "localhost:5000, reg.example.com,[::1]:5000,10.0.0.1"
    hosts = ("localhost:5000", "reg.example.com", "[::1]:5000", "10.0.0.1")
    assert REGISTRIES.convert(text, None, None) == hosts


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("http://foo", "write foo$"),
        ("https://foo:5000/v2/", "write foo:5000$"),
        ("foo/bar", "write foo$"),
        ("foo:bar", "write host or host:port"),
        ("*.example.com", "write host or host:port"),
    ],
)
def test_what_is_no_registry_is_refused_with_the_form_it_should_have(text: str, hint: str) -> None:
    with pytest.raises(click.BadParameter, match=hint):
        REGISTRIES.convert(text, None, None)


def test_the_default_taints_read_as_they_are_written() -> None:
    assert TAINTS.convert(taints_text(DEFAULT_TAINTS), None, None) == DEFAULT_TAINTS


def test_taints() -> None:
    assert TAINTS.convert("", None, None) == ()
    assert TAINTS.convert("a:NoExecute", None, None) == (Taint(key="a", effect="NoExecute"),)


@pytest.mark.parametrize("text", ["a", "a=b", "a=b:Never", "=b:NoExecute", "a=b=c:NoExecute"])
def test_what_is_no_taint_is_refused_with_the_form_it_should_have(text: str) -> None:
    with pytest.raises(click.BadParameter, match="key=value:Effect"):
        TAINTS.convert(text, None, None)
