"""What a person is told of a manifest, word for word."""

import copy
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from krustlet.base import KrustletError
from krustlet.objects import Pod, PodStatus, with_defaults
from krustlet.sources import Complaint, ManifestError, load_pods, read_manifests

GOLDEN = Path(__file__).parent.parent / "objects" / "golden"
READ_HERE = "`apiVersion: v1` with `kind: Pod` is read here, or with `kind: List` of pods"

POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: shop
spec:
  containers:
  - name: web
    image: localhost:5000/web:1
"""


def with_container_line(line: str) -> str:
    """The pod with one more line, the ninth, in its container."""
    return f"{POD}    {line}\n"


def refused(text: str, *, name: str = "pod.yaml") -> ManifestError:
    with pytest.raises(ManifestError) as caught:
        load_pods(text, name=name)
    return caught.value


def test_a_pod_is_read_as_it_was_written() -> None:
    (pod,) = read_manifests(POD, name="pod.yaml")

    assert json.loads(msgspec.json.encode(pod)) == {**yaml.safe_load(POD), "status": {}}


def test_a_pod_is_loaded_as_the_server_would_have_taken_it() -> None:
    (pod,) = load_pods(POD, name="pod.yaml")

    assert pod == with_defaults(read_manifests(POD, name="pod.yaml")[0])
    assert pod.namespace == "default"
    assert pod.spec.containers[0].image_pull_policy == "IfNotPresent"


def test_a_large_pod_survives_being_written_and_read() -> None:
    text = (GOLDEN / "large.defaulted.json").read_text()

    (from_json,) = read_manifests(text, name="large.json")
    (from_yaml,) = read_manifests(yaml.safe_dump(json.loads(text)), name="large.yaml")

    assert json.loads(msgspec.json.encode(from_json)) == json.loads(text)
    assert from_yaml == from_json


def test_what_the_api_server_sent_can_be_read_too() -> None:
    text = (GOLDEN / "api.json").read_text()

    (pod,) = read_manifests(text, name="api.json")

    assert pod == msgspec.json.decode(text, type=Pod)


def test_a_pod_that_was_copied_from_a_cluster_starts_afresh() -> None:
    server = "  deletionTimestamp: '2026-01-02T03:04:05Z'\n  resourceVersion: '7'\n  uid: 1-2\n"
    text = POD.replace("spec:\n", f"{server}spec:\n") + "status: {phase: Failed}\n"

    (pod,) = load_pods(text, name="pod.yaml")

    assert pod.status == PodStatus()
    assert pod.metadata.deletion_timestamp is None
    assert pod.metadata.resource_version == ""
    assert pod.uid == "1-2"


class TestDocuments:
    def test_several_documents_are_several_pods_and_empty_ones_none(self) -> None:
        second = POD.replace("shop", "bank")

        pods = load_pods(f"---\n{POD}---\n---\n# nothing\n---\n{second}...\n", name="pods.yaml")

        assert [pod.name for pod in pods] == ["shop", "bank"]

    @pytest.mark.parametrize("kind", ["List", "PodList"])
    def test_a_list_holds_pods(self, kind: str) -> None:
        items = [yaml.safe_load(POD), yaml.safe_load(POD.replace("shop", "bank"))]
        text = yaml.safe_dump({"apiVersion": "v1", "kind": kind, "metadata": {}, "items": items})

        assert [pod.name for pod in load_pods(text, name="-")] == ["shop", "bank"]

    def test_the_pods_of_a_pod_list_need_not_say_what_they_are(self) -> None:
        item = yaml.safe_load(POD)
        del item["kind"], item["apiVersion"]
        text = json.dumps({"apiVersion": "v1", "kind": "PodList", "items": [item]})

        assert [pod.name for pod in load_pods(text, name="-")] == ["shop"]

    def test_a_complaint_names_the_item(self) -> None:
        text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  spec: 3\n"

        assert refused(text).message == "pod.yaml:6:9: items[0].spec: expected mapping, got int"

    @pytest.mark.parametrize("text", ["", "\n", "---\n---\n", "# only words\n", "~\n", "\ufeff"])
    def test_nothing_is_no_manifest(self, text: str) -> None:
        error = refused(text, name="<stdin>")

        assert error.message == "<stdin>: holds no pod"
        assert error.hint == READ_HERE

    @pytest.mark.parametrize("items", ["[]", "", "null"])
    def test_an_empty_list_holds_no_pod(self, items: str) -> None:
        text = f"apiVersion: v1\nkind: List\nitems: {items}\n"

        assert refused(text).message == "pod.yaml: holds no pod"

    @pytest.mark.parametrize(
        ("text", "message", "hint"),
        [
            ("hello", "1:1: expected mapping, got str", ""),
            ("- a", "1:1: expected mapping, got list", ""),
            ("apiVersion: v1", "1:1: kind: is missing", READ_HERE),
            ("kind: Pod", "1:1: apiVersion: is missing", READ_HERE),
            ("kind: 3\napiVersion: v1", "1:7: kind: expected str, got int", "write it in quotes:"),
            ("kind: pod\napiVersion: v1", "1:7: a pod is not read here", "did you mean `Pod`?"),
            ("kind: Service\napiVersion: v1", "1:7: a Service is not read here", READ_HERE),
            (
                "kind: Pod\napiVersion: apps/v1",
                "2:13: apiVersion: `apps/v1` is not `v1`",
                READ_HERE,
            ),
            (
                "kind: Deployment\napiVersion: apps/v1",
                "1:7: a Deployment is not run here, nor is its pod template",
                "write the pod itself, with `apiVersion: v1` and `kind: Pod`",
            ),
            (
                "kind: List\napiVersion: v1\nitem: []",
                "3:1: item: unknown field",
                "did you mean `items`?",
            ),
            (
                "kind: List\napiVersion: v1\nitems: {a: b}",
                "3:8: items: expected list, got mapping",
                "begin each item with `- `",
            ),
            (
                "kind: List\napiVersion: v1\nitems: 3",
                "3:8: items: expected list, got int",
                "begin each item with `- `",
            ),
        ],
    )
    def test_other_things_are_no_pods(self, text: str, message: str, hint: str) -> None:
        error = refused(text)

        assert error.message == f"pod.yaml:{message}"
        assert error.hint.startswith(hint)
        assert bool(error.hint) == bool(hint)

    def test_a_pod_must_not_be_there_twice(self) -> None:
        error = refused(f"{POD}---\n{POD}")

        assert error.message == "pod.yaml:13:9: the pod `default/shop` is there twice"
        assert error.hint == "the first is in line 4"


class TestFields:
    @pytest.mark.parametrize(
        ("line", "message", "hint"),
        [
            (
                "imagee: x",
                "5: spec.containers[0].imagee: unknown field",
                "did you mean `image`?",
            ),
            (
                "restart_policy: Always",
                "5: spec.containers[0].restart_policy: unknown field",
                "did you mean `restartPolicy`?",
            ),
            ("zzz: x", "5: spec.containers[0].zzz: unknown field", ""),
            (
                "env: [{name: A, vale: b}]",
                "21: spec.containers[0].env[0].vale: unknown field",
                "did you mean `value`?",
            ),
            (
                "env: [{name: A, value: yes}]",
                "28: spec.containers[0].env[0].value: expected str, got bool",
                'write it in quotes: "yes"',
            ),
            (
                "env: [{name: A, value: y}]",
                "28: spec.containers[0].env[0].value: expected str, got bool",
                'write it in quotes: "y"',
            ),
            (
                "env: [{name: A, value: 1}]",
                "28: spec.containers[0].env[0].value: expected str, got int",
                'write it in quotes: "1"',
            ),
            (
                "env: [{name: A, value: 08}]",
                "28: spec.containers[0].env[0].value: expected str, got float",
                'write it in quotes: "08"',
            ),
            (
                "env: [{name: A, value: 1.10}]",
                "28: spec.containers[0].env[0].value: expected str, got float",
                'write it in quotes: "1.10"',
            ),
            (
                "env: {A: b}",
                "10: spec.containers[0].env: expected list, got mapping",
                "begin each item with `- `",
            ),
            (
                "args: --fast",
                "11: spec.containers[0].args: expected list, got str",
                'write a list: ["--fast"]',
            ),
            (
                "args: [--port, 80]",
                "20: spec.containers[0].args[1]: expected str, got int",
                'write it in quotes: "80"',
            ),
            (
                "args: [~]",
                "12: spec.containers[0].args[0]: expected str, got null",
                "",
            ),
            (
                'tty: "yes"',
                "10: spec.containers[0].tty: expected bool, got str",
                "write it without quotes",
            ),
            ("tty: maybe", "10: spec.containers[0].tty: expected bool, got str", ""),
            ("tty: 1", "10: spec.containers[0].tty: expected bool, got int", ""),
            (
                'ports: [{containerPort: "80"}]',
                "29: spec.containers[0].ports[0].containerPort: expected int, got str",
                "write it without quotes",
            ),
            (
                "ports: [{containerPort: 80.5}]",
                "29: spec.containers[0].ports[0].containerPort: expected int, got float",
                "",
            ),
            (
                "ports: [80]",
                "13: spec.containers[0].ports[0]: expected mapping, got int",
                "",
            ),
            (
                "livenessProbe: {tcpSocket: {port: true}}",
                "39: spec.containers[0].livenessProbe.tcpSocket.port: expected int or str, got"
                " bool",
                'write it in quotes: "true"',
            ),
            (
                "resources: {limits: {cpu: [1]}}",
                "31: spec.containers[0].resources.limits.cpu: expected quantity, got list",
                "such as 250m, 1.5 or 64Mi",
            ),
            (
                "resources: {limits: {cpu: yes}}",
                "31: spec.containers[0].resources.limits.cpu: expected quantity, got bool",
                "such as 250m, 1.5 or 64Mi",
            ),
            (
                "securityContext: {runAsUser: 9223372036854775808}",
                "34: spec.containers[0].securityContext.runAsUser: 9223372036854775808 needs more"
                " than 64 bits",
                "",
            ),
            (
                "name: again",
                "5: spec.containers[0].name: is there twice",
                "the first is in line 7",
            ),
            (
                "workingDir: !path /srv",
                "17: spec.containers[0].workingDir: the tag `!path` means nothing here",
                "",
            ),
            (
                "env: !set {}",
                "10: spec.containers[0].env: expected list, got mapping",
                "begin each item with `- `",
            ),
            (
                "tty: !!bool maybe",
                "10: spec.containers[0].tty: `maybe` is no bool",
                "",
            ),
            (
                "[a, b]: c",
                "5: spec.containers[0]: expected str as a key, got list",
                "",
            ),
            (
                "<<: text",
                "9: spec.containers[0]: expected mapping, got str",
                "",
            ),
        ],
    )
    def test_a_wrong_field_is_named_with_its_place(
        self, line: str, message: str, hint: str
    ) -> None:
        error = refused(with_container_line(line))

        assert error.message == f"pod.yaml:9:{message}"
        assert error.hint == hint

    def test_a_field_that_a_server_always_sends_is_missed(self) -> None:
        text = f"{POD}status: {{conditions: [{{type: Ready}}]}}\n"

        assert refused(text).message == "pod.yaml:9:23: status.conditions[0].status: is missing"

    def test_a_null_is_as_good_as_nothing(self) -> None:
        text = with_container_line("args:\n    env: null\n    resources: ~\n    workingDir:")

        assert load_pods(text, name="pod.yaml") == load_pods(POD, name="pod.yaml")

    def test_an_empty_label_is_empty_text(self) -> None:
        text = POD.replace("spec:\n", "  labels: {a: , 1: b, true: c}\nspec:\n")

        (pod,) = load_pods(text, name="pod.yaml")

        assert pod.metadata.labels == {"a": "", "1": "b", "true": "c"}

    def test_amounts_may_be_numbers(self) -> None:
        line = "resources: {limits: {cpu: 1, memory: 1_000, ephemeral-storage: 1.50}}"

        (pod,) = read_manifests(with_container_line(line), name="pod.yaml")

        limits = pod.spec.containers[0].resources.limits
        assert limits == {"cpu": "1", "memory": "1000", "ephemeral-storage": "1.50"}

    @pytest.mark.parametrize(
        ("written", "mode"),
        [("0644", 420), ("0o644", 420), ("420", 420), ("0x1a4", 420), ("420.0", 420), ("0", 0)],
    )
    def test_modes_may_be_octal(self, written: str, mode: int) -> None:
        text = f"{POD}  volumes: [{{name: a, secret: {{secretName: a, defaultMode: {written}}}}}]\n"

        (volume,) = load_pods(text, name="pod.yaml")[0].spec.volumes

        assert volume.secret is not None
        assert volume.secret.default_mode == mode

    @pytest.mark.parametrize("port", ["80", "http", '"80"'])
    def test_a_port_is_a_number_or_a_name(self, port: str) -> None:
        line = f"livenessProbe: {{tcpSocket: {{port: {port}}}}}"

        (pod,) = read_manifests(with_container_line(line), name="pod.yaml")

        probe = pod.spec.containers[0].liveness_probe
        assert probe is not None
        assert probe.tcp_socket is not None
        assert probe.tcp_socket.port == yaml.safe_load(port)

    @pytest.mark.parametrize(
        "word", ["12:30", "12:30:45", "2026-01-02", "2026-01-02T03:04:05Z", "=", "!!str 1", "1.2.3"]
    )
    def test_what_only_looks_like_a_number_or_a_date_is_text(self, word: str) -> None:
        (pod,) = load_pods(with_container_line(f"args: [{word}]"), name="pod.yaml")

        assert pod.spec.containers[0].args == (word.removeprefix("!!str "),)

    @pytest.mark.parametrize("word", ["yes", "on", "Y", "true", "TRUE"])
    def test_a_truth_value_may_be_any_word_of_yaml(self, word: str) -> None:
        (pod,) = load_pods(with_container_line(f"tty: {word}"), name="pod.yaml")

        assert pod.spec.containers[0].tty is True

    def test_parts_that_nobody_computes_with_are_kept(self) -> None:
        text = f"{POD}  affinity: {{nodeAffinity: {{x: [1, 2.5, yes, null, a]}}}}\n"

        (pod,) = load_pods(text, name="pod.yaml")

        assert pod.spec.affinity == {"nodeAffinity": {"x": [1, 2.5, True, None, "a"]}}

    @pytest.mark.parametrize("number", [".nan", "-.inf", "1e400"])
    def test_numbers_that_json_does_not_have_are_refused(self, number: str) -> None:
        text = f"{POD}  affinity: {{x: {number}}}\n"

        assert refused(text).message == (
            f"pod.yaml:9:17: spec.affinity.x: `{number}` is a number that JSON does not have"
        )


class TestAliases:
    def test_aliases_and_merges_are_followed(self) -> None:
        text = f"""{POD}
    env: &env [{{name: A, value: b}}]
  - <<: &base {{image: "a:1", tty: true}}
    name: second
    env: *env
  - <<: [{{image: "b:1"}}, *base]
    name: third
"""
        (pod,) = load_pods(text, name="pod.yaml")

        web, second, third = pod.spec.containers
        assert second.env == web.env
        assert (second.image, second.tty) == ("a:1", True)
        assert (third.image, third.tty) == ("b:1", True)

    def test_a_complaint_is_about_where_the_value_was_written(self) -> None:
        text = with_container_line("env: &env [{name: A, vale: b}]\n  - {name: x, env: *env}")

        lines = refused(text).message.splitlines()

        assert lines == [
            "pod.yaml:9:26: spec.containers[0].env[0].vale: unknown field (did you mean `value`?)",
            "pod.yaml:9:26: spec.containers[1].env[0].vale: unknown field (did you mean `value`?)",
        ]

    def test_a_bomb_of_aliases_is_not_let_in(self) -> None:
        layers = ["a0: &a0 [" + ", ".join("x" * 10) + "]"]
        for layer in range(1, 12):
            layers.append(f"a{layer}: &a{layer} [{', '.join([f'*a{layer - 1}'] * 10)}]")

        assert refused("\n".join(layers)).message == (
            "pod.yaml:5:55: more than 100000 values, aliases followed"
        )

    def test_a_chain_of_aliases_is_not_let_in(self) -> None:
        chain = ["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 100_000))]

        assert refused("\n".join(chain)).message == (
            "pod.yaml:100:16: nested more than 100 deep, aliases followed"
        )

    def test_an_alias_must_not_hold_itself(self) -> None:
        assert refused("a: &a [b, *a]").message == "pod.yaml:1:11: `*a` holds itself"

    @pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
    def test_deep_nesting_is_not_let_in(self, opening: str) -> None:
        message = refused(opening * 100_000).message

        assert message.endswith(": nested more than 100 deep, aliases followed")

    def test_one_wrong_line_does_not_bring_complaints_without_end(self) -> None:
        aliases = ", ".join(["*a"] * 200)
        text = with_container_line(f"ports: &p [&a {{x: 1}}, {aliases}]")

        lines = refused(text).message.splitlines()

        assert len(lines) == 51
        assert lines[-1] == "pod.yaml: and 151 more"


class TestText:
    @pytest.mark.parametrize("ends", ["\r\n", "\r", "\n"])
    def test_lines_may_end_as_they_do_elsewhere(self, ends: str) -> None:
        text = POD.replace("\n", ends)

        assert load_pods(text, name="pod.yaml") == load_pods(POD, name="pod.yaml")

    def test_windows_lines_are_counted_right(self) -> None:
        text = with_container_line("imagee: x").replace("\n", "\r\n")

        assert refused(text).message.startswith("pod.yaml:9:5: ")

    def test_a_byte_order_mark_is_no_content(self) -> None:
        assert load_pods(f"\ufeff{POD}", name="pod.yaml") == load_pods(POD, name="pod.yaml")
        assert refused("\ufeffkind: Job\napiVersion: v1").message.startswith("pod.yaml:1:7: ")

    def test_json_with_tabs_and_escapes_is_json(self) -> None:
        pod = yaml.safe_load(POD)
        pod["spec"]["containers"][0]["args"] = [
            "\U0001f980",
            "a/b",
            "\\ud83e\\udd80",
            "\t",
            "\u2028",
        ]
        text = json.dumps(pod, indent="\t").replace("a/b", r"a\/b")

        (loaded,) = load_pods(text, name="pod.json")

        assert list(loaded.spec.containers[0].args) == pod["spec"]["containers"][0]["args"]

    def test_a_complaint_about_json_has_its_line(self) -> None:
        pod = yaml.safe_load(POD)
        pod["spec"]["containers"][0]["imagee"] = "x"
        text = json.dumps(pod, indent="\t")

        line = text.splitlines().index('\t\t\t\t"imagee": "x"') + 1
        assert refused(text, name="pod.json").message == (
            f"pod.json:{line}:5: spec.containers[0].imagee: unknown field"
        )

    def test_a_key_of_json_must_not_be_there_twice(self) -> None:
        text = '{"apiVersion": "v1", "kind": "Pod", "kind": "Pod"}'

        error = refused(text)

        assert error.message == "pod.yaml:1:37: kind: is there twice"
        assert error.hint == "the first is in line 1"

    @pytest.mark.parametrize(
        ("text", "place"),
        [
            ("a: [1", "2:1"),
            ("a: b: c", "1:5"),
            ("a:\n  - b\n c: d", "3:2"),
            ("a: *nobody", "1:4"),
            ("a: 'b", "1:6"),
            ("{", "2:1"),
            ("a: @b", "1:4"),
        ],
    )
    def test_broken_yaml_is_told_in_one_line_with_its_place(self, text: str, place: str) -> None:
        message = refused(text).message

        line, column = place.split(":")
        assert message.startswith(f"pod.yaml:{line}:")
        assert ": not YAML: " in message
        assert "\n" not in message
        assert int(column) >= 1

    def test_a_tab_is_called_a_tab(self) -> None:
        error = refused("a:\n\t- b")

        assert error.message.startswith("pod.yaml:2:1: not YAML: found character ")
        assert error.hint == "indent with blanks, not with tabs"

    @pytest.mark.parametrize(
        ("text", "name", "message"),
        [
            ('{"kind": "Pod",\n "spec": {]}', "<stdin>", "2:11: not JSON: expecting property name"),
            ('{"kind": "Pod"} {}', "<stdin>", "1:17: not JSON: extra data"),
            ("{\n kind: Pod", "pod.json", "2:2: not JSON: expecting property name"),
            ("{kind: Pod", "<stdin>", "2:1: not YAML: "),
        ],
    )
    def test_json_is_not_called_bad_yaml(self, text: str, name: str, message: str) -> None:
        assert refused(text, name=name).message.startswith(f"{name}:{message}")

    def test_what_looks_like_bad_json_and_is_good_yaml_is_read(self) -> None:
        text = json.dumps(yaml.safe_load(POD)).replace("}]}}", "},]}}")

        with pytest.raises(json.JSONDecodeError):
            json.loads(text)
        assert [pod.name for pod in load_pods(text, name="pod.json")] == ["shop"]

    @pytest.mark.parametrize(("character", "code"), [("\x00", "0000"), ("\udc80", "DC80")])
    def test_bytes_that_are_no_text_are_refused(self, character: str, code: str) -> None:
        error = refused(f"a: b\nc: d{character}")

        assert error.message == f"pod.yaml:2:5: not YAML: it holds the character U+{code}"

    def test_what_is_repeated_in_a_message_stays_on_its_line(self) -> None:
        message = refused(POD.replace("shop", '"a\\nb\\e"')).message

        assert message == r"pod.yaml:4:9: metadata.name: `a\nb\x1b` cannot be a name here"

    def test_what_is_repeated_in_a_message_is_cut_short(self) -> None:
        assert len(refused(POD.replace("shop", "X" * 100_000)).message) < 500


class TestProblems:
    def test_a_problem_is_told_where_its_value_stands(self) -> None:
        error = refused(with_container_line("imagePullPolicy: always"))

        assert error.message == (
            "pod.yaml:9:22: spec.containers[0].imagePullPolicy: `always` is none of `Always`,"
            " `IfNotPresent`, `Never`"
        )
        assert error.hint == "did you mean `Always`?"

    def test_what_is_missing_is_told_where_it_should_be(self) -> None:
        text = POD.replace("    image: localhost:5000/web:1\n", "")

        assert refused(text).message == "pod.yaml:7:5: spec.containers[0].image: is missing"

    def test_a_label_is_found_by_its_key(self) -> None:
        text = POD.replace("spec:\n", "  labels:\n    a.b/c: d\n    a b: c\nspec:\n")

        assert refused(text).message == (
            'pod.yaml:7:10: metadata.labels["a b"]: `a b` cannot be the name of a key'
        )

    def test_all_problems_are_told_in_the_order_of_their_lines(self) -> None:
        unknown = POD.replace("name: web", "nam: web")
        unsound = POD.replace("name: shop", "name: Bank").replace(":5000/web:1", "")
        unsound = unsound.replace("image: localhost", "image: ''")

        error = refused(f"{unsound}---\n{unknown}---\nkind: Job\napiVersion: batch/v1\n")

        assert [(complaint.line, complaint.column) for complaint in error.complaints] == [
            (4, 9),
            (8, 12),
            (16, 5),
            (19, 7),
        ]
        assert error.message.splitlines() == [
            "pod.yaml:4:9: metadata.name: `Bank` cannot be a name here (lower-case letters,"
            " digits, `-` and `.`, beginning and ending with a letter or a digit, 253 at most)",
            "pod.yaml:8:12: spec.containers[0].image: is missing",
            "pod.yaml:16:5: spec.containers[0].nam: unknown field (did you mean `name`?)",
            "pod.yaml:19:7: a Job is not run here, nor is its pod template (write the pod itself,"
            " with `apiVersion: v1` and `kind: Pod`)",
        ]
        assert error.hint == ""

    def test_reading_alone_does_not_look_for_problems(self) -> None:
        (pod,) = read_manifests("apiVersion: v1\nkind: Pod\n", name="pod.yaml")

        assert pod == Pod()

    def test_an_error_has_a_reason_for_the_api(self) -> None:
        error = refused("")

        assert isinstance(error, KrustletError)
        assert error.reason == "FailedValidation"
        assert error.complaints == (Complaint(0, 0, "holds no pod", READ_HERE),)


LARGE = yaml.safe_load((GOLDEN / "large.yaml").read_text())
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=5), inside),
    max_leaves=5,
)


@given(st.data())
def test_any_value_anywhere_is_taken_or_refused_with_a_place(data: st.DataObject) -> None:
    pod = copy.deepcopy(LARGE)
    target: Any = pod
    while True:
        keys = list(target) if isinstance(target, dict) else list(range(len(target)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(target[key], dict | list) or not target[key] or data.draw(st.booleans()):
            break
        target = target[key]
    target[key] = data.draw(json_values)

    match outcome(yaml.safe_dump(pod, allow_unicode=True)):
        case ManifestError() as error:
            assert all(line.startswith("pod.yaml:") for line in error.message.splitlines())
        case (loaded,):
            assert msgspec.json.decode(msgspec.json.encode(loaded), type=Pod) == loaded
        case other:
            pytest.fail(f"{other}")


def outcome(text: str) -> list[Pod] | ManifestError:
    try:
        return load_pods(text, name="pod.yaml")
    except ManifestError as error:
        return error


@given(st.text(max_size=200))
def test_any_text_is_pods_or_a_manifest_error(text: str) -> None:
    with suppress(ManifestError):
        assert load_pods(text, name="pod.yaml")
