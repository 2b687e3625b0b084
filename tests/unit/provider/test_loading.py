"""A provider is found by its name, or the error says what is wrong with it."""

import re
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from krustlet.base import KrustletError
from krustlet.provider import ProviderContext, ProviderMissing, load_provider
from krustlet.provider import loading as loading_room
from krustlet.providers.wasi import WasiProvider

CONTEXT = ProviderContext(cache=Path("/nowhere"))


class Describes:
    """All that a `Provider` has to have."""

    runners = ("module:Runner",)

    def __init__(self, context: ProviderContext) -> None:
        self.context = context

    async def prepare(self, image: object) -> None: ...

    async def program(self, request: object) -> None: ...

    async def close(self) -> None: ...


class RunsItself:
    """All that a `Runtime` has to have."""

    def __init__(self, context: ProviderContext) -> None: ...

    async def open(self, tell: object) -> None: ...

    async def close(self, *, stop_all: bool) -> None: ...

    def trouble(self) -> str:
        return ""

    async def prepare(self, image: object) -> None: ...

    async def start(self, request: object) -> None: ...

    def stop(self, container_id: str, *, grace_s: float) -> None: ...

    def forget(self, container_id: str) -> None: ...

    async def clean(self, pod_uid: str) -> None: ...


class IsNeither:
    def __init__(self, context: ProviderContext) -> None: ...


def fails(context: ProviderContext) -> None:
    raise KrustletError("no disk for it", hint="buy one")


def lacks_a_library(context: ProviderContext) -> None:
    raise ImportError("libfancy.so is missing")


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Install a package that offers each named object as a provider."""

    def offer(**providers: Any) -> None:
        module = ModuleType("somebodys")
        vars(module).update(providers)
        monkeypatch.setitem(sys.modules, "somebodys", module)
        values = {name: f"somebodys:{name}" for name in providers} | {
            "absent": "no_such_module:Provider",
            "renamed": "somebodys:Absent",
        }
        points = [EntryPoint(name, value, "krustlet.providers") for name, value in values.items()]
        monkeypatch.setattr(loading_room, "entry_points", lambda group: points)

    return offer


def test_wasi_comes_with_krustlet() -> None:
    assert isinstance(load_provider("wasi", CONTEXT), WasiProvider)


def test_one_that_describes(offer: Callable[..., None]) -> None:
    offer(mine=Describes)
    provider: object = load_provider("mine", CONTEXT)
    assert isinstance(provider, Describes)
    assert provider.context is CONTEXT


def test_one_that_runs_everything_itself(offer: Callable[..., None]) -> None:
    offer(mine=RunsItself)
    provider: object = load_provider("mine", CONTEXT)
    assert isinstance(provider, RunsItself)


def test_one_that_nobody_offers(offer: Callable[..., None]) -> None:
    offer(mine=Describes, yours=Describes)
    with pytest.raises(ProviderMissing, match="no provider 'theirs' is installed") as caught:
        load_provider("theirs", CONTEXT)
    assert "krustlet.providers; installed: absent, mine, renamed, yours" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent", "provider 'absent' cannot be loaded: No module named 'no_such_module'"),
        ("renamed", "provider 'renamed' cannot be loaded: module 'somebodys' has no attribute"),
        ("poor", "provider 'poor' cannot be loaded: libfancy.so is missing"),
        ("neither", "provider 'neither' is neither a Provider nor a Runtime"),
        ("number", "provider 'number' is neither a Provider nor a Runtime"),
    ],
)
def test_one_that_is_none(offer: Callable[..., None], name: str, message: str) -> None:
    offer(poor=lacks_a_library, neither=IsNeither, number=42)
    with pytest.raises(ProviderMissing, match=re.escape(message)):
        load_provider(name, CONTEXT)


def test_its_own_error_is_told_as_it_is(offer: Callable[..., None]) -> None:
    offer(poor=fails)
    with pytest.raises(KrustletError, match="no disk for it"):
        load_provider("poor", CONTEXT)
