"""Where a node's settings come from, and which of them wins."""

import json
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from krustlet.base import KrustletError
from krustlet.cli import config_view, join, krustlet_wasi, node
from krustlet.cli.main import krustlet
from krustlet.cli.resolution import Both, loader, resolve
from krustlet.settings import (
    KEYS,
    ClusterSettings,
    KeyExposed,
    KubeconfigMissing,
    Settings,
    places,
)

COMMANDS: list[click.Command] = [
    node.command,
    join.command,
    krustlet_wasi.command,
    config_view.command,
]
NO_SETTING = {"config", "help", "version", "output"}


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Called in a directory of its own, at a home that has nothing, with a poor environment."""
    for command in COMMANDS:
        for option in command.params:
            for variable in (
                [option.envvar] if isinstance(option.envvar, str) else option.envvar or ()
            ):
                monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(places, "_SYSTEM_BOOTSTRAP", tmp_path / "etc" / "bootstrap.conf")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def settings_of(*args: str, command: click.Command = node.command) -> Both:
    """What a node would be told; it need not have credentials."""
    return resolve(command.make_context(command.name, list(args)), to_look_at=True)


def view(*args: str) -> dict[str, Any]:
    """Rows of `config view` by key."""
    result = CliRunner().invoke(krustlet, ["config", "view", "-o", "json", *args])
    assert result.exit_code == 0, result.output
    return {row["key"]: row for row in json.loads(result.stdout)["settings"]}


# the table ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: str(command.name))
def test_each_option_has_a_key_in_a_file(command: click.Command) -> None:
    options = {option.name for option in command.params} - NO_SETTING
    assert options == {key.option for key in KEYS}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: str(command.name))
def test_each_option_has_a_variable(command: click.Command) -> None:
    options = (option for option in command.params if option.name not in NO_SETTING - {"config"})
    without = {option.name for option in options if not option.envvar}
    assert without == {"provider_options"}


def test_the_defaults_are_those_of_the_settings() -> None:
    settings, cluster = settings_of()
    told = ClusterSettings(
        kubeconfig=cluster.kubeconfig, node_name=cluster.node_name, hostname=cluster.hostname
    )
    assert cluster == told
    kept = ("allow_local_modules",)  # a node is more careful than whoever runs a file
    bare = Settings(root=settings.root, cache=settings.cache, logs=settings.logs, images=None)
    for name in set(Settings.__struct_fields__) - {"images", "registry_config", *kept}:
        assert getattr(settings, name) == getattr(bare, name)
    assert settings.allow_local_modules is False


def test_the_original_s_command_has_the_original_s_port() -> None:
    assert settings_of(command=krustlet_wasi.command)[1].port == 3000
    assert settings_of(command=node.command)[1].port == 10250


# which wins ---------------------------------------------------------------------------------------


def test_a_flag_wins_over_a_variable_that_over_the_file_that_over_the_default(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert view()["maxPods"] == {"key": "maxPods", "value": 110, "source": "default", "from": ""}
    (directory / "k.yaml").write_text("\nmaxPods: 1\n")
    row = view("--config", "k.yaml")["maxPods"]
    assert (row["value"], row["source"], row["from"]) == (1, "file", "k.yaml:2")
    monkeypatch.setenv("MAX_PODS", "2")
    row = view("--config", "k.yaml")["maxPods"]
    assert (row["value"], row["source"], row["from"]) == (2, "environment", "MAX_PODS")
    monkeypatch.setenv("KRUSTLET_MAX_PODS", "3")
    assert view("--config", "k.yaml")["maxPods"]["from"] == "KRUSTLET_MAX_PODS"
    row = view("--config", "k.yaml", "--max-pods", "4")["maxPods"]
    assert (row["value"], row["source"], row["from"]) == (4, "flag", "--max-pods")


def test_all_that_a_file_can_say_arrives(directory: Path) -> None:
    for name in ("a.crt", "a.key", "ca.crt"):
        (directory / name).touch(mode=0o600)
    said = {
        "nodeName": "n", "hostname": "h", "nodeIP": ["10.0.0.1", "fd00::1"],
        "listenerAddress": "::", "listenerPort": 1, "maxPods": 2, "nodeLabels": {"a": "b"},
        "dataDir": "data", "bootstrapFile": "b.conf", "tlsCertificateFile": "a.crt",
        "tlsPrivateKeyFile": "a.key", "insecureRegistries": ["r:1"], "allowLocalModules": True,
        "pluginsDir": "p", "devicePluginsDir": "d", "kubeconfig": "k.conf",
        "rotateCertificates": False, "serverTLSBootstrap": False, "clientCAFile": "ca.crt",
        "podLogsDir": "l", "registerWithTaints": ["a=b:NoSchedule", "c:NoExecute"],
        "providerID": "x://y", "systemReserved": {"cpu": "1"}, "kubeReserved": {"memory": "1Gi"},
        "evictionHard": {"pid.available": "5%"}, "nodeStatusUpdateFrequency": "1s",
        "nodeStatusReportFrequency": "2m0s", "nodeLeaseDurationSeconds": 8,
        "nodeStatusMaxImages": -1, "registryCertsDir": "c", "kubeAPIQPS": 1.5, "kubeAPIBurst": 3,
        "eventQPS": 4, "eventBurst": 5, "containerLogMaxSize": "1Mi", "containerLogMaxFiles": 6,
        "podMaxPids": 7, "podUsers": "5000:8", "allowRootContainers": True, "provider": "other",
        "providerOptions": {"simd": "false"}, "logLevel": "error",
    }  # fmt: skip
    assert set(said) == {key.own for key in KEYS}
    (directory / "k.json").write_text(json.dumps(said, indent="\t"))
    rows = view("--config", "k.json")
    paths = {key.own for key in KEYS if key.shape.name == "PATH"}
    for name, value in said.items():
        expected = str(directory / str(value)) if name in paths else value
        assert (name, rows[name]["value"]) == (name, expected)
        assert rows[name]["source"] == "file"


def test_the_file_beside_the_data_is_read_without_being_named(directory: Path) -> None:
    file = directory / "d" / "config" / "config.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("maxPods: 9")
    assert settings_of("--data-dir", "d")[1].max_pods == 9
    assert settings_of()[1].max_pods == 110


def test_a_wrong_value_that_nobody_uses_does_no_harm(directory: Path) -> None:
    (directory / "k.yaml").write_text("maxPods: many")
    assert settings_of("--config", "k.yaml", "--max-pods", "5")[1].max_pods == 5


@pytest.mark.parametrize(
    ("words", "allowed"),
    [
        ([], False),
        (["--allow-local-modules"], True),
        (["--allow-local-modules=false"], False),
        (["--x-allow-local-modules", "true"], True),
        (["--x-allow-local-modules", "false"], False),
        (["--allow-local-modules", "--port", "5"], True),
    ],
)
def test_local_modules_are_allowed_by_a_flag_or_with_a_value(
    words: list[str], allowed: bool
) -> None:
    assert settings_of(*words)[0].allow_local_modules is allowed


@pytest.mark.parametrize(
    ("variables", "level", "where"),
    [
        ({"RUST_LOG": "krustlet=debug,info"}, "debug", "RUST_LOG"),
        ({"RUST_LOG": "hyper=debug"}, "info", ""),
        ({"RUST_LOG": "debug", "KRUSTLET_LOG_LEVEL": "error"}, "error", "KRUSTLET_LOG_LEVEL"),
    ],
)
def test_the_level_of_the_log_may_come_from_the_original_s_variable(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], level: str, where: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    row = view()["logLevel"]
    assert (row["value"], row["from"]) == (level, where)


# who is to blame ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\nmaxPods: many", "k.yaml line 2: maxPods: 'many' is not a whole number from 1 to 10000"),
        ("nodeLabels:\n  a: b c", "k.yaml line 1: nodeLabels: `b c` cannot be the value"),
        (
            "\nnodeLabels: {node-role.kubernetes.io/agent: ''}",
            "k.yaml line 2: nodeLabels: a node may not label itself with "
            "node-role.kubernetes.io/agent; within kubernetes.io",
        ),
        ("evictionHard: {x: 1}", "k.yaml line 1: evictionHard: there is no eviction signal 'x'"),
        ("logLevel: loud", "k.yaml line 1: logLevel: 'loud' is not one of 'debug'"),
        ("clientCAFile: no.crt", "no.crt' does not exist"),
        (
            "maxPodz: 1",
            "k.yaml line 1: maxPodz: there is no such key\nhint: did you mean `maxPods`",
        ),
        ("maxPods: ]", "k.yaml line 1: not YAML"),
    ],
)
@pytest.mark.parametrize("words", [["config", "view"], ["node"]], ids=" ".join)
def test_a_file_that_is_wrong_is_wrong_usage(
    directory: Path, words: list[str], text: str, said: str
) -> None:
    (directory / "k.yaml").write_text(text)
    result = CliRunner().invoke(krustlet, [*words, "--config", "k.yaml"])
    assert result.exit_code == 2
    assert said in result.stderr


def test_an_upstream_field_is_blamed_by_its_own_name(directory: Path) -> None:
    head = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
    (directory / "k.yaml").write_text(f"{head}podPidsLimit: 1\n")
    result = CliRunner().invoke(krustlet, ["config", "view", "--config", "k.yaml"])
    assert result.exit_code == 2
    assert "k.yaml line 3: podPidsLimit: '1' is not in the range" in result.stderr


@pytest.mark.parametrize(
    ("text", "blamed"),
    [("tlsCertificateFile: a.crt", "k.yaml line 1: tlsCertificateFile"), ("{}", "'--cert-file'")],
)
def test_half_of_a_pair_is_blamed(directory: Path, text: str, blamed: str) -> None:
    (directory / "a.crt").touch()
    (directory / "k.yaml").write_text(text)
    flags = [] if "tls" in text else ["--cert-file", "a.crt"]
    with pytest.raises(click.UsageError, match="no private key file") as refused:
        settings_of("--config", "k.yaml", *flags)
    assert blamed in refused.value.message


def test_a_broken_file_does_not_keep_anybody_from_the_help(directory: Path) -> None:
    (directory / "k.yaml").write_text("[")
    result = CliRunner().invoke(krustlet_wasi.command, ["--config", "k.yaml", "--help"])
    assert result.exit_code == 0
    result = CliRunner().invoke(krustlet_wasi.command, ["--config", "k.yaml", "--version"])
    assert result.exit_code == 0


# what it takes to be a node -----------------------------------------------------------------------


def test_a_node_needs_credentials() -> None:
    context = node.command.make_context("node", [])
    with pytest.raises(KubeconfigMissing, match="how to reach the API server"):
        resolve(context)


def test_a_node_s_key_is_its_own(directory: Path) -> None:
    config = directory / "d" / "config"
    config.mkdir(parents=True)
    certificate, key = config / "krustlet.crt", config / "krustlet.key"
    for file in (certificate, key):
        file.touch(mode=0o644)
    args = ("--data-dir", "d", "--kubeconfig", "k.conf")
    with pytest.raises(KeyExposed):
        resolve(node.command.make_context("node", list(args)))
    key.chmod(0o600)
    _, cluster = resolve(node.command.make_context("node", list(args)))
    assert cluster.certificate == (certificate, key)


@pytest.mark.parametrize("words", [["config", "view"], ["node"]], ids=" ".join)
def test_labels_that_are_not_a_node_s_own_are_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    label = "node-role.kubernetes.io/agent="
    result = CliRunner().invoke(krustlet, [*words, "--node-labels", label])
    assert result.exit_code == 2
    assert "'--node-labels': a node may not label itself with" in result.stderr
    monkeypatch.setenv("NODE_LABELS", label)
    result = CliRunner().invoke(krustlet, words)
    assert result.exit_code == 2
    assert "the environment's 'NODE_LABELS': a node may not" in result.stderr


def test_joining_needs_a_bootstrap_file_and_says_who_makes_one() -> None:
    result = CliRunner().invoke(krustlet, ["join"])
    assert result.exit_code == 2
    assert "--bootstrap-file is needed" in result.stderr
    assert "krustlet bootstrap" in result.stderr


# again --------------------------------------------------------------------------------------------


def test_settings_are_read_again_with_the_file_as_it_is_by_then(directory: Path) -> None:
    file = directory / "k.yaml"
    file.write_text("maxPods: 1")
    args = ["--config", "k.yaml", "--kubeconfig", "k.conf", "--port", "5"]
    load = loader(node.command.make_context("node", args))
    assert load()[1].max_pods == 1
    file.write_text("maxPods: 2\nlistenerPort: 6")
    _, cluster = load()
    assert (cluster.max_pods, cluster.port) == (2, 5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("maxPods: many", "k.yaml line 1: maxPods: 'many'"),
        ("maxPods: ]", "k.yaml line 1: not YAML"),
        (None, "k.yaml: there is no such file"),
        ("nodeLabels: {kubernetes.io/x: y}", "may not label itself"),
    ],
)
def test_a_file_that_is_wrong_by_then_is_an_error_and_no_end(
    directory: Path, text: str | None, said: str
) -> None:
    file = directory / "k.yaml"
    file.write_text("{}")
    load = loader(node.command.make_context("node", ["--config", "k.yaml", "--kubeconfig", "k"]))
    file.unlink() if text is None else file.write_text(text)
    with pytest.raises(KrustletError) as refused:
        load()
    assert said in refused.value.message


# the view -----------------------------------------------------------------------------------------


def test_the_view_shows_each_key_in_order_and_tells_of_what_is_in_vain(directory: Path) -> None:
    (directory / "k.yaml").write_text(
        "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
        "port: 9\nreadOnlyPort: 10255\nclusterDNS: [a]\n"
    )
    args = ["config", "view", "--config", "k.yaml", "--no-rotate-certificates"]
    result = CliRunner().invoke(krustlet, args)
    head, *lines = (line.split() for line in result.stdout.splitlines())
    assert head == ["KEY", "FROM", "VALUE"]
    assert [line[0] for line in lines] == sorted((key.own for key in KEYS), key=str.lower)
    assert ["listenerPort", "k.yaml:3", "9"] in lines
    assert ["rotateCertificates", "flag", "--no-rotate-certificates", "false"] in lines
    assert ["maxPods", "default", "110"] in lines
    assert "k.yaml:4: readOnlyPort has no effect: no port is open" in result.stderr
    assert "k.yaml:5: clusterDNS has no effect here" in result.stderr


def test_what_the_view_shows_as_a_threshold_the_option_takes() -> None:
    flags = ["--eviction-hard", "memory.available<1Gi,nodefs.available<5%"]
    result = CliRunner().invoke(krustlet, ["config", "view", *flags])
    rows = {line.split()[0]: line.split()[-1] for line in result.stdout.splitlines()}
    assert rows["evictionHard"] == flags[1]
    assert view(*flags)["evictionHard"]["value"]["memory.available"] == "1Gi"


def test_the_view_as_yaml_says_what_the_one_as_json_says(directory: Path) -> None:
    (directory / "k.yaml").write_text("maxPods: 9\n")
    args = ["config", "view", "--config", "k.yaml", "-o"]
    as_json = msgspec.json.decode(CliRunner().invoke(krustlet, [*args, "json"]).stdout)
    as_yaml = msgspec.yaml.decode(CliRunner().invoke(krustlet, [*args, "yaml"]).stdout)
    assert as_json == as_yaml
    assert (as_json["file"], as_json["noEffect"]) == ("k.yaml", [])


def test_the_view_for_a_kubelet_is_a_file_that_is_read_again(directory: Path) -> None:
    args = ["config", "view", "--max-pods", "9", "--node-status-update-frequency", "20s"]
    text = CliRunner().invoke(krustlet, [*args, "-o", "kubelet"]).stdout
    (directory / "k.yaml").write_text(text)
    _, cluster = settings_of("--config", "k.yaml")
    assert (cluster.max_pods, cluster.status_every_s) == (9, 20)


# commands below -----------------------------------------------------------------------------------


def test_what_is_no_command_below_is_a_clear_error() -> None:
    result = CliRunner().invoke(krustlet, ["node", "bogus"])
    assert result.exit_code == 2
    assert "No such command 'bogus'" in result.stderr


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (["bootstap"], "Did you mean `bootstrap`?"),
        (["node", "rest"], "Did you mean `reset`?"),
        (["config", "veiw"], "Did you mean `view`?"),
        (["node.yaml"], "Did you mean 'krustlet run node.yaml'?"),
    ],
)
def test_what_is_nearly_a_command_is_told_which(words: list[str], advice: str) -> None:
    result = CliRunner().invoke(krustlet, words)
    assert result.exit_code == 2
    assert f"No such command '{words[-1]}'. {advice}" in result.stderr


def test_an_option_that_is_none_is_not_taken_for_a_command() -> None:
    result = CliRunner().invoke(krustlet, ["--version-of-mine"])
    assert result.exit_code == 2
    assert "command" not in result.stderr.splitlines()[-1].lower()


def test_options_before_a_command_below_are_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {}

    @click.command("reset")
    @click.option("--data-dir", envvar="KRUSTLET_DATA_DIR")
    def reset(data_dir: str) -> None:
        told["data_dir"] = data_dir

    monkeypatch.setattr(node.command, "get_command", lambda *_: reset)
    monkeypatch.setenv("KRUSTLET_DATA_DIR", "/other")
    assert CliRunner().invoke(krustlet, ["node", "--data-dir", "/d", "reset"]).exit_code == 0
    assert told == {"data_dir": "/d"}
    result = CliRunner().invoke(krustlet, ["node", "--port", "5", "reset"])
    assert result.exit_code == 2
    assert "--port does not go with" in result.stderr


@pytest.mark.parametrize(
    ("words", "incomplete", "expected"),
    [
        (["node"], "--por", ["--port"]),
        (["node"], "re", ["reset"]),
        (["node", "--config", "broken.yaml"], "--max", ["--max-pods"]),
        (["config", "view"], "--conf", ["--config"]),
        (["node", "--log-level"], "e", ["error"]),
    ],
)
def test_shells_complete_it(
    directory: Path, words: list[str], incomplete: str, expected: list[str]
) -> None:
    (directory / "broken.yaml").write_text("[")
    complete = ShellComplete(krustlet, {}, "krustlet", "_KRUSTLET_COMPLETE")
    assert [item.value for item in complete.get_completions(words, incomplete)] == expected
