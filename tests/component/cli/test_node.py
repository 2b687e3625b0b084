"""`krustlet node`, called by somebody who gets something wrong."""

import json
import socket
from pathlib import Path

import pytest

from tests.support.authority import Authority
from tests.support.command import Command
from tests.support.kubeconfig import write_kubeconfig


@pytest.fixture
def kubeconfig(tmp_path: Path) -> str:
    """One that cannot be used, so that the command ends as soon as it reads it."""
    file = tmp_path / "node.conf"
    file.write_text("[")
    file.chmod(0o600)
    return file.name


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(
            ["--insecure-registries", "a:1,http://foo"],
            ["'--insecure-registries'", "'http://foo' is more than a registry", "write foo"],
            id="a-url-of-a-registry",
        ),
        pytest.param(
            ["--node-labels", "zone=a b"],
            ["'--node-labels'", "`a b` cannot be the value of a label"],
            id="the-value-of-a-label",
        ),
        pytest.param(
            ["--node-labels", "my zone=a"],
            ["'--node-labels'", "`my zone` cannot be the name of a key"],
            id="the-key-of-a-label",
        ),
        pytest.param(
            ["--node-name", "Wasm_1"], ["'--node-name'", "`Wasm_1` cannot be a name"], id="its-name"
        ),
        pytest.param(
            ["--hostname", "my_host"], ["the hostname", "--node-name"], id="a-name-by-the-hostname"
        ),
        pytest.param(["--cert-file", "no.crt"], ["'no.crt' does not exist"], id="a-certificate"),
        pytest.param(["--client-ca-file", "no.crt"], ["'no.crt' does not exist"], id="a-ca"),
        pytest.param(["--port", "abc"], ["'-p' / '--port'", "'abc'"], id="a-port"),
    ],
)
def test_wrong_usage_is_2(
    krustlet: Command, kubeconfig: str, arguments: list[str], said: list[str]
) -> None:
    result = krustlet("node", "--kubeconfig", kubeconfig, *arguments)
    assert (result.code, result.stdout) == (2, ""), result.stderr
    for words in said:
        assert words in result.stderr


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        pytest.param(["--provider", "nosuch"], "nosuch", id="a-provider"),
        pytest.param(["--port", "{taken}"], "port {taken} of 0.0.0.0 is in use", id="a-port"),
    ],
)
def test_nobody_approves_a_node_that_would_not_start(
    krustlet: Command, tmp_path: Path, flags: list[str], said: str
) -> None:
    """Nobody listens at the API server's address: who asked it would wait."""
    authority = Authority.create(tmp_path / "authority", "cluster")
    file = write_kubeconfig(
        tmp_path / "bootstrap.conf",
        server="https://127.0.0.1:1",
        ca=authority.certificate,
        user="token",
        credentials="abcdef.0123456789abcdef",
    )
    with socket.create_server(("0.0.0.0", 0)) as listener:
        taken = str(listener.getsockname()[1])
        given = [word.format(taken=taken) for word in flags]
        result = krustlet("join", "--bootstrap-file", file, *given)
    assert (result.code, result.stdout) == (1, ""), result.stderr
    assert said.format(taken=taken) in result.stderr


@pytest.mark.parametrize("variable", ["KRUSTLET_PORT", "KRUSTLET_MAX_PODS", "MAX_PODS"])
def test_a_variable_that_is_wrong_is_named(
    krustlet: Command, kubeconfig: str, variable: str
) -> None:
    result = krustlet("node", "--kubeconfig", kubeconfig, **{variable: "abc"})
    assert result.code == 2
    assert f"'{variable}': 'abc' is not" in result.stderr
    assert "--" not in result.stderr.rpartition("Error:")[2]


def test_what_may_be_right_and_may_be_a_mistake_is_logged(
    krustlet: Command, kubeconfig: str
) -> None:
    """An address behind NAT, and certificates that come later."""
    flags = ("--node-ip", "192.0.2.7", "--registry-certs-dir", "/no/such/certs")
    result = krustlet("node", "--kubeconfig", kubeconfig, *flags)
    assert result.code == 1  # of the kubeconfig
    logged = [json.loads(line) for line in result.stderr.splitlines() if line.startswith("{")]
    assert {(entry["event"], entry["level"]) for entry in logged} == {
        ("node.address_not_here", "warning"),
        ("node.registry_certs_missing", "warning"),
    }
    assert all(entry["hint"] for entry in logged)


def test_the_help_names_every_variable(krustlet: Command) -> None:
    reference = Path(__file__).parents[3] / "docs" / "reference" / "command-line.md"
    section = reference.read_text().partition("## `krustlet node`")[2].partition("\n## ")[0]
    cells = [line.split("|")[2] for line in section.splitlines() if line.startswith("| `-")]
    variables = [word for cell in cells for word in cell.replace("`", "").split(", ")]
    told = krustlet("node", "--help", COLUMNS="200").stdout
    assert len(variables) > 15
    for variable in filter(None, map(str.strip, variables)):
        assert variable in told


def test_no_command_s_summary_is_cut_off(krustlet: Command) -> None:
    result = krustlet("--help")
    assert result.code == 0
    assert "..." not in result.stdout.partition("Commands:")[2]
    for command in ("krustlet node", "krustlet push"):
        assert f"  {command} " in result.stdout
