"""The life of a node's certificates, from a bootstrap over a renewal to the next start.

Run as a program of its own, with the directory of the node; says whether `cryptography` was loaded.
Its API server approves and signs at once, by `signer.py`.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec.structs import replace

from krustlet.base import Instant
from krustlet.certificates import (
    Held,
    Joining,
    Purpose,
    Requests,
    Rotator,
    Signing,
    Store,
    client_wanted,
    credentials_for,
)
from krustlet.kube import KubeConfig, NotFound
from krustlet.kubelet.certification import store_of
from krustlet.objects import (
    CertificateSigningRequest,
    ObjectMeta,
    SigningRequestCondition,
    SigningRequestStatus,
)
from krustlet.server import self_signed

NODE = "wasm-1"
DAY_S = 86400.0


class Clock:
    """Goes as it should, and may be set."""

    ahead_s = 0.0

    def now(self) -> Instant:
        return Instant(time.time() + self.ahead_s)


class PromptRequests:
    """As `Requests`; each one is signed when it is made."""

    def __init__(self) -> None:
        self._there: dict[str, CertificateSigningRequest] = {}

    async def create(self, request: CertificateSigningRequest) -> CertificateSigningRequest:
        certificate = await asyncio.to_thread(_signed, request)
        approved = SigningRequestCondition(type="Approved", status="True")
        status = SigningRequestStatus(conditions=(approved,), certificate=certificate)
        made = replace(request, metadata=ObjectMeta(name=request.name, uid="1"), status=status)
        self._there[request.name] = made
        return made

    async def get(self, name: str) -> CertificateSigningRequest:
        if name not in self._there:
            raise NotFound(f"{name} not found", status=404)
        return self._there[name]

    async def watch(self, name: str) -> AsyncGenerator[CertificateSigningRequest | None, None]:
        yield self._there.get(name)


def _signed(request: CertificateSigningRequest) -> bytes:
    signing = [sys.executable, "-m", "tests.component.certificates.signer", *request.spec.usages]
    return subprocess.run(
        signing, input=request.spec.request, stdout=subprocess.PIPE, check=True
    ).stdout


async def live(root: Path) -> None:
    """All that happens to a node in a year."""
    clock, requests = Clock(), PromptRequests()
    store = store_of(root, clock)

    @asynccontextmanager
    async def open_requests(_: KubeConfig) -> AsyncIterator[Requests]:
        yield requests

    joining = Joining(
        kubeconfig=root / "kubeconfig",
        bootstrap_file=root / "bootstrap.conf",
        node=NODE,
        clock=clock,
        store=store,
        say=lambda _: None,
        open_requests=open_requests,
    )
    await credentials_for(joining)
    await asyncio.to_thread(self_signed, root, [NODE, "192.0.2.7"], crafting=store.crafting)
    assert store.path(Purpose.CLIENT).exists()
    new = await renewed(store, requests, clock)
    held = store_of(root, clock).held(Purpose.CLIENT)
    assert held is not None
    assert held.facts == new.facts
    await credentials_for(replace(joining, store=store_of(root, clock), bootstrap_file=None))


async def renewed(store: Store, requests: Requests, clock: Clock) -> Held:
    news: asyncio.Queue[Held] = asyncio.Queue()
    rotator = Rotator(
        Purpose.CLIENT,
        lambda: client_wanted(node=NODE),
        store=store,
        signing=Signing(store, requests, clock),
        clock=clock,
        changed=news.put_nowait,
    )
    before = store.held(Purpose.CLIENT)
    task = asyncio.create_task(rotator.run())
    clock.ahead_s = 0.95 * DAY_S
    while news.empty():  # it may not have begun to listen
        rotator.wake()
        await asyncio.wait([task], timeout=0.1)
    new = news.get_nowait()
    assert before is not None
    assert new.facts.key_digest != before.facts.key_digest
    task.cancel()
    await asyncio.wait([task])
    return new


if __name__ == "__main__":
    asyncio.run(live(Path(sys.argv[1])))
    sys.stdout.write(f"{'cryptography' in sys.modules}\n")
