"""What comes from a signer, or from our own mistakes, keeps nobody busy and is not passed over."""

import asyncio
import gc
import ssl
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from krustlet.certificates import (
    BootstrapRefused,
    CertificateUnfit,
    CraftFailed,
    Held,
    Purpose,
    Rotator,
    Signing,
    Store,
    StoredCredentials,
    Wanted,
    client_wanted,
    patiently,
)
from krustlet.certificates.wanted import new_key
from krustlet.kube import AlreadyExists, Unauthorized
from krustlet.objects import CertificateSigningRequest
from tests.support.virtual_time import LoopClock, in_virtual_time
from tests.unit.certificates.fakes import FakeRequests, going
from tests.unit.certificates.test_joining import Rig as JoiningRig
from tests.unit.certificates.test_rotation import FakeStore
from tests.unit.certificates.test_rotation import Rig as RotationRig

YEAR_S: Final = 365 * 86400.0


class _Broken:
    """Signs nothing: there is a mistake in it."""

    async def obtain(self, wanted: Wanted) -> Held:
        raise ZeroDivisionError(wanted.name)


@in_virtual_time
async def test_a_mistake_of_ours_comes_out_and_is_not_made_for_ever() -> None:
    rotator = Rotator(
        Purpose.CLIENT,
        lambda: client_wanted(node="wasm-1"),
        store=FakeStore(),
        signing=_Broken(),
        clock=LoopClock(),
    )
    with pytest.raises(ZeroDivisionError):
        async with asyncio.timeout(60):
            await rotator.run()


@pytest.mark.parametrize("life_s", [1.0, 5.0])
def test_who_signs_for_a_moment_only_is_asked_every_ten_seconds(life_s: float) -> None:
    @in_virtual_time
    async def a_quarter_of_an_hour() -> None:
        rig = RotationRig(life_s=life_s)
        async with going(rig.rotator().run()):
            await asyncio.sleep(900)
        assert 30 <= len(rig.signing.asked) <= 90

    a_quarter_of_an_hour()


async def _answered(pki: Path, odd: Callable[[bytes], bytes]) -> Held:
    """What is made of a certificate that comes as `odd` has it."""
    requests, store = FakeRequests(), Store(pki, clock=LoopClock())
    signing = Signing(store, requests, LoopClock())
    async with going(signing.obtain(client_wanted(node="wasm-1"))) as task:
        await asyncio.sleep(1)
        good = requests.sign("wasm-1")
        requests.answer("wasm-1", odd(good))
        requests.approve("wasm-1")
        held: Held = await task
    assert store.held(Purpose.CLIENT) is not None
    return held


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(lambda pem: pem + new_key(), id="a-key-behind"),
        pytest.param(lambda pem: new_key() + pem, id="a-key-before"),
        pytest.param(lambda pem: b"subject=\xff\n" + pem + b"-----BEGIN", id="remarks"),
        pytest.param(lambda pem: pem + b"#" * 10_000_000, id="ten-megabytes-of-remarks"),
    ],
)
@in_virtual_time
async def test_only_the_certificates_of_an_answer_are_kept(
    tmp_path: Path, odd: Callable[[bytes], bytes]
) -> None:
    held = await _answered(tmp_path / "pki", odd)
    assert held.path.stat().st_size < 2000
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(held.path)


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        pytest.param(lambda pem: pem * 10_000, "longer than 64 KiB", id="ten-thousand"),
        pytest.param(
            lambda pem: pem + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "holds no certificate",
            id="one-is-broken",
        ),
    ],
)
@in_virtual_time
async def test_a_chain_that_no_connection_could_be_made_with_is_told(
    tmp_path: Path, odd: Callable[[bytes], bytes], why: str
) -> None:
    with pytest.raises(CertificateUnfit, match=why):
        await _answered(tmp_path / "pki", odd)


@in_virtual_time
async def test_a_request_that_is_there_and_is_not_keeps_nobody_busy(tmp_path: Path) -> None:
    requests = FakeRequests()

    async def create(request: CertificateSigningRequest) -> CertificateSigningRequest:
        requests.asked.append(("create", request.name))
        await asyncio.sleep(0.01)
        raise AlreadyExists(f"{request.name} already exists", status=409)

    requests.create = create  # type: ignore[method-assign]  # an API server at odds with itself
    signing = Signing(Store(tmp_path / "pki", clock=LoopClock()), requests, LoopClock())
    async with going(signing.obtain(client_wanted(node="wasm-1"))):
        await asyncio.sleep(600)
    assert 30 <= len(requests.asked) <= 100


def _set_clock(rig: JoiningRig, by_s: float) -> None:
    rig.clock.at += by_s


def _rename(rig: JoiningRig, node: str) -> None:
    rig.node = node


@pytest.mark.parametrize(
    ("mistake", "mended"),
    [
        pytest.param(
            lambda rig: _set_clock(rig, 10 * YEAR_S),
            lambda rig: _set_clock(rig, -10 * YEAR_S),
            id="the-clock-was-not-set-yet",
        ),
        pytest.param(
            lambda rig: _rename(rig, "localhost"),
            lambda rig: _rename(rig, "wasm-1"),
            id="the-machine-had-no-name-yet",
        ),
    ],
)
def test_a_mistake_at_one_start_costs_the_next_one_no_credentials(
    tmp_path: Path, mistake: Callable[[JoiningRig], None], mended: Callable[[JoiningRig], None]
) -> None:
    rig = JoiningRig(tmp_path)
    rig.has_joined()
    rig.has_bootstrap_file()
    rig.requests.trouble = Unauthorized("Unauthorized", status=401)  # the token is long gone

    @in_virtual_time
    async def starts() -> None:
        mistake(rig)
        with pytest.raises(BootstrapRefused):
            await rig.joined()
        mended(rig)
        config = await rig.joined()
        assert isinstance(config.credentials, StoredCredentials)

    starts()
    assert rig.aside == ["kubeconfig.old", "kubelet-client-current.pem.old"]
    for path in tmp_path.rglob("*.old"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_work_that_fails_when_nobody_wants_it_any_more_is_nobodys_concern() -> None:
    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, about: complaints.append(about))
    begun, over = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        over.wait(5)
        raise CraftFailed("died by SIGKILL")

    task = asyncio.create_task(patiently(work))
    await asyncio.to_thread(begun.wait, 5)
    task.cancel()
    over.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    del task
    gc.collect()
    await asyncio.sleep(0)
    assert complaints == []
