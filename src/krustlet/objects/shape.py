"""What all Kubernetes shapes have in common.

Decoding is lenient, as the API server may be newer than this tree: unknown fields are dropped and
enumerations are plain strings, to be compared with `words`. Being strict about what a person
wrote is the work of `validation` and of `krustlet.sources`.
"""

from typing import Any

import msgspec

Opaque = dict[str, Any]
"""A part that nobody here computes with: accepted and handed on as it came."""


class Shape(msgspec.Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """A piece of a Kubernetes object; attributes are the JSON names in snake case.

    A default is always the empty value of its type, so what is left out when encoding is exactly
    what Kubernetes leaves out too. A field without a default is one that Kubernetes always writes.
    """
