"""Pods out of manifests that a person wrote.

Owns what a document may be and how it is told what is wrong with it, each complaint at its line.
Leaves YAML to `yaml_tree`, types to `shape_reader`, and what a sound pod is to `krustlet.objects`.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import yaml
from msgspec.structs import replace

from krustlet.base import did_you_mean
from krustlet.objects import (
    FieldPath,
    Pod,
    PodKey,
    PodStatus,
    validate,
    with_defaults,
)
from krustlet.sources.errors import Complaint, ManifestError
from krustlet.sources.shape_reader import ShapeReader, lookup, place
from krustlet.sources.yaml_tree import complain, compose, is_null

_VERSION: Final = "v1"
_POD: Final = "Pod"
_LISTS: Final = ("List", "PodList")
_LIST_FIELDS: Final = dict.fromkeys(("apiVersion", "kind", "metadata", "items"))
_WITH_POD_TEMPLATE: Final = frozenset(
    {
        "CronJob",
        "DaemonSet",
        "Deployment",
        "Job",
        "PodTemplate",
        "ReplicaSet",
        "ReplicationController",
        "StatefulSet",
    }
)
_READ_HERE: Final = "`apiVersion: v1` with `kind: Pod` is read here, or with `kind: List` of pods"
_TEMPLATE_HINT: Final = "write the pod itself, with `apiVersion: v1` and `kind: Pod`"
_ROOT: Final = FieldPath()


class _Found(NamedTuple):
    """A pod, and where it was found."""

    pod: Pod
    node: yaml.Node
    at: FieldPath


def read_manifests(text: str, *, name: str) -> list[Pod]:
    """The pods of a manifest as they were written, nothing filled in; one at least.

    Args:
        text: YAML of any number of documents, or JSON.
        name: what messages call it: a file name, or `<stdin>`.

    Raises:
        ManifestError: something in it is no pod, or has a field that pods do not have.
    """
    found, complaints = _read(text, name)
    if complaints:
        raise ManifestError(name, complaints)
    return [one.pod for one in found]


def load_pods(text: str, *, name: str) -> list[Pod]:
    """The pods of a manifest as an API server would have taken them: completed and checked.

    What only a server may say of a pod, such as its status, is dropped.

    Args:
        text: YAML of any number of documents, or JSON.
        name: what messages call it: a file name, or `<stdin>`.

    Raises:
        ManifestError: as `read_manifests`, or a pod would be refused, or is there twice.
    """
    found, complaints = _read(text, name)
    completed = [one._replace(pod=with_defaults(_as_created(one.pod))) for one in found]
    for one in completed:
        complaints.extend(_problems(one))
    complaints.extend(_repeated(completed))
    if complaints:
        raise ManifestError(name, complaints)
    return [one.pod for one in completed]


def _read(text: str, name: str) -> tuple[list[_Found], list[Complaint]]:
    reader = ShapeReader()
    roots = compose(text, name=name)
    found = [one for root in roots for one in _document(reader, root, _ROOT)]
    if not found and not reader.complaints:
        raise ManifestError(name, [Complaint(0, 0, "holds no pod", _READ_HERE)])
    return found, reader.complaints


def _document(
    reader: ShapeReader, node: yaml.Node, at: FieldPath, *, assumed: str = ""
) -> Iterator[_Found]:
    """The pods of one document; `assumed` is the kind that it need not name."""
    if not isinstance(node, yaml.MappingNode):
        reader.entries(node, at)  # complains
        return
    kind = _word(reader, node, at, "kind", assumed)
    version = _word(reader, node, at, "apiVersion", _VERSION if assumed else "")
    if kind == _POD and version == _VERSION:
        pod = reader.read(node, Pod, at)
        if pod is not None:
            yield _Found(pod, node, at)
    elif kind in _LISTS and version == _VERSION:
        yield from _items(reader, node, at, assumed=_POD if kind == "PodList" else "")
    elif kind and version:
        reader.complaints.append(_not_read(node, kind, version))


def _word(
    reader: ShapeReader, node: yaml.Node, at: FieldPath, key: str, assumed: str
) -> str | None:
    found = lookup(node, key)
    if found is not None and not is_null(found):
        return reader.text(found, at / key)
    if not assumed:
        reader.complaints.append(complain(node, f"{at / key}: is missing", _READ_HERE))
    return assumed


def _not_read(node: yaml.Node, kind: str, version: str) -> Complaint:
    where = place(node, FieldPath(("kind",)))
    if kind in _WITH_POD_TEMPLATE:
        return complain(where, f"a {kind} is not run here, nor is its pod template", _TEMPLATE_HINT)
    if kind == _POD or kind in _LISTS:
        where = place(node, FieldPath(("apiVersion",)))
        return complain(where, f"apiVersion: `{version}` is not `{_VERSION}`", _READ_HERE)
    return complain(
        where, f"a {kind} is not read here", did_you_mean(kind, (_POD, *_LISTS)) or _READ_HERE
    )


def _items(
    reader: ShapeReader, node: yaml.Node, at: FieldPath, *, assumed: str
) -> Iterator[_Found]:
    for entry in reader.entries(node, at):
        if entry.key not in _LIST_FIELDS:
            reader.unknown(entry, at, _LIST_FIELDS)
        elif entry.key == "items" and not is_null(entry.value):
            below = at / "items"
            for index, item in enumerate(reader.items(entry.value, below)):
                yield from _document(reader, item, below / index, assumed=assumed)


def _as_created(pod: Pod) -> Pod:
    """Without what the server that it was copied from said of it."""
    metadata = replace(
        pod.metadata,
        resource_version="",
        self_link="",
        deletion_timestamp=None,
        deletion_grace_period_seconds=None,
        managed_fields=(),
    )
    return replace(pod, metadata=metadata, status=PodStatus())


def _problems(found: _Found) -> Iterator[Complaint]:
    for problem in validate(found.pod):
        path = FieldPath((*found.at.steps, *problem.path.steps))
        where = place(found.node, problem.path)
        yield complain(where, f"{path}: {problem.message}", problem.hint)


def _repeated(found: list[_Found]) -> Iterator[Complaint]:
    first: dict[PodKey, yaml.Node] = {}
    for one in found:
        where = place(one.node, FieldPath(("metadata", "name")))
        earlier = first.setdefault(one.pod.key, where)
        if earlier is not where and one.pod.name:
            there = f"the first is in line {earlier.start_mark.line + 1}"
            yield complain(where, f"the pod `{one.pod.key}` is there twice", there)
