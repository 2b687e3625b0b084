"""Each refusal by its exact words: `path: message (hint)`."""

import copy
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from krustlet.objects import Pod, Problem, validate, with_defaults

LABEL = (
    "lower-case letters, digits and `-`, beginning and ending with a letter or a digit, 63 at most"
)
SUBDOMAIN = (
    "lower-case letters, digits, `-` and `.`, beginning and ending with a letter or a digit,"
    " 253 at most"
)
KEY = "letters, digits, `-`, `_` and `.`, beginning and ending with a letter or a digit, 63 at most"
PORT_NAME = (
    "lower-case letters, digits and single `-`, at least one letter, beginning and ending with a"
    " letter or a digit, 15 at most"
)
QUANTITY = "write a number with an optional suffix: 250m, 1.5, 64Mi, 2G"
VOLUMES = "the pod has `config`, `scratch`"

BASE: dict[str, Any] = {
    "metadata": {"name": "shop"},
    "spec": {
        "initContainers": [{"name": "setup", "image": "localhost:5000/setup:1"}],
        "containers": [
            {
                "name": "web",
                "image": "localhost:5000/web:1",
                "ports": [{"name": "http", "containerPort": 80}],
                "env": [{"name": "MODE", "value": "fast"}],
                "volumeMounts": [
                    {"name": "config", "mountPath": "/etc/shop"},
                    {"name": "scratch", "mountPath": "/tmp"},
                ],
            }
        ],
        "volumes": [{"name": "config", "configMap": {"name": "config"}}, {"name": "scratch"}],
    },
}


def changed(path: str, value: object) -> dict[str, Any]:
    """The base with one value put in place; an index one past the end appends."""
    pod = copy.deepcopy(BASE)
    *way, last = [int(step) if step.isdecimal() else step for step in path.split("/")]
    target: Any = pod
    for step in way:
        target = target.setdefault(step, {}) if isinstance(target, dict) else target[step]
    if isinstance(target, list) and last == len(target):
        target.append(value)
    else:
        target[last] = value
    return pod


def problems(pod: dict[str, Any]) -> list[str]:
    found = validate(with_defaults(msgspec.convert(pod, Pod)))
    return [f"{problem} ({problem.hint})" if problem.hint else str(problem) for problem in found]


def test_a_sound_pod_has_no_problem() -> None:
    assert problems(BASE) == []


METADATA = [
    ("name", "", "name: is missing"),
    ("name", "Shop", f"name: `Shop` cannot be a name here ({SUBDOMAIN})"),
    ("name", "a" * 254, f"name: `{'a' * 254}` cannot be a name here ({SUBDOMAIN})"),
    ("name", "shop\n", f"name: `shop\n` cannot be a name here ({SUBDOMAIN})"),
    ("namespace", "a.b", f"namespace: `a.b` cannot be a name here ({LABEL})"),
    ("labels", {"a b": "c"}, f'labels["a b"]: `a b` cannot be the name of a key ({KEY})'),
    ("labels", {"A/b": "c"}, f'labels["A/b"]: `A` cannot be the prefix of a key ({SUBDOMAIN})'),
    ("labels", {"/b": "c"}, f'labels["/b"]: `` cannot be the prefix of a key ({SUBDOMAIN})'),
    ("labels", {"a": "b c"}, f"labels.a: `b c` cannot be the value of a label ({KEY})"),
    ("annotations", {"a b": "c"}, f'annotations["a b"]: `a b` cannot be the name of a key ({KEY})'),
    (
        "annotations",
        {"a": "b" * 262144},
        "annotations: 262145 bytes are more than the 262144 allowed",
    ),
]


@pytest.mark.parametrize(("path", "value", "refusal"), METADATA)
def test_metadata(path: str, value: object, refusal: str) -> None:
    assert problems(changed(f"metadata/{path}", value)) == [f"metadata.{refusal}"]


@pytest.mark.parametrize("key", ["Example.com/Note", "UPPER"])
def test_the_case_of_an_annotation_does_not_matter(key: str) -> None:
    assert problems(changed("metadata/annotations", {key: "any text\nat all"})) == []


def test_only_the_server_makes_up_names() -> None:
    assert problems({**BASE, "metadata": {"generateName": "shop-"}}) == [
        "metadata.name: is missing (only the API server makes one from `generateName`)"
    ]


SPEC = [
    (
        "containers",
        [],
        "containers: is empty, but a pod needs a container"
        ' (such as `- {name: hello, image: "file:hello.wasm"}`)',
    ),
    (
        "restartPolicy",
        "always",
        "restartPolicy: `always` is none of `Always`, `OnFailure`, `Never`"
        " (did you mean `Always`?)",
    ),
    ("restartPolicy", "Maybe", "restartPolicy: `Maybe` is none of `Always`, `OnFailure`, `Never`"),
    (
        "dnsPolicy",
        "Clusterfirst",
        "dnsPolicy: `Clusterfirst` is none of `ClusterFirst`, `ClusterFirstWithHostNet`,"
        " `Default`, `None` (did you mean `ClusterFirst`?)",
    ),
    (
        "dnsPolicy",
        "None",
        "dnsConfig.nameservers: is missing (`dnsPolicy: None` needs one at least)",
    ),
    ("dnsConfig", {"nameservers": ["one"]}, "dnsConfig.nameservers[0]: `one` is no IP address"),
    (
        "dnsConfig",
        {"nameservers": ["1.1.1.1"] * 4},
        "dnsConfig.nameservers: 4 name servers are more than 3",
    ),
    (
        "dnsConfig",
        {"searches": ["a"] * 33},
        "dnsConfig.searches: 33 domains are more than 32",
    ),
    (
        "dnsConfig",
        {"searches": ["a b"]},
        f"dnsConfig.searches[0]: `a b` cannot be searched ({SUBDOMAIN})",
    ),
    ("dnsConfig", {"options": [{}]}, "dnsConfig.options[0].name: is missing"),
    ("hostAliases", [{"ip": "one"}], "hostAliases[0].ip: `one` is no IP address"),
    (
        "hostAliases",
        [{"ip": "::1", "hostnames": ["A"]}],
        f"hostAliases[0].hostnames[0]: `A` cannot be a name here ({SUBDOMAIN})",
    ),
    ("terminationGracePeriodSeconds", -1, "terminationGracePeriodSeconds: -1 is less than 0"),
    (
        "activeDeadlineSeconds",
        0,
        "activeDeadlineSeconds: 0 is not between 1 and 2147483647",
    ),
    ("hostname", "a.b", f"hostname: `a.b` cannot be a name here ({LABEL})"),
    ("nodeName", "A", f"nodeName: `A` cannot be a name here ({SUBDOMAIN})"),
    ("runtimeClassName", "", f"runtimeClassName: `` cannot be a name here ({SUBDOMAIN})"),
    ("hostnameOverride", "a" * 65, "hostnameOverride: 65 characters are more than 64"),
    ("nodeSelector", {"a": "b c"}, f"nodeSelector.a: `b c` cannot be the value of a label ({KEY})"),
    (
        "readinessGates",
        [{"conditionType": "a b"}],
        f"readinessGates[0].conditionType: `a b` cannot be the name of a key ({KEY})",
    ),
    (
        "schedulingGates",
        [{"name": "a b"}],
        f"schedulingGates[0].name: `a b` cannot be the name of a key ({KEY})",
    ),
    ("os", {}, "os.name: is missing"),
    ("os", {"name": "plan9"}, "os.name: `plan9` is none of `linux`, `windows`"),
    (
        "preemptionPolicy",
        "never",
        "preemptionPolicy: `never` is none of `PreemptLowerPriority`, `Never`"
        " (did you mean `Never`?)",
    ),
    ("overhead", {"cpu": "much"}, f"overhead.cpu: `much` is no quantity ({QUANTITY})"),
    (
        "ephemeralContainers",
        [{"name": "debug", "image": "a:1"}],
        "ephemeralContainers: cannot be set on creation"
        " (they are added to a pod that runs, by `kubectl debug`)",
    ),
    (
        "tolerations",
        [{}],
        "tolerations[0].operator: must be `Exists` where there is no `key`",
    ),
    (
        "tolerations",
        [{"key": "a", "operator": "Is"}],
        "tolerations[0].operator: `Is` is none of `Equal`, `Exists`, `Lt`, `Gt`",
    ),
    (
        "tolerations",
        [{"key": "a", "operator": "Exists", "value": "b"}],
        "tolerations[0].value: must be empty where the operator is `Exists`",
    ),
    (
        "tolerations",
        [{"key": "a", "tolerationSeconds": 1}],
        "tolerations[0].effect: must be `NoExecute` where `tolerationSeconds` is set",
    ),
    (
        "securityContext",
        {"fsGroup": -1},
        "securityContext.fsGroup: -1 is not between 0 and 2147483647",
    ),
    (
        "securityContext",
        {"supplementalGroups": [0, -1]},
        "securityContext.supplementalGroups[1]: -1 is not between 0 and 2147483647",
    ),
    (
        "securityContext",
        {"fsGroupChangePolicy": "Never"},
        "securityContext.fsGroupChangePolicy: `Never` is none of `OnRootMismatch`, `Always`",
    ),
    (
        "resources",
        {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}},
        "resources.requests.cpu: `2` is more than the limit `1`",
    ),
]


@pytest.mark.parametrize(("path", "value", "refusal"), SPEC)
def test_spec(path: str, value: object, refusal: str) -> None:
    assert problems(changed(f"spec/{path}", value)) == [f"spec.{refusal}"]


CONTAINER = [
    ("name", "", "name: is missing"),
    ("name", "Web_1", f"name: `Web_1` cannot be a name here ({LABEL})"),
    ("name", "setup", "name: `setup` is already taken by spec.initContainers[0]"),
    ("image", "", "image: is missing"),
    ("image", " web", "image: ` web` has blanks around it"),
    (
        "imagePullPolicy",
        "IfPresent",
        "imagePullPolicy: `IfPresent` is none of `Always`, `IfNotPresent`, `Never`"
        " (did you mean `IfNotPresent`?)",
    ),
    (
        "terminationMessagePolicy",
        "Log",
        "terminationMessagePolicy: `Log` is none of `File`, `FallbackToLogsOnError`",
    ),
    (
        "restartPolicy",
        "Sometimes",
        "restartPolicy: `Sometimes` is none of `Always`, `OnFailure`, `Never`",
    ),
    (
        "restartPolicyRules",
        [{"action": "Restart", "exitCodes": {"operator": "In", "values": [1]}}],
        "restartPolicy: is missing (`restartPolicyRules` need it)",
    ),
    (
        "ports/1",
        {"name": "http", "containerPort": 81},
        "ports[1].name: `http` is already taken by spec.containers[0].ports[0]",
    ),
    ("ports/0/name", "HTTP", f"ports[0].name: `HTTP` cannot name a port ({PORT_NAME})"),
    ("ports/0/name", "80", f"ports[0].name: `80` cannot name a port ({PORT_NAME})"),
    ("ports/0/name", "a--b", f"ports[0].name: `a--b` cannot name a port ({PORT_NAME})"),
    ("ports/0/containerPort", 0, "ports[0].containerPort: is missing"),
    ("ports/0/containerPort", 65536, "ports[0].containerPort: 65536 is not between 1 and 65535"),
    ("ports/0/hostPort", -1, "ports[0].hostPort: -1 is not between 1 and 65535"),
    (
        "ports/0/protocol",
        "tcp",
        "ports[0].protocol: `tcp` is none of `TCP`, `UDP`, `SCTP` (did you mean `TCP`?)",
    ),
    (
        "ports",
        [{"containerPort": 1, "hostPort": 9}, {"containerPort": 2, "hostPort": 9}],
        "ports[1].hostPort: 9 is already taken by spec.containers[0].ports[0]",
    ),
    (
        "lifecycle",
        {"stopSignal": "SIGTERM"},
        "lifecycle.stopSignal: needs `spec.os.name` (such as `linux`)",
    ),
    (
        "resources",
        {"limits": {"cpu": "one"}},
        f"resources.limits.cpu: `one` is no quantity ({QUANTITY})",
    ),
    ("resources", {"limits": {"memory": "-1"}}, "resources.limits.memory: `-1` is negative"),
    (
        "resources",
        {"limits": {"cpu": "1"}, "requests": {"cpu": "1001m"}},
        "resources.requests.cpu: `1001m` is more than the limit `1`",
    ),
    (
        "resources",
        {"requests": {"memori": "1Gi"}},
        "resources.requests.memori: `memori` is no resource (did you mean `memory`?)",
    ),
    (
        "resources",
        {"limits": {"example.com/dongle": "1.5"}},
        'resources.limits["example.com/dongle"]: `1.5` is not a whole number',
    ),
    (
        "resources",
        {"requests": {"example.com/dongle": "1"}},
        'resources.requests["example.com/dongle"]: needs a limit of the same amount'
        " (see `spec.containers[0].resources.limits`)",
    ),
    (
        "resources",
        {"requests": {"example.com/dongle": "1"}, "limits": {"example.com/dongle": "2"}},
        'resources.requests["example.com/dongle"]: `1` is not the limit `2` (it must be the same)',
    ),
    (
        "resizePolicy",
        [{"resourceName": "disk", "restartPolicy": "NotRequired"}],
        "resizePolicy[0].resourceName: `disk` is none of `cpu`, `memory`",
    ),
    (
        "securityContext",
        {"runAsUser": 2**31},
        "securityContext.runAsUser: 2147483648 is not between 0 and 2147483647",
    ),
    (
        "securityContext",
        {"privileged": True, "allowPrivilegeEscalation": False},
        "securityContext.allowPrivilegeEscalation: cannot be false beside `privileged: true`",
    ),
    (
        "securityContext",
        {"seccompProfile": {"type": "Localhost"}},
        "securityContext.seccompProfile.localhostProfile: is missing",
    ),
    (
        "securityContext",
        {"seccompProfile": {"type": "Unconfined", "localhostProfile": "a"}},
        "securityContext.seccompProfile.localhostProfile: belongs to the type `Localhost` alone",
    ),
]


@pytest.mark.parametrize(("path", "value", "refusal"), CONTAINER)
def test_container(path: str, value: object, refusal: str) -> None:
    found = problems(changed(f"spec/containers/0/{path}", value))

    assert found == [f"spec.containers[0].{refusal}"]


ENV = [
    ({"name": ""}, "name: is missing"),
    (
        {"name": "A=B"},
        "name: `A=B` cannot name an environment variable (printable ASCII characters"
        " other than `=`)",
    ),
    (
        {"name": "A", "value": "b", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        "valueFrom: cannot stand beside `value` (keep one of the two)",
    ),
    (
        {"name": "A", "valueFrom": {}},
        "valueFrom: needs one of `fieldRef`, `resourceFieldRef`, `configMapKeyRef`,"
        " `secretKeyRef`, `fileKeyRef`",
    ),
    (
        {
            "name": "A",
            "valueFrom": {
                "fieldRef": {"fieldPath": "metadata.name"},
                "secretKeyRef": {"name": "a", "key": "b"},
            },
        },
        "valueFrom: has `fieldRef`, `secretKeyRef`, but only one of them can be (keep one)",
    ),
    (
        {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.nam"}}},
        "valueFrom.fieldRef.fieldPath: `metadata.nam` cannot be shown here"
        " (did you mean `metadata.name`?)",
    ),
    (
        {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['a b']"}}},
        f"valueFrom.fieldRef.fieldPath: `a b` cannot be the name of a key ({KEY})",
    ),
    (
        {
            "name": "A",
            "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName", "apiVersion": "v2"}},
        },
        "valueFrom.fieldRef.apiVersion: `v2` is not `v1`",
    ),
    (
        {"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpus"}}},
        "valueFrom.resourceFieldRef.resource: `limits.cpus` cannot be shown here"
        " (did you mean `limits.cpu`?)",
    ),
    (
        {
            "name": "A",
            "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "x"}},
        },
        f"valueFrom.resourceFieldRef.divisor: `x` is no quantity ({QUANTITY})",
    ),
    (
        {"name": "A", "valueFrom": {"configMapKeyRef": {"key": "a"}}},
        "valueFrom.configMapKeyRef.name: is missing",
    ),
    (
        {"name": "A", "valueFrom": {"secretKeyRef": {"name": "a", "key": "../b"}}},
        "valueFrom.secretKeyRef.key: `../b` cannot be a key (letters, digits, `-`, `_` and `.`)",
    ),
    (
        {"name": "A", "valueFrom": {"fileKeyRef": {"volumeName": "x", "path": "p", "key": "K"}}},
        f"valueFrom.fileKeyRef.volumeName: there is no volume `x` ({VOLUMES})",
    ),
    (
        {
            "name": "A",
            "valueFrom": {"fileKeyRef": {"volumeName": "config", "path": "p", "key": "K"}},
        },
        "valueFrom.fileKeyRef.volumeName: volume `config` is no `emptyDir`",
    ),
    (
        {
            "name": "A",
            "valueFrom": {"fileKeyRef": {"volumeName": "scratch", "path": "../p", "key": "K"}},
        },
        "valueFrom.fileKeyRef.path: `../p` must not contain `..`",
    ),
]


@pytest.mark.parametrize(("var", "refusal"), ENV)
def test_env(var: object, refusal: str) -> None:
    assert problems(changed("spec/containers/0/env/0", var)) == [
        f"spec.containers[0].env[0].{refusal}"
    ]


@pytest.mark.parametrize("name", ["a.b-c", "1ST", "with space", "~"])
def test_a_variable_may_be_called_almost_anything(name: str) -> None:
    assert problems(changed("spec/containers/0/env/0", {"name": name})) == []


ENV_FROM = [
    ({"prefix": "A_"}, ": needs one of `configMapRef`, `secretRef`"),
    ({"secretRef": {}}, ".secretRef.name: is missing"),
    (
        {"prefix": "A=", "secretRef": {"name": "a"}},
        ".prefix: `A=` cannot name an environment variable (printable ASCII characters other than"
        " `=`)",
    ),
]


@pytest.mark.parametrize(("source", "refusal"), ENV_FROM)
def test_env_from(source: object, refusal: str) -> None:
    assert problems(changed("spec/containers/0/envFrom", [source])) == [
        f"spec.containers[0].envFrom[0]{refusal}"
    ]


MOUNTS = [
    ({"name": "data", "mountPath": "/d"}, f"name: there is no volume `data` ({VOLUMES})"),
    (
        {"name": "confg", "mountPath": "/d"},
        "name: there is no volume `confg` (did you mean `config`?)",
    ),
    ({"mountPath": "/d"}, "name: is missing"),
    ({"name": "config"}, "mountPath: is missing"),
    ({"name": "config", "mountPath": "d"}, "mountPath: `d` is not absolute (write `/d`)"),
    ({"name": "config", "mountPath": "/a:b"}, "mountPath: `/a:b` must not contain `:`"),
    (
        {"name": "config", "mountPath": "/tmp"},
        "mountPath: `/tmp` is already taken by spec.containers[0].volumeMounts[1]",
    ),
    (
        {"name": "config", "mountPath": "/d", "subPath": "/a"},
        "subPath: `/a` must be relative (drop the leading `/`)",
    ),
    (
        {"name": "config", "mountPath": "/d", "subPath": "a/../b"},
        "subPath: `a/../b` must not contain `..`",
    ),
    (
        {"name": "config", "mountPath": "/d", "subPath": "a", "subPathExpr": "b"},
        "subPathExpr: cannot stand beside `subPath` (keep one of the two)",
    ),
    (
        {"name": "config", "mountPath": "/d", "mountPropagation": "Both"},
        "mountPropagation: `Both` is none of `None`, `HostToContainer`, `Bidirectional`",
    ),
    (
        {"name": "config", "mountPath": "/d", "mountPropagation": "Bidirectional"},
        "mountPropagation: `Bidirectional` needs a privileged container",
    ),
    (
        {"name": "config", "mountPath": "/d", "recursiveReadOnly": "Enabled"},
        "recursiveReadOnly: `Enabled` needs `readOnly: true`",
    ),
]


@pytest.mark.parametrize(("mount", "refusal"), MOUNTS)
def test_volume_mounts(mount: object, refusal: str) -> None:
    found = problems(changed("spec/containers/0/volumeMounts/2", mount))

    assert found == [f"spec.containers[0].volumeMounts[2].{refusal}"]


def test_a_mount_in_a_pod_without_volumes_is_told_where_they_belong() -> None:
    pod = copy.deepcopy(BASE)
    pod["spec"].update(volumes=[])
    pod["spec"]["containers"][0]["volumeMounts"] = [{"name": "data", "mountPath": "/d"}]

    assert problems(pod) == [
        "spec.containers[0].volumeMounts[0].name: there is no volume `data`"
        " (the pod has none: see `spec.volumes`)"
    ]


DEVICES = [
    (
        {"name": "config", "devicePath": "/dev/a"},
        "name: volume `config` is no claim (a device needs a claim behind it)",
    ),
    ({"name": "data", "devicePath": "/dev/a"}, f"name: there is no volume `data` ({VOLUMES})"),
]


@pytest.mark.parametrize(("device", "refusal"), DEVICES)
def test_volume_devices(device: object, refusal: str) -> None:
    found = problems(changed("spec/containers/0/volumeDevices", [device]))

    assert found == [f"spec.containers[0].volumeDevices[0].{refusal}"]


MODE = "from 0 to 511; in YAML also octal: 0644 is 420"
VOLUME = [
    ({"name": "", "emptyDir": {}}, ".name: is missing"),
    ({"name": "Data", "emptyDir": {}}, f".name: `Data` cannot be a name here ({LABEL})"),
    ({"name": "config", "emptyDir": {}}, ".name: `config` is already taken by spec.volumes[0]"),
    (
        {"name": "a", "emptyDir": {}, "hostPath": {"path": "/a"}},
        ": has several sources: `hostPath`, `emptyDir` (keep one)",
    ),
    (
        {"name": "a", "emptyDir": {"sizeLimit": "big"}},
        f".emptyDir.sizeLimit: `big` is no quantity ({QUANTITY})",
    ),
    ({"name": "a", "hostPath": {}}, ".hostPath.path: is missing"),
    (
        {"name": "a", "hostPath": {"path": "/a/../b"}},
        ".hostPath.path: `/a/../b` must not contain `..`",
    ),
    (
        {"name": "a", "hostPath": {"path": "/a", "type": "Dir"}},
        ".hostPath.type: `Dir` is none of"
        " `DirectoryOrCreate`, `Directory`, `FileOrCreate`, `File`, `Socket`, `CharDevice`,"
        " `BlockDevice`",
    ),
    ({"name": "a", "secret": {}}, ".secret.secretName: is missing"),
    ({"name": "a", "configMap": {}}, ".configMap.name: is missing"),
    (
        {"name": "a", "secret": {"secretName": "a", "defaultMode": 512}},
        f".secret.defaultMode: 512 is no file mode ({MODE})",
    ),
    (
        {"name": "a", "configMap": {"name": "a", "items": [{"key": "a", "path": "/b"}]}},
        ".configMap.items[0].path: `/b` must be relative (drop the leading `/`)",
    ),
    (
        {"name": "a", "configMap": {"name": "a", "items": [{"key": "a", "path": "..b"}]}},
        ".configMap.items[0].path: `..b` must not begin with `..` (such names are the kubelet's"
        " own)",
    ),
    ({"name": "a", "persistentVolumeClaim": {}}, ".persistentVolumeClaim.claimName: is missing"),
    (
        {"name": "a", "downwardAPI": {"items": [{"path": "b"}]}},
        ".downwardAPI.items[0]: needs one of `fieldRef`, `resourceFieldRef`",
    ),
    (
        {
            "name": "a",
            "downwardAPI": {
                "items": [{"path": "b", "resourceFieldRef": {"resource": "limits.cpu"}}]
            },
        },
        ".downwardAPI.items[0].resourceFieldRef.containerName: is missing",
    ),
    (
        {
            "name": "a",
            "projected": {"sources": [{"secret": {"name": "a"}, "configMap": {"name": "b"}}]},
        },
        ".projected.sources[0]: has several sources: `secret`, `configMap` (give each an item of"
        " its own)",
    ),
    (
        {
            "name": "a",
            "projected": {
                "sources": [{"serviceAccountToken": {"path": "a", "expirationSeconds": 1}}]
            },
        },
        ".projected.sources[0].serviceAccountToken.expirationSeconds: 1 is not between 600 and"
        " 4294967296",
    ),
    ({"name": "a", "csi": {}}, ".csi.driver: is missing"),
    ({"name": "a", "ephemeral": {}}, ".ephemeral.volumeClaimTemplate: is missing"),
    ({"name": "a", "image": {}}, ".image.reference: is missing"),
]


@pytest.mark.parametrize(("volume", "refusal"), VOLUME)
def test_volumes(volume: object, refusal: str) -> None:
    assert problems(changed("spec/volumes/2", volume)) == [f"spec.volumes[2]{refusal}"]


def test_a_volume_that_was_not_completed_needs_a_source() -> None:
    pod = msgspec.convert(BASE, Pod)

    assert validate(pod) == [
        Problem(validate(pod)[0].path, "has no source", "such as `emptyDir: {}`")
    ]
    assert str(validate(pod)[0]) == "spec.volumes[1]: has no source"


PROBES = [
    ({}, ": needs one of `exec`, `httpGet`, `tcpSocket`, `grpc`"),
    ({"exec": {}}, ".exec.command: is missing"),
    (
        {"exec": {"command": ["a"]}, "grpc": {"port": 1}},
        ": has `exec`, `grpc`, but only one of them can be (keep one)",
    ),
    ({"httpGet": {}}, ".httpGet.port: is missing"),
    ({"httpGet": {"port": "HTTP"}}, f".httpGet.port: `HTTP` cannot name a port ({PORT_NAME})"),
    ({"tcpSocket": {"port": 70000}}, ".tcpSocket.port: 70000 is not between 1 and 65535"),
    ({"grpc": {"port": -1}}, ".grpc.port: -1 is not between 1 and 65535"),
    (
        {"httpGet": {"port": 1, "scheme": "http"}},
        ".httpGet.scheme: `http` is none of `HTTP`, `HTTPS` (did you mean `HTTP`?)",
    ),
    (
        {"httpGet": {"port": 1, "httpHeaders": [{"name": "a b"}]}},
        ".httpGet.httpHeaders[0].name: `a b` cannot name an HTTP header (letters, digits and `-`)",
    ),
    ({"grpc": {"port": 1}, "periodSeconds": -1}, ".periodSeconds: -1 is less than 0"),
    (
        {"grpc": {"port": 1}, "terminationGracePeriodSeconds": 0},
        ".terminationGracePeriodSeconds: 0 is less than 1",
    ),
    (
        {"grpc": {"port": 1}, "successThreshold": 2},
        ".successThreshold: 2 is not 1 (only a readiness probe may ask for more than one success)",
    ),
]


@pytest.mark.parametrize(("probe", "refusal"), PROBES)
def test_probes(probe: object, refusal: str) -> None:
    found = problems(changed("spec/containers/0/livenessProbe", probe))

    assert found == [f"spec.containers[0].livenessProbe{refusal}"]


def test_readiness_may_take_several_successes() -> None:
    probe = {"grpc": {"port": 1}, "successThreshold": 2}

    assert problems(changed("spec/containers/0/readinessProbe", probe)) == []


HOOKS = [
    ({}, ": needs one of `exec`, `httpGet`, `tcpSocket`, `sleep`"),
    ({"sleep": {"seconds": 31}}, ".sleep.seconds: 31 is not between 0 and 30"),
    ({"sleep": {"seconds": -1}}, ".sleep.seconds: -1 is not between 0 and 30"),
]


@pytest.mark.parametrize(("hook", "refusal"), HOOKS)
def test_hooks(hook: object, refusal: str) -> None:
    found = problems(changed("spec/containers/0/lifecycle", {"preStop": hook}))

    assert found == [f"spec.containers[0].lifecycle.preStop{refusal}"]


@pytest.mark.parametrize("field", ["livenessProbe", "readinessProbe", "startupProbe"])
def test_only_a_sidecar_among_the_init_containers_is_probed(field: str) -> None:
    pod = changed(f"spec/initContainers/0/{field}", {"exec": {"command": ["a"]}})
    why = "an init container has it only with `restartPolicy: Always`"

    assert problems(pod) == [f"spec.initContainers[0].{field}: cannot be set here ({why})"]

    pod["spec"]["initContainers"][0]["restartPolicy"] = "Always"
    assert problems(pod) == []


def test_on_the_host_network_a_port_is_the_hosts_own() -> None:
    pod = changed("spec/containers/0/ports/0/hostPort", 8080)
    pod["spec"]["hostNetwork"] = True

    assert problems(pod) == [
        "spec.containers[0].ports[0].hostPort: 8080 is not the `containerPort` 80"
        " (with `hostNetwork: true` they are the same)"
    ]


@pytest.mark.parametrize(("signal", "refused"), [("SIGRTMIN+15", 0), ("SIGRTMIN+16", 1)])
def test_signals_are_those_of_linux(signal: str, refused: int) -> None:
    pod = changed("spec/containers/0/lifecycle", {"stopSignal": signal})
    pod["spec"]["os"] = {"name": "linux"}

    where = "spec.containers[0].lifecycle.stopSignal"
    assert problems(pod) == [f"{where}: `{signal}` is no signal (such as `SIGTERM`)"] * refused


def test_a_rule_without_exit_codes_is_none() -> None:
    pod = changed("spec/containers/0/restartPolicyRules", [{"action": "Reboot"}])
    pod["spec"]["containers"][0]["restartPolicy"] = "Never"

    where = "spec.containers[0].restartPolicyRules[0]"
    assert problems(pod) == [
        f"{where}.action: `Reboot` is none of `Restart`, `RestartAllContainers`",
        f"{where}.exitCodes: is missing",
    ]


def test_a_pod_that_never_restarts_cannot_restart_for_new_resources() -> None:
    policy = [{"resourceName": "cpu", "restartPolicy": "RestartContainer"}]
    pod = changed("spec/containers/0/resizePolicy", policy)
    pod["spec"]["restartPolicy"] = "Never"

    assert problems(pod) == [
        "spec.containers[0].resizePolicy[0].restartPolicy: cannot be `RestartContainer` in a pod"
        " that is never restarted (write `NotRequired`)"
    ]


def test_every_problem_is_told_not_only_the_first() -> None:
    pod = changed("spec/containers/0/image", "")
    pod["metadata"]["name"] = ""
    pod["spec"]["restartPolicy"] = "no"

    assert problems(pod) == [
        "metadata.name: is missing",
        "spec.containers[0].image: is missing",
        "spec.restartPolicy: `no` is none of `Always`, `OnFailure`, `Never`",
    ]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=5),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=5), inside),
    max_leaves=5,
)


@given(st.data())
def test_validation_is_total(data: st.DataObject) -> None:
    pod = copy.deepcopy(BASE)
    target: Any = pod
    while True:
        keys = list(target) if isinstance(target, dict) else list(range(len(target)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(target[key], dict | list) or not target[key] or data.draw(st.booleans()):
            break
        target = target[key]
    target[key] = data.draw(json_values)
    try:
        decoded = msgspec.json.decode(json.dumps(pod), type=Pod)
    except msgspec.ValidationError:
        return

    for problem in (*validate(decoded), *validate(with_defaults(decoded))):
        assert str(problem).startswith(("metadata", "spec"))
