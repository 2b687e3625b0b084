"""Keys and certificates on disk."""

import os
import ssl
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from krustlet.base import Instant
from krustlet.certificates import (
    CertificateUnreadable,
    KeyExposed,
    Purpose,
    Store,
    StoreUnreadable,
    StoreUnwritable,
    Wanted,
    client_wanted,
    key_digest,
    request_pem,
)
from krustlet.certificates.wanted import new_key
from tests.support.virtual_time import EPOCH
from tests.unit.certificates.conftest import Logged, lines
from tests.unit.certificates.fakes import BACKDATED_S, StoppedClock, signed

CLIENT: Final = Purpose.CLIENT
WANTED: Final = client_wanted(node="wasm-1")
SERVING: Final = Wanted(purpose=Purpose.SERVING, node="wasm-1", name="wasm-1-tls")
LIFE_S: Final = 120.0


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock(EPOCH)


@pytest.fixture
def store(tmp_path: Path, clock: StoppedClock) -> Store:
    return Store(tmp_path / "data" / "pki", clock=clock)


def a_certificate(key: bytes) -> bytes:
    return signed(
        request_pem(WANTED, key),
        usages=["client auth"],
        not_before=EPOCH - BACKDATED_S,
        not_after=EPOCH + LIFE_S,
    )


def keep(store: Store) -> Path:
    key = new_key()
    return store.keep(CLIENT, a_certificate(key), key).path


def test_what_is_kept_is_held(store: Store, tmp_path: Path) -> None:
    key = new_key()
    kept = store.keep(CLIENT, a_certificate(key), key)

    assert kept.path == tmp_path / "data" / "pki" / "kubelet-client-current.pem"
    assert kept.facts.common_name == "system:node:wasm-1"
    assert kept.facts.key_digest == key_digest(key)
    assert store.held(CLIENT) == kept
    assert store.held(Purpose.SERVING) is None
    assert store.path(Purpose.SERVING).name == "kubelet-server-current.pem"


def test_connections_can_be_made_with_the_file_as_it_is(store: Store) -> None:
    path = keep(store)

    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(path)


def test_those_that_vouch_for_it_are_kept_too(store: Store) -> None:
    key = new_key()
    bundle = a_certificate(key) + a_certificate(new_key())

    path = store.keep(CLIENT, bundle.rstrip(), key).path

    assert path.read_bytes() == bundle + key
    assert store.held(CLIENT) is not None


def test_nobody_else_can_read_it(store: Store) -> None:
    before = os.umask(0)
    try:
        path = keep(store)
        store.draft(WANTED)
    finally:
        os.umask(before)

    modes = {stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()}
    assert modes == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_directory_that_was_open_is_closed(store: Store, tmp_path: Path) -> None:
    directory = tmp_path / "data" / "pki"
    directory.mkdir(parents=True)
    directory.chmod(0o755)

    keep(store)

    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


# since when ---------------------------------------------------------------------------------------


def test_a_certificate_counts_from_when_it_was_obtained(store: Store, clock: StoppedClock) -> None:
    keep(store)
    clock.at += 60

    held = store.held(CLIENT)

    assert held is not None
    assert held.since == EPOCH
    assert held.facts.not_before == EPOCH - BACKDATED_S


@pytest.mark.parametrize(
    ("written_at", "since"),
    [
        pytest.param(EPOCH + 10, EPOCH + 10, id="as-the-file-says"),
        pytest.param(EPOCH - 86400, EPOCH - BACKDATED_S, id="not-before-it-was-good"),
        pytest.param(EPOCH + 86400, EPOCH + 60, id="not-in-the-future"),
    ],
)
def test_a_file_with_an_odd_time_is_not_believed(
    store: Store, clock: StoppedClock, written_at: float, since: float
) -> None:
    os.utime(keep(store), (written_at, written_at))
    clock.at = EPOCH + 60

    held = store.held(CLIENT)

    assert held is not None
    assert held.since == Instant(since)


# files of no use ----------------------------------------------------------------------------------


def _tear(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:400])


def _without_key(path: Path) -> None:
    path.write_bytes(a_certificate(new_key()))


def _with_another_key(path: Path) -> None:
    path.write_bytes(a_certificate(new_key()) + new_key())


def _empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("spoil", [_tear, _without_key, _with_another_key, _empty])
def test_what_is_damaged_is_told_and_counts_as_nothing(
    store: Store, logged: Logged, spoil: Callable[[Path], None]
) -> None:
    path = keep(store)
    spoil(path)

    assert store.held(CLIENT) is None
    (line,) = lines(logged, "certificate.unusable")
    assert line["log_level"] == "warning"
    assert line["reason"].startswith(str(path))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o666])
def test_a_key_that_others_can_read_is_not_used(store: Store, mode: int) -> None:
    path = keep(store)
    path.chmod(mode)

    with pytest.raises(KeyExposed) as caught:
        store.held(CLIENT)

    assert str(path) in str(caught.value)
    assert f"{mode:04o}" in str(caught.value)
    assert f"chmod 600 {path}" in caught.value.hint
    assert "remove the file" in caught.value.hint
    path.chmod(0o600)
    assert store.held(CLIENT) is not None


def test_a_key_of_another_user_is_not_used(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    path = keep(store)
    owner = path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)

    with pytest.raises(KeyExposed, match=f"belongs to another user, number {owner}") as caught:
        store.held(CLIENT)

    assert f"chown {owner + 1} {path}" in caught.value.hint


def test_what_is_no_file_is_named(store: Store) -> None:
    store.path(CLIENT).mkdir(parents=True)
    with pytest.raises(StoreUnreadable, match="cannot be read: Is a directory"):
        store.held(CLIENT)

    store.path(CLIENT).rmdir()
    os.mkfifo(store.path(CLIENT), 0o600)
    with pytest.raises(StoreUnreadable, match="cannot be read: it is no file"):
        store.held(CLIENT)


def test_a_file_that_cannot_be_opened_is_named_with_the_reason(store: Store) -> None:
    path = keep(store)
    path.unlink()
    path.symlink_to(path)

    with pytest.raises(StoreUnreadable) as caught:
        store.held(CLIENT)

    assert str(path) in str(caught.value)
    assert "symbolic links" in str(caught.value)
    assert caught.value.hint


def test_a_place_that_cannot_be_written_to_is_named(store: Store, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("in the way")
    key = new_key()

    for act in (
        lambda: store.keep(CLIENT, a_certificate(key), key),
        lambda: store.draft(WANTED),
    ):
        with pytest.raises((StoreUnwritable, StoreUnreadable)) as caught:
            act()
        assert str(tmp_path / "data" / "pki") in str(caught.value)


def test_what_is_no_certificate_is_not_kept(store: Store) -> None:
    path = keep(store)
    before = path.read_bytes()

    with pytest.raises(CertificateUnreadable):
        store.keep(CLIENT, b"nonsense", new_key())

    assert path.read_bytes() == before


# the key of a request under way -------------------------------------------------------------------


def test_the_pending_key_is_the_same_until_it_is_dropped(store: Store, tmp_path: Path) -> None:
    key = store.draft(WANTED).key
    again = Store(tmp_path / "data" / "pki")

    assert again.draft(WANTED).key == key
    assert store.draft(SERVING).key != key
    store.drop_pending(CLIENT)
    store.drop_pending(CLIENT)
    assert store.draft(WANTED).key != key


def test_a_key_that_was_used_is_not_used_again(store: Store) -> None:
    key = store.draft(WANTED).key
    store.keep(CLIENT, a_certificate(key), key)  # and killed before it is dropped

    assert store.draft(WANTED).key != key


def test_a_pending_key_that_others_could_read_is_replaced(store: Store, logged: Logged) -> None:
    key = store.draft(WANTED).key
    path = store.path(CLIENT).with_name("kubelet-client-pending.key")
    path.chmod(0o644)

    assert store.draft(WANTED).key != key

    (line,) = lines(logged, "certificate.key_replaced")
    assert "0644" in line["reason"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_torn_pending_key_is_replaced(store: Store, logged: Logged) -> None:
    key = store.draft(WANTED).key
    path = store.path(CLIENT).with_name("kubelet-client-pending.key")
    path.write_bytes(key[:60])

    fresh = store.draft(WANTED).key

    assert key_digest(fresh)
    assert path.read_bytes() == fresh
    assert lines(logged, "certificate.key_replaced")


def test_no_key_is_ever_told(store: Store, logged: Logged) -> None:
    key = store.draft(WANTED).key
    held = store.keep(CLIENT, a_certificate(key), key)
    held.path.write_bytes(held.path.read_bytes()[:-40])
    store.held(CLIENT)

    secret = key.decode().splitlines()[1]
    assert secret not in repr((held, store, logged))
