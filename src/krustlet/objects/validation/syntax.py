"""What names, labels and the like may look like.

Source: apimachinery `pkg/util/validation/validation.go`, `pkg/api/validate/content`.
"""

import re

from krustlet.objects.path import FieldPath
from krustlet.objects.validation.problem import Problem, Problems

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", re.ASCII)
_SUBDOMAIN = re.compile(rf"{_LABEL.pattern}(\.{_LABEL.pattern})*", re.ASCII)
_SEARCH_LABEL = re.compile(r"_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?", re.ASCII)
_SEARCH = re.compile(rf"{_SEARCH_LABEL.pattern}(\.{_SEARCH_LABEL.pattern})*", re.ASCII)
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]", re.ASCII)
_PORT_NAME = re.compile(r"(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]*[a-z0-9])?", re.ASCII)
_HEADER_NAME = re.compile(r"[-A-Za-z0-9]+", re.ASCII)
_CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]+", re.ASCII)

_LABEL_MAX = 63
_SUBDOMAIN_MAX = 253
_PORT_NAME_MAX = 15

_ENDS = "beginning and ending with a letter or a digit"
_LABEL_HINT = f"lower-case letters, digits and `-`, {_ENDS}, {_LABEL_MAX} at most"
_SUBDOMAIN_HINT = f"lower-case letters, digits, `-` and `.`, {_ENDS}, {_SUBDOMAIN_MAX} at most"
_QUALIFIED_HINT = f"letters, digits, `-`, `_` and `.`, {_ENDS}, {_LABEL_MAX} at most"
_PORT_NAME_HINT = (
    f"lower-case letters, digits and single `-`, at least one letter, {_ENDS},"
    f" {_PORT_NAME_MAX} at most"
)


def is_subdomain(value: str) -> bool:
    return len(value) <= _SUBDOMAIN_MAX and _SUBDOMAIN.fullmatch(value) is not None


def dns_label(at: FieldPath, value: str) -> Problems:
    """What containers, volumes, namespaces and host names are called; RFC 1123."""
    if len(value) > _LABEL_MAX or not _LABEL.fullmatch(value):
        yield Problem(at, f"`{value}` cannot be a name here", _LABEL_HINT)


def dns_subdomain(at: FieldPath, value: str) -> Problems:
    """What most objects are called; RFC 1123."""
    if not is_subdomain(value):
        yield Problem(at, f"`{value}` cannot be a name here", _SUBDOMAIN_HINT)


def search_domain(at: FieldPath, value: str) -> Problems:
    """Of `resolv.conf`; here underscores do occur."""
    domain = value.removesuffix(".")
    if value != "." and (len(domain) > _SUBDOMAIN_MAX or not _SEARCH.fullmatch(domain)):
        yield Problem(at, f"`{value}` cannot be searched", _SUBDOMAIN_HINT)


def qualified_name(at: FieldPath, value: str) -> Problems:
    """The key of a label, an annotation or a resource: `[prefix/]name`."""
    prefix, slash, name = value.rpartition("/")
    if slash and not is_subdomain(prefix):
        yield Problem(at, f"`{prefix}` cannot be the prefix of a key", _SUBDOMAIN_HINT)
    if len(name) > _LABEL_MAX or not _QUALIFIED.fullmatch(name):
        yield Problem(at, f"`{name}` cannot be the name of a key", _QUALIFIED_HINT)


def label_value(at: FieldPath, value: str) -> Problems:
    if value and (len(value) > _LABEL_MAX or not _QUALIFIED.fullmatch(value)):
        yield Problem(at, f"`{value}` cannot be the value of a label", _QUALIFIED_HINT)


def env_name(at: FieldPath, value: str) -> Problems:
    """Since Kubernetes 1.34 anything that can be printed and is no `=`; empty is another matter."""
    if not value.isascii() or not value.isprintable() or "=" in value:
        yield Problem(
            at,
            f"`{value}` cannot name an environment variable",
            "printable ASCII characters other than `=`",
        )


def port_name(at: FieldPath, value: str) -> Problems:
    if len(value) > _PORT_NAME_MAX or not _PORT_NAME.fullmatch(value):
        yield Problem(at, f"`{value}` cannot name a port", _PORT_NAME_HINT)


def header_name(at: FieldPath, value: str) -> Problems:
    if not _HEADER_NAME.fullmatch(value):
        yield Problem(at, f"`{value}` cannot name an HTTP header", "letters, digits and `-`")


def config_key(at: FieldPath, value: str) -> Problems:
    """A key of a ConfigMap or Secret."""
    climbs = value == "." or value.startswith("..")  # it becomes a file name
    if len(value) > _SUBDOMAIN_MAX or climbs or not _CONFIG_KEY.fullmatch(value):
        yield Problem(at, f"`{value}` cannot be a key", "letters, digits, `-`, `_` and `.`")
