"""YAML and JSON text as trees of nodes that know their lines.

Owns what YAML itself can get wrong, from its grammar to aliases that expand without end. Leaves
what a pod may hold to `shape_reader`.
"""

import json
import re
from typing import Final, Protocol

import yaml

from krustlet.sources.errors import Complaint, ManifestError
from krustlet.sources.scalars import NULL_TAG, Loader

_VALUES_MAX: Final = 100_000
_DEPTH_MAX: Final = 100  # fields lie 15 deep; the composer recurses in C, and crashes without limit
_TOO_MANY: Final = f"more than {_VALUES_MAX} values, aliases followed"
_TOO_DEEP: Final = f"nested more than {_DEPTH_MAX} deep, aliases followed"

_BOM: Final = "\ufeff"
_JSON_SUFFIX: Final = ".json"
_JSON_START: Final = re.compile(r'\s*[\[{]\s*"')  # YAML may begin so, but nobody's does
_TABS_HINT: Final = "indent with blanks, not with tabs"
_UNPRINTABLE: Final = re.compile(  # YAML 1.1, "c-printable"
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)
_SURROGATES: Final = re.compile(
    r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})"
)


class _Mark(Protocol):
    """A place in the text, counted from 0; the C parser has a class of its own for it."""

    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...


def compose(text: str, *, name: str) -> list[yaml.Node]:
    """The root node of each document that is not empty.

    Raises:
        ManifestError: it is neither YAML nor JSON, or nested or repeated beyond all reason.
    """
    source = _as_yaml(text.removeprefix(_BOM))
    _refuse_binary(source, name)
    try:
        _refuse_bombs(source, name)
        roots = list(yaml.compose_all(source, Loader=Loader))
    except yaml.MarkedYAMLError as exc:
        complaint = _json_complaint(text, name) or _complaint(exc, source)
        raise ManifestError(name, [complaint]) from exc
    except yaml.YAMLError as exc:
        raise ManifestError(name, [Complaint(0, 0, f"not YAML: {_one_line(str(exc))}")]) from exc
    return [root for root in roots if not is_null(root)]


def complain(node: yaml.Node, message: str, hint: str = "") -> Complaint:
    """About the place where the node begins."""
    return _at(node.start_mark, message, hint)


def is_null(node: yaml.Node | None) -> bool:
    return node is None or node.tag == NULL_TAG


def _as_yaml(text: str) -> str:
    """JSON, made YAML for good: almost all of it is. Lines stay, columns all but."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text
    # a tab outside a string is a blank, and inside there is none; YAML refuses half a character
    return _SURROGATES.sub(_joined, text.replace("\t", " "))


def _joined(pair: re.Match[str]) -> str:
    backslashes, high, low = pair.groups()
    character = bytes.fromhex(high + low).decode("utf-16-be")
    return f"{backslashes}{character}"


class _Branch:
    """A value and how much hangs below it, aliases followed."""

    def __init__(self) -> None:
        self.size = 1
        self.depth = 1

    def add(self, child: "_Branch") -> None:
        self.size += child.size
        self.depth = max(self.depth, child.depth + 1)


class _Census:
    """Counts what a stream of events would grow into, before anything is built from it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._total = _Branch()
        self._open: list[_Branch] = []
        self._anchors: dict[str, _Branch] = {}

    def take(self, event: yaml.Event) -> None:
        match event:
            case yaml.DocumentStartEvent():
                self._anchors = {}
            case yaml.CollectionStartEvent():
                self._open.append(self._grown(event))
                self._refuse(event, len(self._open) > _DEPTH_MAX, _TOO_DEEP)
            case yaml.CollectionEndEvent():
                self._hang(event, self._open.pop())
            case yaml.ScalarEvent():
                self._hang(event, self._grown(event))
            case yaml.AliasEvent():
                # one that nobody defined is found when composing
                branch = self._anchors.get(event.anchor or "", _Branch())
                self._refuse(event, branch in self._open, f"`*{event.anchor}` holds itself")
                self._hang(event, branch)

    def _grown(self, event: yaml.NodeEvent) -> _Branch:
        branch = _Branch()
        if event.anchor is not None:
            self._anchors[event.anchor] = branch
        return branch

    def _hang(self, event: yaml.Event, branch: _Branch) -> None:
        parent = self._open[-1] if self._open else self._total
        parent.add(branch)
        self._refuse(event, parent.size > _VALUES_MAX, _TOO_MANY)
        self._refuse(event, parent.depth > _DEPTH_MAX + 1, _TOO_DEEP)

    def _refuse(self, event: yaml.Event, is_wrong: bool, message: str) -> None:
        if is_wrong:
            raise ManifestError(self._name, [_at(event.start_mark, message)])


def _refuse_bombs(text: str, name: str) -> None:
    census = _Census(name)
    for event in yaml.parse(text, Loader=Loader):
        census.take(event)


def _refuse_binary(text: str, name: str) -> None:
    if match := _UNPRINTABLE.search(text):
        before = text[: match.start()]
        line, column = before.count("\n") + 1, match.start() - before.rfind("\n")
        message = f"not YAML: it holds the character U+{ord(match[0]):04X}"
        raise ManifestError(name, [Complaint(line, column, message)])


def _complaint(exc: yaml.MarkedYAMLError, source: str) -> Complaint:
    """The parser's own words, on one line."""
    words = ", ".join(words for words in (exc.problem, exc.context) if words)
    message = f"not YAML: {_one_line(words)}"
    mark = exc.problem_mark or exc.context_mark
    return _at(mark, message, _TABS_HINT if _is_tab(source, mark) else "")


def _json_complaint(text: str, name: str) -> Complaint | None:
    """What JSON's own parser says of a text that is meant to be JSON, and is not."""
    if not (name.endswith(_JSON_SUFFIX) or _JSON_START.match(text)):
        return None
    try:
        json.loads(text)
    except json.JSONDecodeError as exc:
        words = exc.msg[:1].lower() + exc.msg[1:]
        return Complaint(exc.lineno, exc.colno, f"not JSON: {words}")
    except RecursionError:
        pass  # the YAML parser has said it, too
    return None


def _is_tab(source: str, mark: _Mark | None) -> bool:
    if mark is None:
        return False
    line = "".join(source.splitlines()[mark.line : mark.line + 1])
    return line[mark.column : mark.column + 1] == "\t"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _at(mark: _Mark | None, message: str, hint: str = "") -> Complaint:
    if mark is None:
        return Complaint(0, 0, message, hint)
    return Complaint(mark.line + 1, mark.column + 1, message, hint)
