"""Pulling over HTTP, from a registry that misbehaves in every way it can."""

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from yarl import URL

from krustlet.images import (
    AccessDenied,
    Credentials,
    DigestMismatch,
    Ensured,
    Keyring,
    NotInRegistry,
    NoWasmInImage,
    Puller,
    PullPolicy,
    Pusher,
    Registry,
    RegistryAnswerInvalid,
    RegistryReference,
    RegistrySettings,
    RegistryUnavailable,
    RegistryUntrusted,
    Store,
    make_artifact,
)
from krustlet.images.transport import Transport
from tests.component.images.fake_registry import (
    INDEX,
    MANIFEST,
    FakeRegistry,
    Tokens,
    basic,
    cut_off,
    digest_of,
)
from tests.support.authority import Authority
from tests.support.silent_peer import SilentPeer
from tests.support.until import until

MODULE = b"\0asm\1\0\0\0" * 50_000  # more than one piece
BIG = b"\0asm\1\0\0\0\0\xfc\xff\xff\x07" + b"\0" * (
    16 * 1024 * 1024 - 4
)  # no socket's buffer holds it
LAYER_BLOB = f"/v2/hello/blobs/{digest_of(MODULE)}"


class Node:
    """A puller of its own store, whose registries run on loopback."""

    def __init__(self, root: Path, stack: AsyncExitStack) -> None:
        self.store = Store(root)
        self._stack = stack
        self._registry: Registry | None = None

    async def use(self, **settings: Any) -> None:
        self._registry = await self._stack.enter_async_context(
            Registry(RegistrySettings(**{"stall_s": 5.0, **settings}))
        )

    async def pull(
        self,
        where: FakeRegistry,
        image: str = "hello:v1",
        *,
        policy: PullPolicy = PullPolicy.ALWAYS,
        credentials: Credentials | None = None,
    ) -> Ensured:
        if self._registry is None:
            await self.use()
        puller = Puller(store=self.store, registry=self._registry)
        keyring = Keyring([(where.address, credentials)] if credentials else [])
        return await puller.obtain(
            f"{where.address}/{image}", policy=policy, relative_to=Path("/"), keyring=keyring
        )


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with AsyncExitStack() as stack:
        yield Node(tmp_path / "images", stack)


@pytest.fixture
async def registry() -> AsyncIterator[FakeRegistry]:
    async with FakeRegistry().running() as registry:
        registry.put("v1", MODULE)
        yield registry


@pytest.fixture
async def other() -> AsyncIterator[FakeRegistry]:
    async with FakeRegistry().running() as registry:
        yield registry


def is_kept(node: Node) -> bool:
    return node.store.blob_path(digest_of(MODULE)).exists()


async def test_an_image_is_pulled(node: Node, registry: FakeRegistry) -> None:
    image = (await node.pull(registry)).image
    assert Path(image.path).read_bytes() == MODULE
    assert registry.asked[-1] == f"GET {LAYER_BLOB}"


async def test_both_forms_of_a_module_and_an_index_are_understood(
    node: Node, registry: FakeRegistry
) -> None:
    older = {"mediaType": "application/vnd.wasm.content.layer.v1+wasm"}
    registry.put("older", b"older", layer=older)
    entries = [
        {"mediaType": MANIFEST, "digest": digest_of(b"none"), "size": 4}
        | {"platform": {"os": "linux", "architecture": "amd64"}},
        {"mediaType": MANIFEST, "digest": registry.put("v1", MODULE), "size": 1}
        | {"platform": {"os": "wasi", "architecture": "wasm"}},
    ]
    document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
    top = registry.put_manifest("many", document, INDEX)

    assert (await node.pull(registry, "hello:older")).image.digest == digest_of(b"older")
    chosen = (await node.pull(registry, "hello:many")).image
    assert (chosen.digest, chosen.image_id.rpartition("@")[2]) == (digest_of(MODULE), top)
    assert (await node.pull(registry, f"hello@{top}")).pulled is False


async def test_an_index_in_circles_is_left(node: Node, registry: FakeRegistry) -> None:
    def index(digest: str) -> dict[str, Any]:
        entry = {"mediaType": INDEX, "digest": digest, "size": 1}
        return {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}

    digest = registry.put_manifest("x0", {"schemaVersion": 2, "manifests": []}, INDEX)
    for n in range(5):
        digest = registry.put_manifest(f"x{n + 1}", index(digest), INDEX)
    with pytest.raises(RegistryAnswerInvalid, match="indexes only"):
        await node.pull(registry, "hello:x5")


async def test_a_container_image_is_none_for_this_node(node: Node, registry: FakeRegistry) -> None:
    registry.put("v1", b"tar", layer={"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip"})
    with pytest.raises(NoWasmInImage, match=r"layer\.v1\.tar\+gzip"):
        await node.pull(registry)
    assert not any("/blobs/" in asked for asked in registry.asked)


# lies --------------------------------------------------------------------------------------------


async def test_other_bytes_than_promised_are_not_kept(node: Node, registry: FakeRegistry) -> None:
    registry.blobs[digest_of(MODULE)] = b"evil" * (len(MODULE) // 4)
    with pytest.raises(DigestMismatch, match="expected sha256:"):
        await node.pull(registry)
    assert not is_kept(node)


@pytest.mark.parametrize("length", [len(MODULE) - 1, len(MODULE) + 1])
async def test_another_size_than_promised_is_refused_at_once(
    node: Node, registry: FakeRegistry, length: int
) -> None:
    registry.blobs[digest_of(MODULE)] = (MODULE + b"x")[:length]
    with pytest.raises(RegistryAnswerInvalid, match=f"{length} bytes instead of the {len(MODULE)}"):
        await node.pull(registry)
    assert not is_kept(node)


async def test_a_blob_without_end_is_cut_off_at_its_size(
    node: Node, registry: FakeRegistry
) -> None:
    async def endless(request: web.Request) -> web.StreamResponse | None:
        if "/blobs/" not in request.path:
            return None
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(MODULE)

    registry.before.append(endless)
    with pytest.raises(RegistryAnswerInvalid, match="beyond"):
        await node.pull(registry)
    assert not is_kept(node)


async def test_a_manifest_has_the_digest_it_is_asked_by(node: Node, registry: FakeRegistry) -> None:
    wanted = digest_of(b"wanted")
    registry.manifests[wanted] = registry.manifests["v1"]
    with pytest.raises(DigestMismatch, match=f"expected {wanted}"):
        await node.pull(registry, f"hello@{wanted}")


async def test_a_manifest_has_the_digest_its_header_says(
    node: Node, registry: FakeRegistry
) -> None:
    async def lie(request: web.Request) -> web.StreamResponse | None:
        if request.method != "GET" or "/manifests/" not in request.path:
            return None
        headers = {"Docker-Content-Digest": digest_of(b"other")}
        return web.Response(body=registry.manifests["v1"][0], headers=headers)

    registry.before.append(lie)
    with pytest.raises(DigestMismatch, match="its manifest"):
        await node.pull(registry, policy=PullPolicy.IF_NOT_PRESENT)


async def test_a_manifest_may_not_be_huge(node: Node, registry: FakeRegistry) -> None:
    registry.put_manifest("v1", b" " * (4 * 1024 * 1024 + 1), MANIFEST)
    with pytest.raises(RegistryAnswerInvalid, match="more than 4194304 bytes"):
        await node.pull(registry)


async def test_a_registry_that_tells_no_digests_is_asked_for_the_manifest(
    node: Node, registry: FakeRegistry
) -> None:
    async def silent(request: web.Request) -> web.StreamResponse | None:
        return web.Response() if request.method == "HEAD" else None

    registry.before.append(silent)
    assert (await node.pull(registry)).image.digest == digest_of(MODULE)


# on the way --------------------------------------------------------------------------------------


async def test_a_download_that_breaks_off_goes_on_by_a_range(
    node: Node, registry: FakeRegistry
) -> None:
    cuts = [100_000]

    async def cut(request: web.Request) -> web.StreamResponse | None:
        if "/blobs/" in request.path and cuts:
            return await cut_off(request, MODULE, after=cuts.pop())
        return None

    registry.before.append(cut)
    image = (await node.pull(registry)).image
    assert Path(image.path).read_bytes() == MODULE
    assert registry.ranges[-1] == "bytes=100000-"


@pytest.mark.parametrize("status", [200, 416])
async def test_where_ranges_are_refused_it_begins_again(
    node: Node, registry: FakeRegistry, status: int
) -> None:
    cuts = [100_000]

    async def refuse(request: web.Request) -> web.StreamResponse | None:
        if "/blobs/" not in request.path:
            return None
        if cuts:
            return await cut_off(request, MODULE, after=cuts.pop())
        if "Range" in request.headers and status == 416:
            return web.Response(status=416)
        return web.Response(body=MODULE)

    registry.before.append(refuse)
    image = (await node.pull(registry)).image
    assert Path(image.path).read_bytes() == MODULE


async def test_another_part_than_asked_for_is_refused(node: Node, registry: FakeRegistry) -> None:
    cuts = [100_000]

    async def wrong(request: web.Request) -> web.StreamResponse | None:
        if "/blobs/" not in request.path:
            return None
        if cuts:
            return await cut_off(request, MODULE, after=cuts.pop())
        headers = {"Content-Range": f"bytes 7-{len(MODULE) - 1}/{len(MODULE)}"}
        return web.Response(status=206, body=MODULE[7:], headers=headers)

    registry.before.append(wrong)
    with pytest.raises(RegistryAnswerInvalid, match="another part"):
        await node.pull(registry)


async def test_a_registry_that_falls_silent_is_given_up(node: Node, registry: FakeRegistry) -> None:
    await node.use(stall_s=0.2)

    async def hang(request: web.Request) -> web.StreamResponse | None:
        await asyncio.sleep(60)
        return None

    registry.before.append(hang)
    with pytest.raises(RegistryUnavailable, match=r"silent for 0\.2 s") as silent:
        await node.pull(registry)
    assert silent.value.retryable


PULL = """
import asyncio, sys
from pathlib import Path
from krustlet.images import Puller, PullPolicy, Registry, Store

async def main(root, image):
    async with Registry() as registry:
        puller = Puller(store=Store(Path(root)), registry=registry)
        await puller.obtain(image, policy=PullPolicy.ALWAYS, relative_to=Path("/"))

asyncio.run(main(*sys.argv[1:]))
"""


async def test_what_a_killed_process_left_is_gone_on_with(
    node: Node, registry: FakeRegistry, tmp_path: Path
) -> None:
    slow = [True]

    async def trickle(request: web.Request) -> web.StreamResponse | None:
        if "/blobs/" not in request.path or not slow:
            return None
        response = web.StreamResponse(headers={"Content-Length": str(len(MODULE))})
        await response.prepare(request)
        await response.write(MODULE[:100_000])
        await asyncio.sleep(60)
        return response

    registry.before.append(trickle)
    root = tmp_path / "images"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PULL, str(root), f"{registry.address}/hello:v1"
    )
    part = root / "parts" / digest_of(MODULE).removeprefix("sha256:")
    try:
        await asyncio.to_thread(until, lambda: part.exists() and part.stat().st_size == 100_000)
    finally:
        process.kill()
        await process.wait()
    assert not is_kept(node)

    slow.clear()
    image = (await node.pull(registry)).image

    assert registry.ranges[-1] == "bytes=100000-"
    assert Path(image.path).read_bytes() == MODULE


async def test_a_cancelled_pull_hangs_up(node: Node, registry: FakeRegistry) -> None:
    hung_up = asyncio.Event()
    begun = asyncio.Event()

    async def trickle(request: web.Request) -> web.StreamResponse | None:
        if "/blobs/" not in request.path:
            return None
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"\0")
                begun.set()
                await asyncio.sleep(0.01)
        except (ConnectionError, asyncio.CancelledError):
            hung_up.set()
            raise

    registry.before.append(trickle)
    pull = asyncio.create_task(node.pull(registry))
    async with asyncio.timeout(60):
        await begun.wait()
        pull.cancel()
        await asyncio.wait([pull])
        await hung_up.wait()
    assert pull.cancelled()
    assert not is_kept(node)


async def test_a_busy_registry_is_given_the_time_it_asks_for(
    node: Node, registry: FakeRegistry
) -> None:
    busy = [429]

    async def wait(request: web.Request) -> web.StreamResponse | None:
        return web.Response(status=busy.pop(), headers={"Retry-After": "1"}) if busy else None

    registry.before.append(wait)
    ensured = await node.pull(registry)
    assert ensured.took_s >= 1


async def test_a_registry_that_is_busy_for_long_is_left_to_the_back_off(
    node: Node, registry: FakeRegistry
) -> None:
    async def wait(request: web.Request) -> web.StreamResponse | None:
        return web.Response(status=429, headers={"Retry-After": "3600"})

    registry.before.append(wait)
    with pytest.raises(RegistryUnavailable, match="alone for 3600 s"):
        await node.pull(registry)


async def test_a_registry_out_of_order_says_so_in_its_own_words(
    node: Node, registry: FakeRegistry
) -> None:
    async def broken(request: web.Request) -> web.StreamResponse | None:
        if request.method == "HEAD":
            return None
        return web.json_response({"errors": [{"message": "disk\x1b[2J full"}]}, status=500)

    registry.before.append(broken)
    with pytest.raises(RegistryUnavailable, match=r"answers 500 \(disk \[2J full\)"):
        await node.pull(registry)


async def test_what_is_not_there(node: Node, registry: FakeRegistry) -> None:
    with pytest.raises(NotInRegistry, match=r"hello:v9: not found in registry"):
        await node.pull(registry, "hello:v9")


async def test_a_registry_that_takes_nothing_is_given_up() -> None:
    async def hang(request: web.Request) -> web.StreamResponse | None:
        if request.method == "POST":
            return web.Response(status=202, headers={"Location": f"{request.path}1?state=a%2Fb"})
        if request.method == "PUT":
            await asyncio.sleep(60)
        return None

    artifact = make_artifact("m.wasm", BIG, created=datetime(2026, 1, 1, tzinfo=UTC))
    async with FakeRegistry().running() as registry:
        registry.before.append(hang)
        image = RegistryReference(registry.address, "hello", tag="v1")
        async with Registry(RegistrySettings(stall_s=0.3)) as client:
            with pytest.raises(RegistryUnavailable, match=r"taken nothing for 0\.3 s"):
                await Pusher(client, image, Credentials()).push(artifact, on_sent=lambda _: None)
        assert registry.asked[-1] == "PUT /v2/hello/blobs/uploads/1"


# elsewhere ---------------------------------------------------------------------------------------


async def test_a_redirect_is_followed_without_the_password(
    node: Node, registry: FakeRegistry, other: FakeRegistry
) -> None:
    other.blobs[digest_of(MODULE)] = MODULE

    async def redirect(request: web.Request) -> web.StreamResponse | None:
        if request.headers.get("Authorization") != basic("alice", "s3cret"):
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="x"'})
        if "/blobs/" in request.path:
            there = other.url(f"{request.path}?signature=a%2Fb")
            return web.Response(status=307, headers={"Location": there})
        return None

    registry.before.append(redirect)
    alice = Credentials(username="alice", password="s3cret")
    assert (await node.pull(registry, credentials=alice)).image.digest == digest_of(MODULE)
    assert registry.authorizations[-1] is not None
    assert other.authorizations == [None]


async def test_a_redirect_within_the_registry_keeps_the_password(
    node: Node, registry: FakeRegistry
) -> None:
    async def redirect(request: web.Request) -> web.StreamResponse | None:
        if request.headers.get("Authorization") != basic("alice", "s3cret"):
            return web.Response(status=401, headers={"WWW-Authenticate": "Basic"})
        if request.path == LAYER_BLOB:
            return web.Response(status=302, headers={"Location": f"/elsewhere{LAYER_BLOB}"})
        return None

    registry.before.append(redirect)
    alice = Credentials(username="alice", password="s3cret")
    assert (await node.pull(registry, credentials=alice)).pulled


async def test_another_hosts_401_gets_no_password(
    node: Node, registry: FakeRegistry, other: FakeRegistry
) -> None:
    async def greedy(request: web.Request) -> web.StreamResponse | None:
        return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="give"'})

    async def redirect(request: web.Request) -> web.StreamResponse | None:
        if "/blobs/" in request.path:
            return web.Response(status=307, headers={"Location": other.url(request.path)})
        return None

    other.before.append(greedy)
    registry.before.append(redirect)
    with pytest.raises(AccessDenied):
        await node.pull(registry, credentials=Credentials(username="alice", password="s3cret"))
    assert other.authorizations == [None]


async def test_redirects_in_circles_are_left(node: Node, registry: FakeRegistry) -> None:
    async def circle(request: web.Request) -> web.StreamResponse | None:
        return web.Response(status=307, headers={"Location": request.path})

    registry.before.append(circle)
    with pytest.raises(RegistryAnswerInvalid, match="redirects to nowhere"):
        await node.pull(registry)
    assert len(registry.asked) < 10


# tokens ------------------------------------------------------------------------------------------


async def test_anybody_gets_a_token_and_it_is_used_until_it_expires(
    node: Node, registry: FakeRegistry
) -> None:
    tokens = Tokens(registry)
    await node.pull(registry)
    await node.pull(registry)
    asked = {"service": "test", "scope": "repository:hello:pull"}
    assert tokens.issued == [("GET", asked, None)]


async def test_a_token_is_got_with_a_password(node: Node, registry: FakeRegistry) -> None:
    tokens = Tokens(registry, password="s3cret")
    alice = Credentials(username="alice", password="s3cret")
    assert (await node.pull(registry, credentials=alice)).pulled
    assert [shown for _, _, shown in tokens.issued] == [basic("alice", "s3cret")]

    with pytest.raises(AccessDenied, match="with the credentials it was given") as denied:
        await node.pull(registry, credentials=Credentials(username="alice", password="wr0ng"))
    assert "wr0ng" not in f"{denied.value}{denied.value.hint}"


async def test_a_token_is_got_with_an_identity_token(node: Node, registry: FakeRegistry) -> None:
    tokens = Tokens(registry, refresh="identity")
    credentials = Credentials(identity_token="identity")
    assert (await node.pull(registry, credentials=credentials)).pulled
    ((method, form, shown),) = tokens.issued
    assert (method, form["grant_type"], form["refresh_token"]) == (
        "POST",
        "refresh_token",
        "identity",
    )
    assert (form["service"], form["scope"], shown) == ("test", "repository:hello:pull", None)

    with pytest.raises(AccessDenied):
        await node.pull(registry, credentials=Credentials(identity_token="other"))


async def test_a_registry_token_is_shown_as_it_is(node: Node, registry: FakeRegistry) -> None:
    tokens = Tokens(registry)
    tokens.valid.add("mine")
    await node.pull(registry, credentials=Credentials(registry_token="mine"))
    assert tokens.issued == []


async def test_a_token_that_is_revoked_is_got_anew(node: Node, registry: FakeRegistry) -> None:
    tokens = Tokens(registry)
    await node.pull(registry)
    tokens.valid.clear()
    await node.pull(registry)
    assert len(tokens.issued) == 2


async def test_a_token_that_is_of_no_use_is_not_got_for_ever(
    node: Node, registry: FakeRegistry
) -> None:
    tokens = Tokens(registry)
    tokens.valid = set()

    async def forget(request: web.Request) -> web.StreamResponse | None:
        tokens.valid.clear()
        return None

    registry.before.insert(0, forget)
    with pytest.raises(AccessDenied, match="without credentials"):
        await node.pull(registry)
    assert len(tokens.issued) == 1


async def test_fifty_who_ask_at_once_need_one_token_and_one_download(
    node: Node, registry: FakeRegistry
) -> None:
    tokens = Tokens(registry)
    await node.use()
    assert node._registry is not None
    puller = Puller(store=node.store, registry=node._registry)
    text = f"{registry.address}/hello:v1"
    await asyncio.gather(
        *(puller.obtain(text, policy=PullPolicy.ALWAYS, relative_to=Path("/")) for _ in range(50))
    )
    assert len(tokens.issued) == 1
    assert registry.asked.count(f"GET {LAYER_BLOB}") == 1


# trust -------------------------------------------------------------------------------------------


def serving(authority: Authority) -> ssl.SSLContext:
    return authority.issue("registry", hosts=["127.0.0.1"]).server_context()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path / "pki", "registry")


@pytest.fixture
async def with_tls(authority: Authority) -> AsyncIterator[FakeRegistry]:
    async with FakeRegistry().running(serving(authority)) as registry:
        registry.put("v1", MODULE)
        yield registry


async def test_an_unknown_authority_is_not_trusted(node: Node, with_tls: FakeRegistry) -> None:
    with pytest.raises(RegistryUntrusted, match="not trusted") as untrusted:
        await node.pull(with_tls)
    assert "--registry-certs-dir" in untrusted.value.hint
    assert "--insecure-registries" in untrusted.value.hint
    assert with_tls.asked == []


async def test_an_insecure_registry_needs_no_trust(node: Node, with_tls: FakeRegistry) -> None:
    await node.use(insecure=(with_tls.address,))
    assert (await node.pull(with_tls)).pulled


async def test_nothing_is_open_any_more_though_a_registry_never_says_goodbye(
    authority: Authority,
) -> None:
    with SilentPeer.listening(authority) as peer:
        settings = RegistrySettings(insecure=(peer.address,))
        async with Transport(settings) as transport:
            beginning = asyncio.create_task(peer.begin())
            async with transport.request("GET", URL(f"https://{peer.address}"), headers={}):
                await beginning
            assert peer.clients() == 1
        assert peer.clients() == 0


@pytest.mark.parametrize("of_the_host", [True, False])
async def test_authorities_are_found_where_docker_keeps_them(
    node: Node, with_tls: FakeRegistry, authority: Authority, tmp_path: Path, of_the_host: bool
) -> None:
    certs = tmp_path / "certs"
    directory = certs / with_tls.address if of_the_host else certs
    directory.mkdir(parents=True)
    await node.use(certs_dir=certs)
    with pytest.raises(RegistryUntrusted):
        await node.pull(with_tls)

    (directory / "ca.crt").write_bytes(authority.certificate.read_bytes())  # found without restart

    assert (await node.pull(with_tls)).pulled


async def test_a_client_certificate_is_shown_to_who_wants_one(
    node: Node, authority: Authority, tmp_path: Path
) -> None:
    context = serving(authority)
    context.load_verify_locations(authority.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    async with FakeRegistry().running(context) as registry:
        registry.put("v1", MODULE)
        directory = tmp_path / "certs" / registry.address
        directory.mkdir(parents=True)
        (directory / "ca.crt").write_bytes(authority.certificate.read_bytes())
        await node.use(certs_dir=tmp_path / "certs")
        with pytest.raises((RegistryUntrusted, RegistryUnavailable)):
            await node.pull(registry)

        identity = authority.issue("client")
        (directory / "client.cert").write_bytes(identity.certificate.read_bytes())
        (directory / "client.key").write_bytes(identity.key.read_bytes())

        assert (await node.pull(registry)).pulled


@pytest.mark.parametrize("listed", [True, False])
async def test_plain_http_is_for_who_is_listed_and_for_this_machine(
    node: Node, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch, listed: bool
) -> None:
    assert (await node.pull(registry)).pulled  # it is on this machine
    monkeypatch.setattr("krustlet.images.trust.is_loopback", lambda _: False)
    await node.use(insecure=(registry.address,) if listed else ())
    if listed:
        assert (await node.pull(registry)).pulled
        return
    with pytest.raises(RegistryUntrusted, match="cannot set up TLS") as refused:
        await node.pull(registry)
    assert f"list {registry.address} in --insecure-registries" in refused.value.hint


async def test_no_password_goes_where_tls_was_given_up(
    node: Node, with_tls: FakeRegistry, other: FakeRegistry
) -> None:
    await node.use(insecure=(with_tls.address,))

    async def realm(request: web.Request) -> web.StreamResponse | None:
        offer = 'Bearer realm="http://tokens.example.com/token"'
        return web.Response(status=401, headers={"WWW-Authenticate": offer})

    with_tls.before.append(realm)
    with pytest.raises(RegistryAnswerInvalid, match="without TLS"):
        await node.pull(with_tls, credentials=Credentials(username="a", password="b"))


async def test_a_redirect_does_not_give_up_tls(node: Node, with_tls: FakeRegistry) -> None:
    await node.use(insecure=(with_tls.address,))

    async def redirect(request: web.Request) -> web.StreamResponse | None:
        there = "http://storage.example.com/blob?signature=s3cret"
        return web.Response(status=307, headers={"Location": there})

    with_tls.before.append(redirect)
    with pytest.raises(
        RegistryAnswerInvalid, match=r"storage\.example\.com without TLS"
    ) as refused:
        await node.pull(with_tls)
    assert "s3cret" not in f"{refused.value}{refused.value.hint}"


async def test_nobody_there_is_told_with_what_to_check(node: Node) -> None:
    nobody = FakeRegistry()
    nobody.address = "127.0.0.1:1"
    with pytest.raises(
        RegistryUnavailable, match=r"cannot connect to 127\.0\.0\.1:1: connection refused$"
    ) as unreachable:
        await node.pull(nobody)
    assert unreachable.value.hint
    nobody.address = "no-such-host.invalid"
    with pytest.raises(
        RegistryUnavailable, match=r"no host no-such-host\.invalid is known: [a-z]"
    ) as unknown:
        await node.pull(nobody)
    assert "this machine's DNS" in unknown.value.hint
