import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
import wasmtime

from krustlet.images import NotAModule, RegistryReference, make_artifact
from krustlet.images.manifest import Module, find_module

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MODULE = b"\0asm\1\0\0\0"
COMPONENT = '(component (instance $i) (export "wasi:cli/run@0.2.0" (instance $i)))'


def test_what_is_pushed_can_be_pulled() -> None:
    artifact = make_artifact("hello.wasm", MODULE, created=NOON)
    image = RegistryReference("reg.io", "x", tag="v1")

    found = find_module(image, artifact.manifest, content_type="")

    assert isinstance(found, Module)
    assert (found.layer, found.title) == (artifact.layer[0], "hello.wasm")
    assert json.loads(artifact.manifest)["schemaVersion"] == 2


def test_a_component_is_for_preview_2_and_tells_what_it_deals_in() -> None:
    artifact = make_artifact("c.wasm", bytes(wasmtime.wat2wasm(COMPONENT)), created=NOON)
    config = json.loads(artifact.config[1])
    assert config["os"] == "wasip2"
    assert config["component"] == {"imports": [], "exports": ["wasi:cli/run@0.2.0"]}


def test_the_same_at_the_same_time_is_the_same_artifact() -> None:
    tokyo = NOON.astimezone(timezone(timedelta(hours=9)))
    first = make_artifact("m.wasm", MODULE, created=NOON)
    assert make_artifact("m.wasm", MODULE, created=tokyo) == first


@pytest.mark.parametrize(
    ("data", "why", "hint"),
    [
        pytest.param(b"", "is empty", "did the build", id="empty"),
        pytest.param(b"PK\3\4", "is no WebAssembly", "begin with \\0asm", id="another-format"),
        pytest.param(MODULE + b"\1\x7f", "breaks off", "build or copy it again", id="cut-short"),
        pytest.param(MODULE[:6], "breaks off", "build or copy it again", id="half-a-header"),
        pytest.param(b"\0asm\7\0\0\0", "makes no sense", "too new", id="another-version"),
    ],
)
def test_what_is_no_wasm_is_not_pushed_and_why_is_said(data: bytes, why: str, hint: str) -> None:
    with pytest.raises(NotAModule, match=rf"notes\.txt .*{why}") as refused:
        make_artifact("notes.txt", data, created=NOON)
    assert hint in refused.value.hint
