import json
from typing import Any

import pytest

from krustlet.images import NoWasmInImage, RegistryAnswerInvalid, RegistryReference
from krustlet.images.manifest import Descriptor, Module, find_module

IMAGE = RegistryReference("reg.io", "greetings/hello", tag="v1")
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
TAR = "application/vnd.oci.image.layer.v1.tar+gzip"
TITLE = "org.opencontainers.image.title"


def digest(n: int) -> str:
    return f"sha256:{n:064x}"


def a_layer(n: int = 1, media_type: str = "application/wasm", **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest(n), "size": 8, **more}


def a_manifest(*layers: dict[str, Any], **more: Any) -> dict[str, Any]:
    config = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest(0), "size": 2}
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config,
        "layers": [*layers],
        **more,
    }


def an_index(*platforms: str | None) -> dict[str, Any]:
    """One whose entries are numbered from 1 in their digests."""
    entries = []
    for n, text in enumerate(platforms, 1):
        entry = a_layer(n, MANIFEST)
        if text is not None:
            system, _, architecture = text.partition("/")
            entry["platform"] = {"os": system, "architecture": architecture}
        entries.append(entry)
    return {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}


def found_in(document: object, content_type: str = "") -> Module | Descriptor:
    return find_module(IMAGE, json.dumps(document).encode(), content_type=content_type)


def module_in(document: object) -> Module:
    found = found_in(document)
    assert isinstance(found, Module)
    return found


def chosen_from(document: object, content_type: str = "") -> Descriptor:
    found = found_in(document, content_type)
    assert isinstance(found, Descriptor)
    return found


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(a_manifest(a_layer()), id="as-the-cncf-lays-it-out"),
        pytest.param(
            a_manifest(a_layer(media_type="application/vnd.wasm.content.layer.v1+wasm")),
            id="as-wasm-to-oci-does",
        ),
        pytest.param(
            a_manifest(a_layer(), artifactType="application/vnd.example+wasm"),
            id="an-artifact-with-a-type-of-its-own",
        ),
        pytest.param(a_manifest(a_layer(9, "text/plain"), a_layer()), id="with-something-beside"),
        pytest.param(a_manifest(a_layer(), a_layer(2)), id="the-first-of-several"),
        pytest.param(
            {"schemaVersion": 2, "layers": [a_layer()]}, id="that-does-not-say-what-it-is"
        ),
    ],
)
def test_the_module_of_a_manifest(document: object) -> None:
    assert module_in(document).layer.digest == digest(1)


@pytest.mark.parametrize(
    ("annotations", "title"),
    [
        pytest.param({TITLE: "hello.wasm"}, "hello.wasm", id="its-title"),
        pytest.param({TITLE: "out/../bin/hello.wasm"}, "hello.wasm", id="no-path"),
        pytest.param({TITLE: "a\nb"}, "", id="nothing-that-a-terminal-obeys"),
        pytest.param({"other": "x"}, "", id="none"),
        pytest.param(None, "", id="no-annotations"),
    ],
)
def test_the_name_of_a_module(annotations: object, title: str) -> None:
    assert module_in(a_manifest(a_layer(annotations=annotations))).title == title


@pytest.mark.parametrize(
    ("platforms", "chosen"),
    [
        pytest.param(["linux/amd64", "wasi/wasm"], 2, id="among-others"),
        pytest.param(["wasip1/wasm", "wasi/wasm"], 2, id="docker's-own-name-first"),
        pytest.param(["wasip2/wasm", "wasip1/wasm"], 2, id="then-go's"),
        pytest.param(["linux/amd64", "js/wasm"], 2, id="any-wasm-rather-than-none"),
        pytest.param(["linux/arm64", "wasi/wasm32"], 2, id="by-the-other-name"),
        pytest.param([None], 1, id="one-that-stands-alone"),
        pytest.param(["linux/amd64"], 1, id="alone-whatever-it-says-of-itself"),
        pytest.param(["unknown/unknown", "linux/amd64"], 2, id="an-attestation-does-not-count"),
    ],
)
def test_the_platform_chosen_from_an_index(platforms: list[str | None], chosen: int) -> None:
    assert chosen_from(an_index(*platforms)).digest == digest(chosen)


def test_an_old_index_is_known_by_its_content_type() -> None:
    document = an_index("wasi/wasm") | {"mediaType": ""}
    docker = "application/vnd.docker.distribution.manifest.list.v2+json"
    assert chosen_from(document, docker).digest == digest(1)


def test_an_index_without_wasm_says_which_platforms_there_are() -> None:
    with pytest.raises(NoWasmInImage, match="linux/amd64, linux/arm64") as missing:
        found_in(an_index("linux/arm64", "linux/amd64", "unknown/unknown"))
    assert "unknown" not in str(missing.value)
    assert (missing.value.reason, missing.value.retryable) == ("ErrImagePull", False)


def test_an_image_without_wasm_says_what_it_holds_and_what_to_do() -> None:
    with pytest.raises(
        NoWasmInImage, match=r"reg\.io/greetings/hello:v1: no wasm in this image"
    ) as (missing):
        found_in(a_manifest(a_layer(1, TAR), a_layer(2, TAR)))
    assert str(missing.value).count(TAR) == 1
    assert "krustlet push" in missing.value.hint


@pytest.mark.parametrize(
    "document",
    [
        pytest.param([], id="a-list"),
        pytest.param({"layers": [a_layer()]}, id="no-version"),
        pytest.param({"schemaVersion": 2, "layers": [{"digest": digest(1)}]}, id="half-a-layer"),
        pytest.param(a_manifest(a_layer() | {"digest": "sha256:../../x"}), id="a-path-as-digest"),
        pytest.param(a_manifest(a_layer() | {"digest": "md5:0"}), id="a-digest-of-another-kind"),
        pytest.param(a_manifest(a_layer() | {"size": -1}), id="a-negative-size"),
    ],
)
def test_what_is_no_manifest_is_refused(document: object) -> None:
    with pytest.raises(RegistryAnswerInvalid):
        found_in(document)
