"""When registries are asked, for what, and as whom; in virtual time."""

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from krustlet.images import (
    AccessDenied,
    Credentials,
    DigestMismatch,
    Ensured,
    ImageNeverPull,
    Keyring,
    NotInRegistry,
    Puller,
    PullPolicy,
    RegistryUnavailable,
    Store,
)
from tests.support.virtual_time import in_virtual_time
from tests.unit.images.fake_source import FakeSource, digest_of

MODULE = b"\0asm\1\0\0\0" * 100
NAME = "reg.io/greetings/hello:v1"


def key(user: str) -> Keyring:
    return Keyring([("reg.io", Credentials(username=user, password="p"))])


class Node:
    """A puller, its store and the registry it asks."""

    def __init__(self, root: Path, *, parallel_pulls: int = 5, keyring: Keyring | None = None):
        self.store = Store(root)
        self.source = FakeSource()
        self.digest = self.source.put("greetings/hello:v1", MODULE)
        self.told = 0
        self._puller = Puller(
            store=self.store,
            registry=self.source,
            keyring=keyring,
            parallel_pulls=parallel_pulls,
        )

    async def obtain(
        self,
        name: str = NAME,
        policy: PullPolicy = PullPolicy.IF_NOT_PRESENT,
        keyring: Keyring | None = None,
    ) -> Ensured:
        return await self._puller.obtain(
            name,
            policy=policy,
            relative_to=Path("/"),
            keyring=keyring,
            on_pulling=self._on_pulling,
        )

    def _on_pulling(self) -> None:
        self.told += 1


@in_virtual_time
async def test_an_image_is_pulled_and_all_is_said_of_it(tmp_path: Path) -> None:
    node = Node(tmp_path)

    ensured = await node.obtain()

    image = ensured.image
    assert (ensured.pulled, ensured.took_s, ensured.waited_s, node.told) == (True, 11.0, 11.0, 1)
    assert image.reference == NAME
    assert image.digest == digest_of(MODULE)
    assert image.image_id == f"reg.io/greetings/hello@{node.digest}"
    assert image.entrypoint_name == "hello.wasm"
    assert (Path(image.path).read_bytes(), image.size_bytes) == (MODULE, len(MODULE))


@pytest.mark.parametrize(
    ("policy", "name", "asked"),
    [
        pytest.param("IfNotPresent", NAME, {}, id="if-not-present-asks-nobody"),
        pytest.param("Never", NAME, {}, id="never-asks-nobody"),
        pytest.param("Always", NAME, {"head": 1}, id="always-asks-what-the-tag-stands-for"),
        pytest.param("Always", "by-digest", {}, id="a-digest-stands-for-itself"),
    ],
)
def test_an_image_that_is_here(
    policy: str, name: str, asked: dict[str, int], tmp_path: Path
) -> None:
    @in_virtual_time
    async def run() -> None:
        node = Node(tmp_path)
        await node.obtain()
        node.source.asked.clear()
        text = f"reg.io/greetings/hello@{node.digest}" if name == "by-digest" else name

        ensured = await node.obtain(text, PullPolicy(policy))

        assert dict(node.source.asked) == asked
        assert (ensured.pulled, node.told) == (bool(asked), 1 + len(asked))
        assert ensured.image.digest == digest_of(MODULE)

    run()


@in_virtual_time
async def test_never_means_never_in_the_kubelets_own_words(tmp_path: Path) -> None:
    node = Node(tmp_path)
    with pytest.raises(ImageNeverPull) as never:
        await node.obtain("hello", PullPolicy.NEVER)
    assert str(never.value) == ('Container image "hello" is not present with pull policy of Never')
    assert never.value.reason == "ErrImageNeverPull"
    assert (node.told, node.source.asked.total()) == (0, 0)


@in_virtual_time
async def test_always_notices_that_a_tag_has_moved(tmp_path: Path) -> None:
    node = Node(tmp_path)
    await node.obtain()
    moved = node.source.put("greetings/hello:v1", b"new")

    stays = await node.obtain()
    moves = await node.obtain(policy=PullPolicy.ALWAYS)

    assert stays.image.digest == digest_of(MODULE)
    assert moves.image.digest == digest_of(b"new")
    assert moves.image.image_id.endswith(moved)
    assert (await node.obtain()).image == moves.image


@in_virtual_time
async def test_a_module_that_is_here_is_not_downloaded_under_another_name(tmp_path: Path) -> None:
    node = Node(tmp_path)
    await node.obtain()
    node.source.put("other:v1", MODULE)

    ensured = await node.obtain("reg.io/other:v1")

    assert (ensured.pulled, node.source.asked["blob"]) == (True, 1)
    assert ensured.image.entrypoint_name == "other.wasm"


@in_virtual_time
async def test_a_module_that_was_lost_is_pulled_again(tmp_path: Path) -> None:
    node = Node(tmp_path)
    path = Path((await node.obtain()).image.path)
    path.write_bytes(b"cut")
    assert (await node.obtain()).pulled
    path.unlink()
    assert (await node.obtain(policy=PullPolicy.ALWAYS)).pulled
    assert path.read_bytes() == MODULE


@pytest.mark.parametrize("policy", ["IfNotPresent", "Always"])
def test_fifty_who_ask_at_once_share_one_download(policy: str, tmp_path: Path) -> None:
    @in_virtual_time
    async def run() -> None:
        node = Node(tmp_path)
        all_of_them = await asyncio.gather(
            *(node.obtain(policy=PullPolicy(policy)) for _ in range(50))
        )
        assert node.source.asked["blob"] == 1
        assert node.source.asked["head"] == (50 if policy == "Always" else 0)
        assert {ensured.image.digest for ensured in all_of_them} == {digest_of(MODULE)}
        assert node.told == 50

    run()


@pytest.mark.parametrize("policy", [PullPolicy.IF_NOT_PRESENT, PullPolicy.ALWAYS])
def test_a_download_is_logged_once_however_many_wait_for_it(
    policy: PullPolicy, tmp_path: Path
) -> None:
    @in_virtual_time
    async def run() -> None:
        node = Node(tmp_path)
        with capture_logs() as logs:
            await asyncio.gather(*(node.obtain(policy=policy) for _ in range(50)))
            await node.obtain(policy=policy)
        (pulled,) = [entry for entry in logs if entry["event"] == "image.pulled"]
        assert (pulled["image"], pulled["size_bytes"]) == (NAME, len(MODULE))

    run()


@in_virtual_time
async def test_two_names_of_one_module_share_one_download(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.source.put("other:v1", MODULE)
    await asyncio.gather(node.obtain(), node.obtain("reg.io/other:v1"))
    assert (node.source.asked["manifest"], node.source.asked["blob"]) == (2, 1)


@in_virtual_time
async def test_who_gives_up_leaves_the_download_to_the_others(tmp_path: Path) -> None:
    node = Node(tmp_path)
    first, second = (asyncio.create_task(node.obtain()) for _ in range(2))
    await asyncio.sleep(5)
    first.cancel()
    assert (await second).image.size_bytes == len(MODULE)
    assert (first.cancelled(), node.source.asked["blob"]) == (True, 1)


@in_virtual_time
async def test_a_download_that_nobody_waits_for_stops(tmp_path: Path) -> None:
    node = Node(tmp_path)
    askers = [asyncio.create_task(node.obtain()) for _ in range(3)]
    await asyncio.sleep(5)
    assert node.source.running == 1
    for asker in askers:
        asker.cancel()
    await asyncio.wait(askers)
    assert node.source.running == 0
    assert (await node.obtain()).pulled


@in_virtual_time
async def test_only_so_many_downloads_run_at_once_and_the_wait_is_told(tmp_path: Path) -> None:
    node = Node(tmp_path, parallel_pulls=2)
    names = [f"m{n}:v1" for n in range(4)]
    for name in names:
        node.source.put(name, name.encode())

    times = await asyncio.gather(*(node.obtain(f"reg.io/{name}") for name in names))

    assert node.source.most_running == 2
    told = sorted((t.took_s, t.waited_s) for t in times)
    assert told == [(11, 11), (11, 11), (11, 21), (11, 21)]


# credentials -------------------------------------------------------------------------------------


@in_virtual_time
async def test_each_credential_that_fits_is_tried_the_pods_own_first(tmp_path: Path) -> None:
    node = Node(tmp_path, keyring=key("node"))
    node.source.user = "node"
    assert (await node.obtain(keyring=key("pod"))).pulled
    assert node.source.asked["manifest"] == 2


@in_virtual_time
async def test_who_has_no_credentials_is_told_to_bring_some(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.source.user = "somebody"
    with pytest.raises(AccessDenied, match="without credentials") as denied:
        await node.obtain()
    assert "imagePullSecrets" in denied.value.hint
    with pytest.raises(AccessDenied, match="with the credentials it was given"):
        await node.obtain(keyring=key("other"))


@in_virtual_time
async def test_nobody_gets_in_on_the_credentials_of_others(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.source.user = "owner"
    mine, theirs = await asyncio.gather(
        node.obtain(keyring=key("owner")), node.obtain(), return_exceptions=True
    )
    assert isinstance(mine, Ensured)
    assert isinstance(theirs, AccessDenied)


@in_virtual_time
async def test_an_image_that_is_not_there(tmp_path: Path) -> None:
    node = Node(tmp_path)
    with pytest.raises(NotInRegistry, match=r"reg\.io/nobody:v9: not found in registry"):
        await node.obtain("reg.io/nobody:v9")


# on the way --------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_download_that_breaks_off_goes_on_where_it_was(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.source.breaks_at = [100, 300]
    image = (await node.obtain()).image
    assert node.source.offsets == [0, 100, 300]
    assert Path(image.path).read_bytes() == MODULE


@in_virtual_time
async def test_a_registry_that_does_no_parts_begins_again(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.source.breaks_at = [100]
    node.source.does_parts = False
    image = (await node.obtain()).image
    assert node.source.offsets == [0, 100]
    assert Path(image.path).read_bytes() == MODULE


@in_virtual_time
async def test_a_download_that_gets_nowhere_is_given_up_and_gone_on_with_later(
    tmp_path: Path,
) -> None:
    node = Node(tmp_path)
    node.source.breaks_at = [100, 100, 100, 100]
    with pytest.raises(RegistryUnavailable) as gone:
        await node.obtain()
    assert gone.value.retryable
    assert node.source.offsets == [0, 100, 100, 100]

    assert (await node.obtain()).pulled
    assert node.source.offsets[4:] == [100]


@in_virtual_time
async def test_a_registry_that_lies_about_a_module_is_not_believed(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.source.put("greetings/hello:v1", b"evil" * 200, says=MODULE)
    with pytest.raises(DigestMismatch, match=r"reg\.io/greetings/hello:v1") as lie:
        await node.obtain()
    assert (lie.value.retryable, node.source.asked["blob"]) == (False, 1)
    assert not node.store.blob_path(digest_of(MODULE)).exists()
    assert await node.store.images() == []


@in_virtual_time
async def test_a_part_that_a_power_cut_spoilt_is_dropped_by_itself(tmp_path: Path) -> None:
    node = Node(tmp_path)
    await node.store.images()  # makes its directories
    (tmp_path / "parts" / digest_of(MODULE).removeprefix("sha256:")).write_bytes(b"\0" * 100)
    image = (await node.obtain()).image
    assert node.source.offsets == [100, 0]
    assert Path(image.path).read_bytes() == MODULE


@in_virtual_time
async def test_a_module_that_had_come_whole_is_only_checked(tmp_path: Path) -> None:
    node = Node(tmp_path)
    await node.store.images()
    (tmp_path / "parts" / digest_of(MODULE).removeprefix("sha256:")).write_bytes(MODULE)
    assert (await node.obtain()).pulled
    assert node.source.asked["blob"] == 0
