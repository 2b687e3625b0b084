import hashlib
import json
import os
import stat
import time
from pathlib import Path

import pytest

from krustlet.images import (
    DigestMismatch,
    RegistryAnswerInvalid,
    RegistryReference,
    Store,
    StoreUnusable,
)
from krustlet.images.manifest import Descriptor
from krustlet.images.store import Record

DATA = b"\0asm" * 100
HELLO = RegistryReference("reg.io", "greetings/hello", tag="v1")
PARTS = "parts"


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def a_blob(data: bytes = DATA) -> Descriptor:
    return Descriptor("application/wasm", digest_of(data), len(data))


def a_record(data: bytes = DATA, manifest: str = "sha256:" + "1" * 64) -> Record:
    return Record(manifest=manifest, layer=digest_of(data), size_bytes=len(data), title="h.wasm")


async def receive(store: Store, data: bytes = DATA) -> None:
    blob = a_blob(data)
    async with store.receive(blob) as part:
        assert part is not None
        await part.write(data)
        await part.finish(store.blob_path(blob.digest))


async def kept(root: Path, image: RegistryReference = HELLO) -> Store:
    store = Store(root)
    await receive(store)
    await store.keep(image, a_record())
    return store


async def test_what_is_kept_is_found_by_its_name_and_its_digest(tmp_path: Path) -> None:
    store = await kept(tmp_path)
    record = a_record()
    by_digest = RegistryReference("reg.io", "greetings/hello", digest=record.manifest)
    with_both = RegistryReference("reg.io", "greetings/hello", tag="x", digest=record.manifest)

    assert await store.find(HELLO) == record
    assert await store.find(by_digest) == record
    assert await store.find(with_both) == record  # the digest decides
    assert store.blob_path(record.layer).read_bytes() == DATA


async def test_an_image_is_known_only_in_its_own_repository(tmp_path: Path) -> None:
    store = await kept(tmp_path)
    elsewhere = RegistryReference("evil.io", "x", digest=a_record().manifest)
    assert await store.find(elsewhere) is None


async def test_it_is_there_after_a_restart_and_for_other_processes(tmp_path: Path) -> None:
    other = Store(tmp_path)
    assert await other.find(HELLO) is None
    await kept(tmp_path)
    assert await other.find(HELLO) == a_record()
    assert await Store(tmp_path).find(HELLO) == a_record()


async def test_two_who_keep_images_do_not_forget_each_others(tmp_path: Path) -> None:
    one, other = Store(tmp_path), Store(tmp_path)
    await receive(one)
    assert await other.find(HELLO) is None  # it has read the index before it changes
    await one.keep(HELLO, a_record())
    bye = RegistryReference("reg.io", "bye", tag="v1")
    await other.keep(bye, a_record())
    assert await Store(tmp_path).find(HELLO) == await Store(tmp_path).find(bye) == a_record()


@pytest.mark.parametrize("spoilt", [None, b"", DATA[:-1], DATA + b"x"])
async def test_a_module_that_is_gone_or_has_another_size_is_not_here(
    tmp_path: Path, spoilt: bytes | None
) -> None:
    store = await kept(tmp_path)
    path = store.blob_path(a_record().layer)
    path.unlink()
    if spoilt is not None:
        path.write_bytes(spoilt)

    assert await store.find(HELLO) is None
    assert await store.images() == []

    await receive(store)
    assert await store.find(HELLO) == a_record()


async def test_a_module_that_is_here_need_not_come_again(tmp_path: Path) -> None:
    store = await kept(tmp_path)
    async with store.receive(a_blob()) as part:
        assert part is None


async def test_wrong_bytes_never_become_a_blob(tmp_path: Path) -> None:
    store = Store(tmp_path)
    blob = a_blob()
    async with store.receive(blob) as part:
        assert part is not None
        await part.write(b"x" * len(DATA))
        with pytest.raises(DigestMismatch) as wrong:
            await part.finish(store.blob_path(blob.digest))
        assert part.offset == 0
    assert wrong.value.found == digest_of(b"x" * len(DATA))
    assert not store.blob_path(blob.digest).exists()


async def test_more_bytes_than_promised_are_not_taken(tmp_path: Path) -> None:
    store = Store(tmp_path)
    async with store.receive(a_blob()) as part:
        assert part is not None
        with pytest.raises(RegistryAnswerInvalid, match="beyond"):
            await part.write(DATA + b"x")
        assert part.offset == 0


async def test_half_a_blob_is_not_visible_and_is_gone_on_with(tmp_path: Path) -> None:
    blob = a_blob()
    store = Store(tmp_path)
    async with store.receive(blob) as part:
        assert part is not None
        await part.write(DATA[:100])
    assert not store.blob_path(blob.digest).exists()

    async with Store(tmp_path).receive(blob) as part:
        assert part is not None
        await part.recall()
        assert part.offset == 100
        await part.write(DATA[100:])
        await part.finish(store.blob_path(blob.digest))
    assert store.blob_path(blob.digest).read_bytes() == DATA


async def test_a_part_that_is_longer_than_the_blob_counts_for_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    await store.images()
    (tmp_path / PARTS / a_blob().digest.removeprefix("sha256:")).write_bytes(DATA * 2)
    async with store.receive(a_blob()) as part:
        assert part is not None
        await part.recall()
        assert part.offset == 0


async def test_old_parts_are_swept_and_young_ones_stay(tmp_path: Path) -> None:
    await Store(tmp_path).images()
    old, young = (tmp_path / PARTS / name for name in ("old", "young"))
    old.touch()
    young.touch()
    yesterday = time.time() - 25 * 3600
    os.utime(old, (yesterday, yesterday))

    await Store(tmp_path).images()

    assert list((tmp_path / PARTS).iterdir()) == [young]


async def test_a_part_that_somebody_fills_is_not_swept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    yesterday = time.time() - 25 * 3600
    async with store.receive(a_blob()) as part:
        assert part is not None
        (path,) = (tmp_path / PARTS).iterdir()
        os.utime(path, (yesterday, yesterday))
        await Store(tmp_path).images()
        assert path.exists()


async def test_nobody_else_may_look(tmp_path: Path) -> None:
    root = tmp_path / "images"
    await kept(root)
    modes = {
        path.relative_to(root).parts[0]: stat.S_IMODE(path.stat().st_mode)
        for path in root.rglob("*")
        if path.is_file()
    }
    assert modes == {"blobs": 0o600, "index.json": 0o600, "lock": 0o600}
    assert {stat.S_IMODE(p.stat().st_mode) for p in [root, *root.rglob("*")] if p.is_dir()} == {
        0o700
    }


@pytest.mark.parametrize("index", ["", "{", '{"version": 99}', '{"names": 1}'])
async def test_an_index_that_makes_no_sense_counts_for_nothing(tmp_path: Path, index: str) -> None:
    await kept(tmp_path)
    (tmp_path / "index.json").write_text(index)

    store = Store(tmp_path)

    assert await store.find(HELLO) is None
    await store.keep(HELLO, a_record())
    assert await Store(tmp_path).find(HELLO) == a_record()


async def test_what_a_node_tells_of_its_images(tmp_path: Path) -> None:
    store = await kept(tmp_path)
    await store.keep(RegistryReference("reg.io", "greetings/hello", tag="latest"), a_record())
    await receive(store, DATA * 2)
    large = a_record(DATA * 2, manifest="sha256:" + "2" * 64)
    await store.keep(RegistryReference("reg.io", "large", tag="v1"), large)

    images = await store.images()

    assert [(image.names, image.size_bytes) for image in images] == [
        ((f"reg.io/large@{large.manifest}", "reg.io/large:v1"), len(DATA) * 2),
        (
            (
                f"reg.io/greetings/hello@{a_record().manifest}",
                "reg.io/greetings/hello:latest",
                "reg.io/greetings/hello:v1",
            ),
            len(DATA),
        ),
    ]


async def test_a_tag_that_moves_leaves_the_old_digest_behind(tmp_path: Path) -> None:
    store = await kept(tmp_path)
    await receive(store, b"new")
    new = a_record(b"new", manifest="sha256:" + "2" * 64)
    await store.keep(HELLO, new)
    old = RegistryReference("reg.io", "greetings/hello", digest=a_record().manifest)
    assert (await store.find(HELLO), await store.find(old)) == (new, a_record())


async def test_the_index_is_written_only_when_it_changes(tmp_path: Path) -> None:
    store = await kept(tmp_path)
    before = (tmp_path / "index.json").stat().st_ino
    await store.keep(HELLO, a_record())
    assert (tmp_path / "index.json").stat().st_ino == before
    assert json.loads((tmp_path / "index.json").read_text())["version"] == 1


async def test_a_directory_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "images").write_text("a file")
    with pytest.raises(StoreUnusable, match="cannot keep images"):
        await Store(tmp_path / "images").find(HELLO)
