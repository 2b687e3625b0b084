"""A certificate is signed, whatever happens on the way."""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from krustlet.base import Instant
from krustlet.certificates import (
    CertificateUnfit,
    KeyExposed,
    Purpose,
    RequestDenied,
    RequestFailed,
    RequestForbidden,
    RequestRefused,
    Signing,
    Store,
    StoreUnwritable,
    Wanted,
    client_wanted,
    facts_of,
    request_facts,
    request_pem,
    serving_wanted,
)
from krustlet.certificates.wanted import new_key
from krustlet.kube import (
    ApiError,
    ApiUnavailable,
    Forbidden,
    Invalid,
    TooManyRequests,
    Unauthorized,
)
from krustlet.objects import CLIENT_SIGNER, SERVING_SIGNER, CertificateSigningRequest
from tests.support.virtual_time import EPOCH, LoopClock, in_virtual_time
from tests.unit.certificates.conftest import Logged, lines
from tests.unit.certificates.fakes import FakeRequests, a_request, going

WANTED: Final = client_wanted(node="wasm-1")
DAY_S: Final = 86400.0


def a_serving(*ips: str) -> Wanted:
    wanted = serving_wanted(node="wasm-1", hostname="Host", ips=ips or ["192.0.2.7"])
    assert wanted is not None
    return wanted


class Rig:
    """A node that wants certificates, which can be restarted."""

    def __init__(self, directory: Path) -> None:
        self.requests = FakeRequests()
        self.told: list[str] = []
        self._directory = directory
        self.restart()

    def restart(self) -> None:
        self.store = Store(self._directory, clock=LoopClock())
        self.signing = Signing(self.store, self.requests, LoopClock(), self.told.append)

    def digits(self, purpose: Purpose = Purpose.CLIENT) -> str:
        return self.store.draft(a_serving() if purpose is Purpose.SERVING else WANTED).key_digest[
            :5
        ]


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path / "pki")


# the ordinary way ---------------------------------------------------------------------------------


@in_virtual_time
async def test_a_request_is_approved_signed_and_kept(rig: Rig, logged: Logged) -> None:
    async with going(rig.signing.obtain(WANTED)) as task:
        await asyncio.sleep(3600)
        assert rig.told == ["wasm-1"]
        request = rig.requests["wasm-1"]
        rig.requests.approve("wasm-1")
        await asyncio.sleep(1)
        assert not task.done()
        certificate = rig.requests.sign("wasm-1")
        held = await task

    assert request.spec.signer_name == CLIENT_SIGNER
    assert request.spec.usages == ("digital signature", "client auth")
    assert request.spec.expiration_seconds is None
    assert held == rig.store.held(Purpose.CLIENT)
    assert held.facts == facts_of(certificate)
    assert held.since == EPOCH + 3601
    assert rig.told == ["wasm-1"]
    assert [line["event"] for line in logged] == [
        "certificate.requested",
        "certificate.waits_for_approval",
        "certificate.approved",
        "certificate.obtained",
    ]
    assert logged[1]["hint"] == "kubectl certificate approve wasm-1"
    assert rig.requests.watches == 0


@in_virtual_time
async def test_it_waits_for_ever_and_asks_nobody_twice(rig: Rig) -> None:
    async with going(rig.signing.obtain(WANTED)):
        await asyncio.sleep(30 * DAY_S)

        assert [verb for verb, _ in rig.requests.asked] == ["get", "get", "create", "watch"]


@in_virtual_time
async def test_the_nodes_own_api_asks_under_the_hosts_name(rig: Rig) -> None:
    async with going(rig.signing.obtain(a_serving())) as task:
        await asyncio.sleep(1)
        rig.requests.grant("host-tls")
        held = await task

    request = rig.requests["host-tls"]
    assert request.spec.signer_name == SERVING_SIGNER
    assert request.spec.usages == ("digital signature", "server auth")
    assert (held.facts.dns, held.facts.ips) == (("host",), ("192.0.2.7",))
    assert held.path.name == "kubelet-server-current.pem"


@in_virtual_time
async def test_what_is_approved_before_anybody_looks_is_not_told(rig: Rig) -> None:
    create = rig.requests.create

    async def created_and_signed(request: CertificateSigningRequest) -> CertificateSigningRequest:
        made = await create(request)
        rig.requests.grant(made.name)
        return made

    rig.requests.create = created_and_signed  # type: ignore[method-assign]  # an eager approver
    await rig.signing.obtain(WANTED)

    assert rig.told == []


@in_virtual_time
async def test_the_next_certificate_is_of_another_key_and_name(rig: Rig) -> None:
    for round_ in range(3):
        async with going(rig.signing.obtain(WANTED)) as task:
            await asyncio.sleep(1)
            name = rig.requests.made[-1]
            assert name == ("wasm-1" if round_ == 0 else f"wasm-1-{rig.digits()}")
            rig.requests.grant(name)
            await task

    digests = {request_facts(rig.requests[name].spec.request).key_digest for name in rig.told}
    assert len(digests) == len(rig.requests.made) == 3


@in_virtual_time
async def test_a_certificate_without_approval_does_not_count(rig: Rig) -> None:
    async with going(rig.signing.obtain(WANTED)) as task:
        await asyncio.sleep(1)
        rig.requests.sign("wasm-1")
        await asyncio.sleep(60)
        assert not task.done()
        rig.requests.approve("wasm-1")
        await task


@in_virtual_time
async def test_nobody_who_signs_is_told_once(rig: Rig, logged: Logged) -> None:
    async with going(rig.signing.obtain(WANTED)) as task:
        await asyncio.sleep(1)
        rig.requests.approve("wasm-1")
        await asyncio.sleep(59)
        assert not lines(logged, "certificate.not_signed")
        await asyncio.sleep(3600)
        (line,) = lines(logged, "certificate.not_signed")
        assert line["signer"] == CLIENT_SIGNER
        assert "--cluster-signing-cert-file" in line["hint"]
        rig.requests.sign("wasm-1")
        await task


@in_virtual_time
async def test_one_that_is_signed_in_time_is_no_reason_to_worry(rig: Rig, logged: Logged) -> None:
    async with going(rig.signing.obtain(WANTED)) as task:
        await asyncio.sleep(1)
        rig.requests.grant("wasm-1")
        await task
    await asyncio.sleep(3600)

    assert not lines(logged, "certificate.not_signed")


# a name that is taken -----------------------------------------------------------------------------


@in_virtual_time
async def test_a_restart_while_it_waits_makes_no_second_request(rig: Rig) -> None:
    async with going(rig.signing.obtain(WANTED)):
        await asyncio.sleep(3600)
    rig.restart()
    async with going(rig.signing.obtain(WANTED)) as task:
        await asyncio.sleep(3600)
        assert rig.requests.made == ["wasm-1"]
        rig.requests.grant("wasm-1")
        await task

    assert rig.told == ["wasm-1", "wasm-1"]  # each run says what it waits for


@in_virtual_time
async def test_what_was_signed_while_the_node_was_down_is_fetched(rig: Rig) -> None:
    async with going(rig.signing.obtain(WANTED)):
        await asyncio.sleep(1)
    certificate = rig.requests.grant("wasm-1")
    rig.restart()

    held = await rig.signing.obtain(WANTED)

    assert held.facts == facts_of(certificate)
    assert rig.requests.made == ["wasm-1"]


@in_virtual_time
async def test_being_asked_again_tells_nobody_again(rig: Rig) -> None:
    for _ in range(2):
        async with going(rig.signing.obtain(WANTED)):
            await asyncio.sleep(60)

    assert rig.told == ["wasm-1"]


@in_virtual_time
async def test_a_name_that_somebody_else_has_is_left_to_him(rig: Rig) -> None:
    theirs = request_pem(WANTED, new_key())
    rig.requests.put(a_request("wasm-1", theirs, signer=CLIENT_SIGNER, usages=WANTED.usages))
    async with going(rig.signing.obtain(WANTED)) as task:
        await asyncio.sleep(1)
        second = f"wasm-1-{rig.digits()}"
        assert rig.told == [second]
        rig.requests.grant("wasm-1")
        await asyncio.sleep(1)
        assert not task.done()
        rig.requests.grant(second)
        await task


@in_virtual_time
async def test_a_later_request_is_found_again_though_the_first_name_is_free(rig: Rig) -> None:
    theirs = request_pem(WANTED, new_key())
    rig.requests.put(a_request("wasm-1", theirs, signer=CLIENT_SIGNER, usages=WANTED.usages))
    async with going(rig.signing.obtain(WANTED)):
        await asyncio.sleep(1)
    rig.requests.delete("wasm-1")
    rig.restart()
    async with going(rig.signing.obtain(WANTED)):
        await asyncio.sleep(1)
        assert rig.requests.names == {f"wasm-1-{rig.digits()}"}


@in_virtual_time
async def test_where_both_names_are_taken_another_key_brings_another_name(rig: Rig) -> None:
    first = f"wasm-1-{rig.digits()}"
    for name in ("wasm-1", first):
        rig.requests.put(a_request(name, b"their own way", signer="a/b", usages=()))
    async with going(rig.signing.obtain(WANTED)) as task:
        await asyncio.sleep(1)
        (name,) = rig.requests.names - {"wasm-1", first}
        assert name == f"wasm-1-{rig.digits()}"
        rig.requests.grant(name)
        await task


@in_virtual_time
async def test_who_takes_the_name_at_the_last_moment_may_keep_it(rig: Rig) -> None:
    theirs = a_request(
        "wasm-1", request_pem(WANTED, new_key()), signer=CLIENT_SIGNER, usages=WANTED.usages
    )
    create = rig.requests.create
    late = iter([theirs])

    async def created(request: CertificateSigningRequest) -> CertificateSigningRequest:
        for one in late:
            rig.requests.put(one)
        return await create(request)

    rig.requests.create = created  # type: ignore[method-assign]  # somebody is faster
    async with going(rig.signing.obtain(WANTED)) as task:
        await asyncio.sleep(1)
        rig.requests.grant(f"wasm-1-{rig.digits()}")
        await task


@in_virtual_time
async def test_an_answer_that_was_lost_makes_no_second_request(rig: Rig) -> None:
    create = rig.requests.create
    lost = iter([ApiUnavailable("connection reset")])

    async def created(request: CertificateSigningRequest) -> CertificateSigningRequest:
        made = await create(request)
        for error in lost:
            raise error
        return made

    rig.requests.create = created  # type: ignore[method-assign]  # a bad line
    async with going(rig.signing.obtain(WANTED)) as task:
        await asyncio.sleep(60)
        assert rig.requests.made == ["wasm-1"]
        rig.requests.grant("wasm-1")
        await task


@in_virtual_time
async def test_other_addresses_are_another_request(rig: Rig) -> None:
    async with going(rig.signing.obtain(a_serving("192.0.2.7"))):
        await asyncio.sleep(60)
        old_key = rig.store.draft(a_serving()).key
    async with going(rig.signing.obtain(a_serving("192.0.2.8"))) as task:
        await asyncio.sleep(60)
        name = f"host-tls-{rig.digits(Purpose.SERVING)}"
        assert rig.requests.made == ["host-tls", name]
        assert rig.store.draft(a_serving()).key != old_key
        rig.requests.grant("host-tls")
        rig.requests.grant(name)
        held = await task

    assert held.facts.ips == ("192.0.2.8",)


@pytest.mark.parametrize(
    ("signer", "usages"),
    [(SERVING_SIGNER, WANTED.usages), (CLIENT_SIGNER, (*WANTED.usages, "key encipherment"))],
)
@in_virtual_time
async def test_a_request_of_ours_in_another_way_is_not_taken_up(
    rig: Rig, signer: str, usages: tuple[str, ...]
) -> None:
    ours = request_pem(WANTED, rig.store.draft(WANTED).key)
    rig.requests.put(a_request("wasm-1", ours, signer=signer, usages=usages))
    async with going(rig.signing.obtain(WANTED)):
        await asyncio.sleep(1)
        assert rig.requests.made == ["wasm-1", f"wasm-1-{rig.digits()}"]


# refusals -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refuse", "error", "words"),
    [
        pytest.param(
            FakeRequests.deny, RequestDenied, "the request wasm-1 was denied: No: who are you?",
            id="denied",
        ),
        pytest.param(
            FakeRequests.fail, RequestFailed, "the request wasm-1 could not be signed: No: who are"
            " you?", id="failed",
        ),
    ],
)  # fmt: skip
@in_virtual_time
async def test_a_refusal_is_told_in_the_words_of_whoever_refused(
    rig: Rig, refuse: Callable[..., None], error: type[RequestRefused], words: str
) -> None:
    async with going(rig.signing.obtain(WANTED)) as task:
        await asyncio.sleep(1)
        refuse(rig.requests, "wasm-1", reason="No", message="who are you?")
        with pytest.raises(error) as caught:
            await task

    assert str(caught.value) == words
    assert caught.value.name == "wasm-1"
    assert "kubectl delete csr wasm-1" in caught.value.hint
    assert rig.requests.watches == 0


@in_virtual_time
async def test_a_refusal_without_reasons_is_told_too(rig: Rig) -> None:
    async with going(rig.signing.obtain(WANTED)) as task:
        await asyncio.sleep(1)
        rig.requests.deny("wasm-1")
        with pytest.raises(RequestDenied, match=r"^the request wasm-1 was denied$"):
            await task


@in_virtual_time
async def test_who_was_denied_is_asked_for_again_when_the_request_is_deleted(rig: Rig) -> None:
    async with going(rig.signing.obtain(WANTED)) as task:
        await asyncio.sleep(1)
        rig.requests.deny("wasm-1")
        with pytest.raises(RequestDenied):
            await task
    with pytest.raises(RequestDenied):
        await rig.signing.obtain(WANTED)
    assert rig.requests.made == ["wasm-1"]

    rig.requests.delete("wasm-1")
    async with going(rig.signing.obtain(WANTED)) as task:
        await asyncio.sleep(1)
        assert rig.requests.made == ["wasm-1", "wasm-1"]
        rig.requests.grant("wasm-1")
        await task


@in_virtual_time
async def test_who_was_denied_may_ask_with_another_key(rig: Rig) -> None:
    async with going(rig.signing.obtain(WANTED)) as task:
        await asyncio.sleep(1)
        rig.requests.deny("wasm-1")
        with pytest.raises(RequestDenied):
            await task
    rig.store.drop_pending(Purpose.CLIENT)
    async with going(rig.signing.obtain(WANTED)):
        await asyncio.sleep(1)
        assert rig.requests.made == ["wasm-1", f"wasm-1-{rig.digits()}"]


@in_virtual_time
async def test_a_request_that_is_deleted_is_made_again_with_the_same_key(
    rig: Rig, logged: Logged
) -> None:
    async with going(rig.signing.obtain(WANTED)) as task:
        await asyncio.sleep(3600)
        key = rig.store.draft(WANTED).key
        rig.requests.delete("wasm-1")
        await asyncio.sleep(1)
        assert rig.requests.made == ["wasm-1", "wasm-1"]
        assert rig.told == ["wasm-1", "wasm-1"]  # it has to be approved anew
        assert rig.store.draft(WANTED).key == key
        rig.requests.grant("wasm-1")
        await task

    (line,) = lines(logged, "certificate.request_deleted")
    assert (line["log_level"], line["request"]) == ("warning", "wasm-1")


@in_virtual_time
async def test_who_deletes_each_request_at_once_keeps_nobody_busy(rig: Rig) -> None:
    async def delete_each() -> None:
        while True:
            await asyncio.sleep(0.01)
            if "wasm-1" in rig.requests.names:
                rig.requests.delete("wasm-1")

    async with going(rig.signing.obtain(WANTED)), going(delete_each()):
        await asyncio.sleep(600)

    assert len(rig.requests.made) < 30


@in_virtual_time
async def test_one_of_the_same_name_that_came_after_it_is_another(rig: Rig) -> None:
    async with going(rig.signing.obtain(WANTED)) as task:
        await asyncio.sleep(1)
        theirs = request_pem(WANTED, new_key())
        rig.requests.put(a_request("wasm-1", theirs, signer=CLIENT_SIGNER, usages=WANTED.usages))
        await asyncio.sleep(1)
        rig.requests.grant(f"wasm-1-{rig.digits()}")
        await task


# certificates of no use ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        pytest.param(
            {"key": ec.generate_private_key(ec.SECP256R1()).public_key()},
            "it is for another key",
            id="key",
        ),
        pytest.param(
            {"names": [x509.DNSName("elsewhere")]},
            "it is not for host, 192.0.2.7",
            id="names",
        ),
        pytest.param({"usages": ["client auth"]}, "it is not good for 'server auth'", id="purpose"),
    ],
)
@in_virtual_time
async def test_what_does_not_fit_is_not_kept(rig: Rig, odd: dict[str, object], why: str) -> None:
    async with going(rig.signing.obtain(a_serving())) as task:
        await asyncio.sleep(1)
        rig.requests.grant("host-tls", **odd)
        with pytest.raises(CertificateUnfit, match=why):
            await task

    assert rig.store.held(Purpose.SERVING) is None


@in_virtual_time
async def test_an_answer_that_is_no_certificate_is_told(rig: Rig) -> None:
    async with going(rig.signing.obtain(WANTED)) as task:
        await asyncio.sleep(1)
        rig.requests.approve("wasm-1")
        rig.requests.answer("wasm-1", b"nonsense")
        with pytest.raises(CertificateUnfit, match="no use: it holds no certificate"):
            await task


@pytest.mark.parametrize(
    ("ago_s", "good_from", "good_until"),
    [
        pytest.param(-3600.0, "2026-01-01T00:55:01Z", "2026-01-01T02:00:01Z", id="behind"),
        pytest.param(7200.0, "2025-12-31T21:55:01Z", "2025-12-31T23:00:01Z", id="ahead"),
    ],
)
def test_what_was_signed_just_now_is_kept_though_the_clock_is_wrong_and_that_is_told(
    rig: Rig, logged: Logged, ago_s: float, good_from: str, good_until: str
) -> None:
    @in_virtual_time
    async def story() -> None:
        async with going(rig.signing.obtain(WANTED)) as task:
            await asyncio.sleep(1)
            certificate = rig.requests.grant("wasm-1", ago_s=ago_s)
            held = await task
        assert certificate.strip() in held.path.read_bytes()
        assert rig.requests.made == ["wasm-1"]

    story()
    (told,) = lines(logged, "certificate.clock_differs")
    assert (told["good_from"], told["good_until"]) == (good_from, good_until)
    assert told["clock"] == "2026-01-01T00:00:01Z"
    assert "clock" in told["hint"]


@in_virtual_time
async def test_what_is_signed_just_now_is_fresh_though_it_was_asked_for_before_a_restart(
    rig: Rig, logged: Logged
) -> None:
    async with going(rig.signing.obtain(WANTED)):
        await asyncio.sleep(60)
    rig.restart()
    async with going(rig.signing.obtain(WANTED)) as task:
        await asyncio.sleep(60)
        rig.requests.grant("wasm-1", ago_s=7200.0)
        await task

    assert rig.requests.made == ["wasm-1"]
    assert len(lines(logged, "certificate.clock_differs")) == 1


@in_virtual_time
async def test_what_was_signed_and_ran_out_while_the_node_was_down_is_asked_for_anew(
    rig: Rig,
) -> None:
    async with going(rig.signing.obtain(WANTED)):
        await asyncio.sleep(1)
    rig.requests.grant("wasm-1", life_s=60)
    await asyncio.sleep(DAY_S)
    rig.restart()
    async with going(rig.signing.obtain(WANTED)) as task:
        await asyncio.sleep(1)
        rig.requests.grant(f"wasm-1-{rig.digits()}")
        await task


# the API server and the disk ----------------------------------------------------------------------


@in_virtual_time
async def test_a_server_that_does_not_answer_is_waited_for(rig: Rig, logged: Logged) -> None:
    rig.requests.trouble = ApiUnavailable("connection refused", hint="is it running?")
    async with going(rig.signing.obtain(WANTED)) as task:
        await asyncio.sleep(600)
        assert len(rig.requests.asked) < 30
        rig.requests.trouble = None
        await asyncio.sleep(31)
        rig.requests.grant("wasm-1")
        await task

    (line,) = lines(logged, "certificate.waits_for_api_server")
    assert (line["reason"], line["hint"]) == ("connection refused", "is it running?")
    assert len(lines(logged, "certificate.api_server_answers")) == 1


@in_virtual_time
async def test_a_server_that_wants_to_be_left_alone_is(rig: Rig) -> None:
    rig.requests.trouble = TooManyRequests("later", status=429, retry_after_s=300.0)
    async with going(rig.signing.obtain(WANTED)):
        await asyncio.sleep(299)
        assert len(rig.requests.asked) == 1
        rig.requests.trouble = None
        await asyncio.sleep(2)
        assert rig.requests.made == ["wasm-1"]


@in_virtual_time
async def test_who_is_not_known_is_told_so(rig: Rig) -> None:
    rig.requests.trouble = Unauthorized("Unauthorized", status=401)
    with pytest.raises(Unauthorized):
        await rig.signing.obtain(WANTED)


@in_virtual_time
async def test_who_is_not_known_any_more_while_it_waits_is_told_so(rig: Rig) -> None:
    async with going(rig.signing.obtain(WANTED)) as task:
        await asyncio.sleep(60)
        rig.requests.break_watches(Unauthorized("Unauthorized", status=401))
        with pytest.raises(Unauthorized):
            await task


@in_virtual_time
async def test_a_server_that_cannot_prove_who_it_is_is_not_waited_for(rig: Rig) -> None:
    rig.requests.trouble = ApiUnavailable("self-signed certificate")
    rig.requests.trouble.__cause__ = ssl.SSLCertVerificationError(1, "self-signed certificate")
    with pytest.raises(ApiUnavailable):
        await rig.signing.obtain(WANTED)


@pytest.mark.parametrize(
    ("wanted", "hints"),
    [
        pytest.param(
            WANTED,
            ["kubectl create clusterrolebinding", "--clusterrole=system:node-bootstrapper"],
            id="a-token",
        ),
        pytest.param(a_serving(), ["system:node:wasm-1", "system:nodes"], id="a-node"),
    ],
)
@in_virtual_time
async def test_who_may_not_ask_is_told_who_may(rig: Rig, wanted: Wanted, hints: list[str]) -> None:
    rig.requests.trouble = Forbidden('User "x" cannot create resource', status=403)
    with pytest.raises(RequestForbidden, match='User "x" cannot') as caught:
        await rig.signing.obtain(wanted)

    for hint in hints:
        assert hint in caught.value.hint


@in_virtual_time
async def test_what_the_server_calls_nonsense_is_passed_on(rig: Rig) -> None:
    rig.requests.trouble = Invalid("spec.usages: Unsupported value", status=422)
    with pytest.raises(ApiError, match="Unsupported value"):
        await rig.signing.obtain(WANTED)


@in_virtual_time
async def test_a_certificate_that_cannot_be_kept_is_fetched_again_later(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    async with going(rig.signing.obtain(WANTED)) as task:
        await asyncio.sleep(1)
        with monkeypatch.context() as patch:
            patch.setattr("krustlet.certificates.store.write_atomically", full)
            rig.requests.grant("wasm-1")
            with pytest.raises(StoreUnwritable, match="No space left on device"):
                await task

    assert (await rig.signing.obtain(WANTED)).facts.common_name == "system:node:wasm-1"
    assert rig.requests.made == ["wasm-1"]


@in_virtual_time
async def test_an_exposed_key_that_is_shown_does_not_keep_a_new_one_from_being_made(
    rig: Rig,
) -> None:
    async with going(rig.signing.obtain(WANTED)) as task:
        await asyncio.sleep(1)
        rig.requests.grant("wasm-1")
        held = await task
    held.path.chmod(0o644)
    with pytest.raises(KeyExposed):
        rig.store.held(Purpose.CLIENT)

    async with going(rig.signing.obtain(WANTED)) as task:
        await asyncio.sleep(1)
        rig.requests.grant(f"wasm-1-{rig.digits()}")
        assert (await task).since == Instant(EPOCH + 2)


@in_virtual_time
async def test_no_key_is_ever_told(rig: Rig, logged: Logged) -> None:
    async with going(rig.signing.obtain(WANTED)) as task:
        await asyncio.sleep(1)
        secret = rig.store.draft(WANTED).key.decode().splitlines()[1]
        rig.requests.deny("wasm-1")
        with pytest.raises(RequestDenied) as caught:
            await task

    assert secret not in repr((logged, caught.value, vars(rig.signing), rig.requests["wasm-1"]))
