import asyncio
import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from krustlet.images import (
    ImageChanging,
    ImageError,
    ImageNotFound,
    ImageUnreadable,
    LocalImages,
    LocalReference,
)
from krustlet.images import local as module

BYTES = b"\0asm\1\0\0\0"


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One entry for each time that a file was hashed."""
    calls: list[str] = []
    real = hashlib.file_digest

    def spy(file: object, algorithm: str) -> object:
        calls.append(algorithm)
        return real(file, algorithm)  # type: ignore[arg-type]  # whatever we were given

    monkeypatch.setattr(hashlib, "file_digest", spy)
    return calls


async def test_a_module_is_known_by_the_digest_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "hello.wasm").write_bytes(BYTES)

    image = await LocalImages(Path("/")).resolve(LocalReference("hello.wasm"), relative_to=tmp_path)

    assert image.reference == "file:hello.wasm"
    assert image.digest == f"sha256:{hashlib.sha256(BYTES).hexdigest()}"
    assert image.path == str(tmp_path / "hello.wasm")
    assert image.size_bytes == len(BYTES)
    assert image.entrypoint_name == "hello.wasm"


@pytest.mark.parametrize(
    ("base", "relative_to", "path"),
    [
        pytest.param("/", "{tmp}/pods", "m.wasm", id="beside-the-manifest"),
        pytest.param("{tmp}", "pods", "m.wasm", id="beside-a-manifest-below-the-base-directory"),
        pytest.param("/", "/nowhere", "{tmp}/pods/m.wasm", id="absolute"),
        pytest.param("/", "{tmp}/manifests", "../pods/m.wasm", id="up-and-down"),
    ],
)
async def test_where_a_path_begins(tmp_path: Path, base: str, relative_to: str, path: str) -> None:
    (tmp_path / "pods").mkdir()
    (tmp_path / "manifests").mkdir()
    (tmp_path / "pods" / "m.wasm").write_bytes(BYTES)
    images = LocalImages(Path(base.format(tmp=tmp_path)))

    image = await images.resolve(
        LocalReference(path.format(tmp=tmp_path)),
        relative_to=Path(relative_to.format(tmp=tmp_path)),
    )

    assert Path(image.path).samefile(tmp_path / "pods" / "m.wasm")


async def test_a_file_is_hashed_once_until_it_changes(tmp_path: Path, hashed: list[str]) -> None:
    file = tmp_path / "m.wasm"
    file.write_bytes(BYTES)
    images = LocalImages(tmp_path)
    first = await images.resolve(LocalReference("m.wasm"), relative_to=tmp_path)
    again = await images.resolve(LocalReference("m.wasm"), relative_to=tmp_path)
    assert (again, len(hashed)) == (first, 1)

    before = file.stat()
    file.write_bytes(BYTES[::-1])
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    changed = await images.resolve(LocalReference("m.wasm"), relative_to=tmp_path)

    assert changed.digest == f"sha256:{hashlib.sha256(BYTES[::-1]).hexdigest()}"
    assert len(hashed) == 2


async def test_only_so_many_digests_are_remembered(
    tmp_path: Path, hashed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_REMEMBERED_DIGESTS", 1)
    images = LocalImages(tmp_path)
    for name in ("a.wasm", "b.wasm", "b.wasm", "a.wasm"):
        if not (tmp_path / name).exists():
            (tmp_path / name).write_bytes(name.encode())
        await images.resolve(LocalReference(name), relative_to=tmp_path)
    assert len(hashed) == 3


async def test_those_who_ask_at_once_share_one_hashing(tmp_path: Path, hashed: list[str]) -> None:
    (tmp_path / "m.wasm").write_bytes(BYTES)
    (tmp_path / "link.wasm").symlink_to("m.wasm")
    images = LocalImages(tmp_path)

    found = await asyncio.gather(
        *(
            images.resolve(LocalReference(name), relative_to=tmp_path)
            for name in ["m.wasm", "link.wasm"] * 8
        )
    )

    assert len({image.digest for image in found}) == 1
    assert len(hashed) == 1


async def test_who_gives_up_does_not_spoil_it_for_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m.wasm").write_bytes(BYTES)
    images = LocalImages(tmp_path)
    may_finish, has_begun = threading.Event(), threading.Event()
    real = hashlib.file_digest

    def slow(file: object, algorithm: str) -> object:
        has_begun.set()
        assert may_finish.wait(60)
        return real(file, algorithm)  # type: ignore[arg-type]  # whatever we were given

    monkeypatch.setattr(hashlib, "file_digest", slow)
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        gives_up = tasks.create_task(images.resolve(LocalReference("m.wasm"), relative_to=tmp_path))
        waits = tasks.create_task(images.resolve(LocalReference("m.wasm"), relative_to=tmp_path))
        await asyncio.to_thread(has_begun.wait, 60)
        gives_up.cancel()
        may_finish.set()

    assert gives_up.cancelled()
    assert waits.result().size_bytes == len(BYTES)


async def test_a_file_that_changes_under_our_eyes_gets_no_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "m.wasm"
    file.write_bytes(BYTES)
    real = hashlib.file_digest

    def write_meanwhile(opened: object, algorithm: str) -> object:
        file.write_bytes(BYTES * 2)
        return real(opened, algorithm)  # type: ignore[arg-type]  # whatever we were given

    monkeypatch.setattr(hashlib, "file_digest", write_meanwhile)
    with pytest.raises(ImageChanging) as refused:
        await LocalImages(tmp_path).resolve(LocalReference("m.wasm"), relative_to=tmp_path)
    assert refused.value.retryable


def _no_such_file(directory: Path) -> str:
    (directory / "Hello.wasm").write_bytes(BYTES)
    return "helo.wasm"


def _nothing_like_it(directory: Path) -> str:
    (directory / "q").write_bytes(BYTES)
    return "hello.wasm"


def _no_such_directory(directory: Path) -> str:
    return "modules/hello.wasm"


def _file_used_as_directory(directory: Path) -> str:
    (directory / "hello.wasm").write_bytes(BYTES)
    return "hello.wasm/x"


def _directory(directory: Path) -> str:
    (directory / "hello.wasm").mkdir()
    return "hello.wasm"


def _fifo(directory: Path) -> str:
    os.mkfifo(directory / "hello.wasm")
    return "hello.wasm"


def _link_to_itself(directory: Path) -> str:
    (directory / "hello.wasm").symlink_to("hello.wasm")
    return "hello.wasm"


@pytest.mark.parametrize(
    ("arrange", "error", "message", "hint"),
    [
        (_no_such_file, ImageNotFound, "no file", "did you mean {tmp}/Hello.wasm?"),
        (_nothing_like_it, ImageNotFound, "no file", "manifest's directory"),
        (_no_such_directory, ImageNotFound, "no file", "there is no directory {tmp}/modules"),
        (_file_used_as_directory, ImageNotFound, "no file", "no directory {tmp}/hello.wasm"),
        (_directory, ImageUnreadable, "is a directory", "inside it"),
        (_fifo, ImageUnreadable, "not a regular file", "name a .wasm file"),
        (_link_to_itself, ImageUnreadable, "symbolic links", ""),
    ],
)
async def test_what_cannot_be_a_module_is_explained(
    tmp_path: Path,
    arrange: Callable[[Path], str],
    error: type[ImageError],
    message: str,
    hint: str,
) -> None:
    path = arrange(tmp_path)
    with pytest.raises(error, match=message) as refused:
        await LocalImages(tmp_path).resolve(LocalReference(path), relative_to=tmp_path)
    assert refused.value.reason == "ErrImagePull"
    assert hint.format(tmp=tmp_path) in refused.value.hint


async def test_a_file_that_is_not_ours_to_read_says_who_we_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m.wasm").write_bytes(BYTES)

    def refuse(path: Path, flags: int) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", refuse)  # root, who may run this, is never refused
    with pytest.raises(ImageUnreadable, match="Permission denied") as refused:
        await LocalImages(tmp_path).resolve(LocalReference("m.wasm"), relative_to=tmp_path)
    assert f"uid {os.geteuid()}" in refused.value.hint
