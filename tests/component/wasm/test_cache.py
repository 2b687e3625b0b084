"""Native code is made once, under limits, and never loaded unless it is what was made."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest

from krustlet.wasm import (
    AotCache,
    CacheUnusable,
    CompileFailed,
    CompileLimits,
    EngineSettings,
    ModuleInvalid,
    NoEntryPoint,
    NotWasm,
    SourceChanged,
    WasmError,
)
from krustlet.wasm import fingerprint as fingerprint_room
from tests.component.wasm.conftest import digest_of, ensure
from tests.support.guests import Guests
from tests.support.ordinary_user import UID
from tests.support.processes import children, descriptors, is_alive, processes_of
from tests.support.supervised import ROOT
from tests.support.until import until, until_not

HELLO = '(module (func (export "_start")))'
OWNER = """
import asyncio, sys
from pathlib import Path
from krustlet.wasm import AotCache
from krustlet.wasm import fingerprint as fingerprint_room
from tests.component.wasm.conftest import ensure
asyncio.run(ensure(AotCache(Path(sys.argv[1])), Path(sys.argv[2])))
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
async def cache(directory: Path) -> AsyncIterator[AotCache]:
    cache = AotCache(directory)
    yield cache
    await cache.close()
    assert children() == []
    assert parts(directory) == []


@pytest.fixture
def text(tmp_path: Path) -> Callable[[str | bytes], Path]:
    """A file with this in it."""

    def text(content: str | bytes) -> Path:
        source = tmp_path / "module.wat"
        source.write_bytes(content if isinstance(content, bytes) else content.encode())
        return source

    return text


@pytest.fixture
def slow(text: Callable[[str], Path]) -> Path:
    """A module that takes seconds to compile, in one thread and 700 MB."""
    step = "(i32.store (local.get 0) (i32.mul (i32.load (local.get 0)) (i32.const {number})))\n"
    body = "".join(step.format(number=number) for number in range(300_000))
    return text(f'(module (memory 1) (func (export "_start") (local i32)\n{body}))')


@pytest.fixture
def compilers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The modules that a compiler was started for, in order."""
    started: list[str] = []
    create = asyncio.create_subprocess_exec

    async def counting(*command: str, **options: object) -> asyncio.subprocess.Process:
        if "krustlet.wasm.compile" in command:
            started.append(command[4])
        return await create(*command, **options)  # type: ignore[arg-type]  # passed on as they are

    monkeypatch.setattr(asyncio, "create_subprocess_exec", counting)
    return started


def parts(directory: Path) -> list[Path]:
    """What is neither native code, nor a note beside it, nor what processes take turns by."""
    entries = [path for path in directory.glob("**/*") if path.is_file()]
    return [path for path in entries if path.suffix not in (".cwasm", ".json", "")]


def age_of(path: Path) -> tuple[int, int]:
    return (path.stat().st_ino, path.stat().st_mtime_ns)


# once ---------------------------------------------------------------------------------------------


async def test_it_is_compiled_and_known(
    cache: AotCache, guests: Guests, compilers: list[str]
) -> None:
    source = guests.path("hello")
    module = await ensure(cache, source)
    assert module.digest == digest_of(source)
    assert module.exports == ["memory", "_start"]
    assert module.missing == []
    assert module.code.stat().st_mode & 0o777 == 0o600
    assert compilers == [str(source)]


async def test_many_who_ask_at_once_wait_for_one_compiler(
    cache: AotCache, guests: Guests, compilers: list[str]
) -> None:
    modules = await asyncio.gather(*(ensure(cache, guests.path("hello")) for _ in range(20)))
    assert len(compilers) == 1
    assert len({module.code for module in modules}) == 1


async def test_modules_are_compiled_side_by_side(
    cache: AotCache, guests: Guests, compilers: list[str]
) -> None:
    names = ["hello", "nostart", "imports"]
    modules = await asyncio.gather(*(ensure(cache, guests.path(name)) for name in names))
    assert len(compilers) == len({module.code for module in modules}) == 3


async def test_the_second_time_it_is_there(
    cache: AotCache, guests: Guests, compilers: list[str]
) -> None:
    first = await ensure(cache, guests.path("hello"))
    assert await ensure(cache, guests.path("hello")) == first
    assert len(compilers) == 1


async def test_another_run_finds_it(
    cache: AotCache, directory: Path, guests: Guests, compilers: list[str]
) -> None:
    first = await ensure(cache, guests.path("hello"))
    assert await ensure(AotCache(directory), guests.path("hello")) == first
    assert len(compilers) == 1


async def test_another_engine_has_code_of_its_own(
    cache: AotCache, directory: Path, guests: Guests, compilers: list[str]
) -> None:
    first = await ensure(cache, guests.path("hello"))
    other = AotCache(directory, settings=EngineSettings(optimisation="none"))
    assert (await ensure(other, guests.path("hello"))).code != first.code
    assert len(compilers) == 2


async def test_two_runs_at_once_do_not_disturb_each_other(
    cache: AotCache, directory: Path, guests: Guests, compilers: list[str]
) -> None:
    others = [AotCache(directory) for _ in range(3)]
    modules = await asyncio.gather(*(ensure(c, guests.path("hello")) for c in (cache, *others)))
    assert len({module.code for module in modules}) == 1
    assert await ensure(AotCache(directory), guests.path("hello")) == modules[0]
    assert len(compilers) == 1


# never anything else ------------------------------------------------------------------------------


def flip_a_bit(code: Path) -> None:
    data = bytearray(code.read_bytes())
    data[len(data) // 2] ^= 1
    code.write_bytes(data)


def cut_short(code: Path) -> None:
    os.truncate(code, code.stat().st_size - 1)


def empty(code: Path) -> None:
    os.truncate(code, 0)


def open_to_all(code: Path) -> None:
    code.chmod(0o666)


def readable_to_all(code: Path) -> None:
    code.chmod(0o644)


def a_link(code: Path) -> None:
    code.rename(code.with_suffix(".moved.cwasm"))
    code.symlink_to(code.with_suffix(".moved.cwasm"))


def another_name(code: Path) -> None:
    code.with_suffix(".other.cwasm").hardlink_to(code)


def a_link_for_its_note(code: Path) -> None:
    note = code.with_suffix(".json")
    note.rename(code.with_suffix(".moved.json"))
    note.symlink_to(code.with_suffix(".moved.json"))


def of_another_processor(code: Path) -> None:
    """As if the whole cache had been copied here from another machine."""
    note = code.with_suffix(".json")
    note.write_bytes(note.read_bytes().replace(code.parent.name.encode(), b"f" * 16))


def for_a_group(code: Path) -> None:
    code.chmod(0o660)


def gone(code: Path) -> None:
    code.unlink()


def without_note(code: Path) -> None:
    code.with_suffix(".json").unlink()


def torn_note(code: Path) -> None:
    note = code.with_suffix(".json")
    note.write_bytes(note.read_bytes()[:-5])


def foreign(code: Path) -> None:
    os.chown(code, UID, UID)


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize(
    "spoil",
    [
        flip_a_bit,
        cut_short,
        empty,
        open_to_all,
        readable_to_all,
        for_a_group,
        a_link,
        a_link_for_its_note,
        another_name,
        of_another_processor,
        gone,
        without_note,
        torn_note,
        pytest.param(foreign, marks=pytest.mark.root),
    ],
)
async def test_what_is_not_as_it_was_made_is_made_again(
    cache: AotCache,
    directory: Path,
    guests: Guests,
    compilers: list[str],
    spoil: Callable[[Path], None],
    restarted: bool,
) -> None:
    first = await ensure(cache, guests.path("hello"))
    good = first.code.read_bytes()
    spoil(first.code)
    second = await ensure(AotCache(directory) if restarted else cache, guests.path("hello"))
    assert second == first
    assert second.code.read_bytes() == good
    assert not second.code.is_symlink()
    status = second.code.stat()
    assert (status.st_uid, status.st_mode & 0o777) == (os.getuid(), 0o600)
    assert len(compilers) == 2


@pytest.mark.parametrize(
    ("what", "other"),
    [("version", lambda _: "99"), ("_cpu_features", lambda: "of another machine")],
)
async def test_code_of_another_version_or_processor_is_not_even_looked_at(
    cache: AotCache,
    directory: Path,
    guests: Guests,
    compilers: list[str],
    monkeypatch: pytest.MonkeyPatch,
    what: str,
    other: Callable[..., str],
) -> None:
    with monkeypatch.context() as then:
        then.setattr(fingerprint_room, what, other)
        foreign = await ensure(AotCache(directory), guests.path("hello"))
    ours = await ensure(cache, guests.path("hello"))
    assert len(compilers) == 2
    assert ours.code.parent != foreign.code.parent


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
async def test_a_directory_that_others_may_write_to_is_not_used(
    cache: AotCache, guests: Guests, mode: int
) -> None:
    code = (await ensure(cache, guests.path("hello"))).code
    code.parent.chmod(mode)
    with pytest.raises(CacheUnusable, match="other users may write to it") as caught:
        await ensure(cache, guests.path("hello"))
    assert str(code.parent) in caught.value.message


async def test_a_directory_that_cannot_be_made(tmp_path: Path, guests: Guests) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheUnusable, match="Not a directory"):
        await ensure(AotCache(tmp_path / "file" / "cache"), guests.path("hello"))


async def test_a_source_that_has_changed_is_not_compiled(
    cache: AotCache, directory: Path, text: Callable[[str], Path]
) -> None:
    source = text(HELLO)
    digest = digest_of(source)
    text(HELLO + " ")
    with pytest.raises(SourceChanged, match="changed while it was being read"):
        await cache.ensure(source, digest=digest, name="module.wat")
    assert code_in(directory) == []


async def test_a_source_that_is_gone(cache: AotCache, tmp_path: Path) -> None:
    with pytest.raises(CompileFailed, match="No such file or directory"):
        await cache.ensure(tmp_path / "gone.wasm", digest="sha256:0", name="gone.wasm")


def code_in(directory: Path) -> list[Path]:
    return [*directory.glob("**/*.cwasm"), *directory.glob("**/*.json"), *parts(directory)]


# what is no module --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "error", "said"),
    [
        (b"", NotWasm, "exec format error"),
        (b"#!/bin/sh\n", NotWasm, "exec format error"),
        (b"\x7fELF\x02\x01\x01", NotWasm, "exec format error"),
        (b";; only a comment (module)", NotWasm, "exec format error"),
        (b"(; no end", NotWasm, "exec format error"),
        (b"\0asm", ModuleInvalid, "is no valid WebAssembly module: "),
        (b"\0asm\x01\0\0\0garbage", ModuleInvalid, "is no valid WebAssembly module: "),
        (b"\0asm\x02\0\0\0", ModuleInvalid, "is no valid WebAssembly module: "),
        (b"(module", ModuleInvalid, "expected `)`"),
        (b"(module (func (result i32)))", ModuleInvalid, "type mismatch"),
        (b"(module \xff)", ModuleInvalid, "is no valid WebAssembly module: "),
        (b'(module (import "a" "b" (func (param nonsense))))', ModuleInvalid, "unexpected token"),
        (b"\0asm\x0d\0\x01\0\x0e", ModuleInvalid, "unexpected end"),
        (b'(component (export "a" (func 1)))', ModuleInvalid, "unknown func"),
    ],
)
async def test_what_is_no_module_is_told_without_blank_lines(
    cache: AotCache,
    directory: Path,
    text: Callable[[bytes], Path],
    content: bytes,
    error: type[WasmError],
    said: str,
) -> None:
    with pytest.raises(WasmError) as caught:
        await ensure(cache, text(content))
    assert type(caught.value) is error
    assert said in caught.value.message
    assert caught.value.message.startswith("module.wat")
    assert all(line.strip() for line in caught.value.message.splitlines())
    assert "<anon>" not in caught.value.message
    assert code_in(directory) == []


@pytest.mark.parametrize(
    "content",
    [
        HELLO,
        f"\n\t {HELLO}\n",
        f";; a comment\n;; another (one)\n{HELLO}",
        f"(; a block (; in a block ;) ;) ;; and\n (; more ;){HELLO}",
        '(func (export "_start"))',
    ],
)
async def test_text_is_a_module_too(
    cache: AotCache, text: Callable[[str], Path], content: str
) -> None:
    assert (await ensure(cache, text(content))).exports == ["_start"]


async def test_imports_that_nobody_answers_are_named(
    cache: AotCache, guests: Guests, text: Callable[[str], Path]
) -> None:
    assert (await ensure(cache, guests.path("imports"))).missing == ["env::foo"]
    wanted = """(module
      (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "nonsense" (func))
      (import "" "" (memory 1)))"""
    module = await ensure(cache, text(wanted))
    assert module.missing == ["wasi_snapshot_preview1::nonsense", "::"]


async def test_exports_are_known_in_their_order(
    cache: AotCache, guests: Guests, text: Callable[[str], Path]
) -> None:
    assert (await ensure(cache, guests.path("nostart"))).exports == ["memory", "run"]
    module = await ensure(cache, text('(module (func (export "b") (export "") (export "ä")))'))
    assert module.exports == ["b", "", "ä"]
    error = NoEntryPoint("m.wasm", module.exports)
    assert error.message == "m.wasm has no _start to run; it exports b, , ä"


# limits -------------------------------------------------------------------------------------------


async def limited(directory: Path, source: Path, **limits: float) -> str:
    cache = AotCache(directory, limits=msgspec.convert(limits, CompileLimits))
    with pytest.raises(CompileFailed) as caught:
        await ensure(cache, source)
    assert code_in(directory) == []
    assert children() == []
    return caught.value.message


async def test_a_compiler_that_takes_too_much_processor_time(directory: Path, slow: Path) -> None:
    told = await limited(directory, slow, cpu_s=1)
    assert told == "module.wat: compiling took over 1 s of processor time"


async def test_a_compiler_that_takes_too_long(directory: Path, slow: Path) -> None:
    told = await limited(directory, slow, wall_s=0.5)
    assert told == "module.wat: compiling took over 0.5 s"


@pytest.mark.parametrize("mebibytes", [64, 120, 200])
async def test_a_compiler_that_needs_too_much_memory(
    directory: Path, slow: Path, mebibytes: int
) -> None:
    told = await limited(directory, slow, memory_bytes=mebibytes << 20)
    assert told == f"module.wat: compiling needs over {mebibytes} MiB of memory"


async def test_native_code_that_is_too_large(directory: Path, guests: Guests) -> None:
    told = await limited(directory, guests.path("lines"), output_bytes=10_000)
    assert told.endswith(": its native code has over 0 MiB")


async def test_a_compiler_that_is_killed(cache: AotCache, directory: Path, slow: Path) -> None:
    ensuring = asyncio.create_task(ensure(cache, slow))
    (compiler,) = await asyncio.to_thread(until, lambda: processes_of(slow))
    os.kill(compiler, signal.SIGKILL)
    with pytest.raises(CompileFailed, match="the compiler was killed"):
        await ensuring
    assert code_in(directory) == []


async def test_a_compiler_has_no_environment_of_ours(
    cache: AotCache, slow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "s3cret")
    ensuring = asyncio.create_task(ensure(cache, slow))
    (compiler,) = await asyncio.to_thread(until, lambda: processes_of(slow))
    until(lambda: Path(f"/proc/{compiler}/environ").read_bytes())
    environment = Path(f"/proc/{compiler}/environ").read_bytes().rstrip(b"\0").split(b"\0")
    assert [word.partition(b"=")[0] for word in environment] == [
        b"RAYON_NUM_THREADS",
        b"MALLOC_ARENA_MAX",
    ]
    ensuring.cancel()
    await asyncio.gather(ensuring, return_exceptions=True)


# giving up ----------------------------------------------------------------------------------------


async def test_who_gives_up_ends_the_compiler(cache: AotCache, directory: Path, slow: Path) -> None:
    ensuring = asyncio.create_task(ensure(cache, slow))
    (compiler,) = await asyncio.to_thread(until, lambda: processes_of(slow))
    ensuring.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ensuring
    await asyncio.to_thread(until_not, lambda: is_alive(compiler), within_s=2)
    assert code_in(directory) == []


async def test_it_goes_on_for_those_who_still_wait(
    cache: AotCache, slow: Path, compilers: list[str]
) -> None:
    impatient = asyncio.create_task(ensure(cache, slow))
    patient = asyncio.create_task(ensure(cache, slow))
    await asyncio.to_thread(until, lambda: processes_of(slow))
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    assert (await patient).exports == ["_start"]
    assert len(compilers) == 1


async def test_who_comes_right_after_it_was_given_up_is_served(
    cache: AotCache, guests: Guests
) -> None:
    ensuring = asyncio.create_task(ensure(cache, guests.path("hello")))
    await asyncio.sleep(0.02)
    ensuring.cancel()
    await asyncio.sleep(0)
    assert (await ensure(cache, guests.path("hello"))).exports == ["memory", "_start"]
    assert ensuring.cancelled()


async def test_close_ends_the_compilers(cache: AotCache, directory: Path, slow: Path) -> None:
    before = descriptors()
    ensuring = asyncio.create_task(ensure(cache, slow))
    await asyncio.to_thread(until, lambda: processes_of(slow))
    await cache.close()
    assert children() == []
    with pytest.raises(asyncio.CancelledError):
        await ensuring
    assert code_in(directory) == []
    await asyncio.sleep(0)
    assert len(descriptors()) <= len(before) + 1  # asyncio's own way to hear of children


@pytest.mark.parametrize("after_s", [0.0, 0.05, 0.1, 0.2, 0.5])
def test_a_killed_owner_leaves_neither_compiler_nor_file(
    directory: Path, slow: Path, after_s: float
) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(directory), str(slow)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    with owner:
        until(lambda: len(processes_of(slow)) == 2)
        time.sleep(after_s)
        owner.kill()
    until_not(lambda: processes_of(slow), within_s=3)
    assert code_in(directory) == []


async def test_what_killed_compilers_left_is_swept(
    cache: AotCache, guests: Guests, text: Callable[[str], Path]
) -> None:
    """Where a file cannot be without a name from its beginning, it has one of this kind."""
    code = (await ensure(cache, guests.path("hello"))).code
    old, young = code.parent / ".x.1.part", code.parent / ".y.2.part"
    for part in (old, young):
        part.write_text("")
    os.utime(old, (time.time() - 7200, time.time() - 7200))
    await ensure(cache, text(HELLO))
    assert (old.exists(), young.exists()) == (False, True)
    young.unlink()
