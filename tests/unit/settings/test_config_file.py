"""What a configuration file says, in Krustlet's own form."""

import json
from pathlib import Path

import pytest

from krustlet.settings import KEYS, ConfigFileError, Place, find_config, read_config


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "krustlet.yaml"


def test_each_value_goes_to_its_option_and_its_place_is_known(file: Path) -> None:
    file.write_text(
        "# ours\nlistenerPort: 3001\nnodeLabels: {zone: a, fast: null}\ninsecureRegistries:\n"
        "- a:5000\n- b\nproviderOptions:\n  simd: false\nmaxPods: null\n"
    )
    config = read_config(file)
    assert config.values == {
        "port": "3001",
        "labels": {"zone": "a", "fast": ""},
        "insecure_registries": ["a:5000", "b"],
        "provider_options": [("simd", "false")],
    }
    assert config.places["port"] == Place("listenerPort", 2)
    assert config.places["insecure_registries"] == Place("insecureRegistries", 4)
    assert config.no_effect == ()


def test_the_original_s_file_is_read_with_tabs_and_all(file: Path) -> None:
    said = {
        "listenerAddress": "10.0.0.1",
        "listenerPort": 3000,
        "maxPods": 110,
        "tlsCertificateFile": "/etc/k.crt",
        "tlsPrivateKeyFile": "/etc/k.key",
        "nodeIP": "10.0.0.1",
        "nodeLabels": {"a": "b"},
        "hostname": "host",
        "nodeName": "node",
        "dataDir": "/srv/k",
        "bootstrapFile": "/etc/b.conf",
        "pluginsDir": "/p",
        "devicePluginsDir": "/d",
        "allowLocalModules": True,
        "insecureRegistries": ["r:5000"],
    }
    file.write_text("\t" + json.dumps(said, indent="\t") + "\n\t")
    config = read_config(file)
    assert len(config.values) == len(said)
    assert config.values["allow_local_modules"] == "true"
    assert config.places["address"].line == 2


def test_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    (tmp_path / "k.yaml").write_text("kubeconfig: ~/k.conf\ndataDir: data\nclientCAFile: /ca.crt\n")
    monkeypatch.chdir(tmp_path)
    config = read_config(Path("k.yaml"))
    assert config.values == {
        "kubeconfig": "/home/me/k.conf",
        "data_dir": str(tmp_path / "data"),
        "client_ca_file": "/ca.crt",
    }


@pytest.mark.parametrize(
    "taints",
    ["[a=b:NoSchedule, c:NoExecute]", "[{key: a, value: b, effect: NoSchedule}, c:NoExecute]"],
)
def test_taints_are_words_or_keys(file: Path, taints: str) -> None:
    file.write_text(f"registerWithTaints: {taints}")
    assert read_config(file).values == {"taints": ["a=b:NoSchedule", "c:NoExecute"]}


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        pytest.param("a: 1\n", "line 1: a: there is no such key", "", id="an-unknown-key"),
        pytest.param(
            "\nmaxPodz: 1\n", "line 2: maxPodz: there is no such key", "`maxPods`", id="misspelt"
        ),
        pytest.param(
            "syncFrequency: 1s", "line 1: syncFrequency", "kind: KubeletConfiguration",
            id="a-key-of-the-other-form",
        ),
        pytest.param(
            "maxPods: 1\nport: 2\nmaxPods: 3\n", "line 3: maxPods stands on line 1 already", "",
            id="twice",
        ),
        pytest.param(
            '{"maxPods": 1,\n "maxPods": 2}', "line 2: maxPods stands on line 1 already", "",
            id="twice-in-json",
        ),
        pytest.param("maxPods: [1]", "line 1: maxPods: a single value", "", id="a-list-for-a-word"),
        pytest.param("kubeconfig: {}", "kubeconfig: the path of a file", "", id="keys-for-a-path"),
        pytest.param("nodeLabels: [a]", "nodeLabels: keys are wanted", "", id="a-list-for-keys"),
        pytest.param(
            "\nnodeLabels:\n  a: [b]", "line 3: nodeLabels.a: a single", "", id="deep-inside"
        ),
        pytest.param(
            "registerWithTaints: [{key: a}]", "registerWithTaints[0]: key and effect", "key=value:",
            id="half-a-taint",
        ),
        pytest.param(
            "registerWithTaints: [{kee: a}]", "registerWithTaints[0].kee", "`key`", id="no-taint"
        ),
        pytest.param("", "there is nothing in it", "write {}", id="empty"),
        pytest.param("# nothing\n", "there is nothing in it", "write {}", id="only-a-remark"),
        pytest.param("null", "there is nothing in it", "write {}", id="null"),
        pytest.param("- a\n- b\n", "line 1: it holds no keys", "", id="a-list"),
        pytest.param("a: 1\n---\nb: 1\n", "line 2: not YAML", "", id="two-documents"),
        pytest.param("a: b: c\n", "line 1: not YAML", "", id="no-yaml"),
        pytest.param('{"a": 1\n "b": 2}', "line 2: not JSON", "", id="no-json"),
        pytest.param("a: &x 1\nb: *x\n", "line 2: aliases", "", id="an-alias"),
        pytest.param(f"a: {'[' * 40}", "nested more than 32 deep", "", id="too-deep"),
        pytest.param(f"a: {'[' * 99_000}", "nested more than 32 deep", "", id="far-too-deep"),
        pytest.param("{[a]: b}", "a key must be a word", "", id="a-key-that-is-a-list"),
        pytest.param("maxPods: 1\x00", "not YAML", "", id="binary"),
        pytest.param(
            '{"kubeconfig": "a\\u0000b"}', "line 1: kubeconfig: there is a NUL", "", id="a-nul"
        ),
        pytest.param(
            '{"nodeLabels": {"a\\u0000": "b"}}', "there is a NUL in it", "", id="a-nul-in-a-key"
        ),
        pytest.param("kind: Pod", "line 1: kind: 'Pod' is not known", "", id="another-kind"),
        pytest.param(
            "kind: KubeletConfiguration", "line 1: apiVersion is missing", "", id="half-a-kind"
        ),
        pytest.param(
            "apiVersion: v1\nkind: KubeletConfiguration", "line 1: apiVersion: 'v1'", "",
            id="another-version",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_file_and_line(
    file: Path, text: str, said: str, hint: str
) -> None:
    file.write_text(text)
    with pytest.raises(ConfigFileError) as refused:
        read_config(file)
    assert refused.value.message.startswith(str(file))
    assert said in refused.value.message
    assert hint in refused.value.hint


def test_what_is_no_file_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "utf16.yaml").write_bytes("a: 1\n".encode("utf-16"))
    (tmp_path / "config.yaml").write_text("{}")
    for path, said, hint in (
        (tmp_path, "Is a directory", ""),
        (Path("/dev/zero"), "longer than 1 MiB", ""),
        (Path("/dev/null"), "there is nothing in it", "write {}"),
        (tmp_path / "utf16.yaml", "no UTF-8 text", ""),
        (tmp_path / "confg.yaml", "there is no such file", "config.yaml?"),
    ):
        with pytest.raises(ConfigFileError) as refused:
            read_config(path)
        assert said in refused.value.message
        assert hint in refused.value.hint


def test_a_file_that_says_nothing_is_fine(file: Path) -> None:
    file.write_text("{}")
    assert read_config(file).values == {}


def test_it_is_looked_for_beside_the_data_and_where_the_original_had_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, data = tmp_path / "home", tmp_path / "data"
    monkeypatch.setenv("HOME", str(home))
    assert find_config(data) is None
    expected = [
        home / ".krustlet" / "config" / "config.json",
        data / "config" / "config.json",
        data / "config" / "config.yaml",
    ]
    for path in expected:  # each wins over those before
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
        assert find_config(data) == path


def test_no_two_options_share_a_key() -> None:
    assert len({key.own for key in KEYS}) == len(KEYS) == len({key.option for key in KEYS})
    fields = [key.kubelet for key in KEYS if key.kubelet]
    assert len(set(fields)) == len(fields)
