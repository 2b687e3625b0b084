"""The certificates of a node whose disk is full."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from krustlet.certificates import Purpose, Store, StoreUnwritable, client_wanted, request_pem
from tests.unit.certificates.fakes import signed

WANTED = client_wanted(node="wasm-1")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def a_certificate(key: bytes) -> bytes:
    request = request_pem(WANTED, key)
    return signed(request, usages=["client auth"], not_before=0, not_after=4e9)


@pytest.mark.root
def test_on_a_full_disk_the_certificate_stays_as_it_was(small_disk: Path) -> None:
    store = Store(small_disk / "pki")
    old_key = store.draft(WANTED).key
    old = store.keep(Purpose.CLIENT, a_certificate(old_key), old_key)
    new_key = store.draft(WANTED).key
    rest = small_disk / "rest"
    with pytest.raises(OSError, match="No space left"):
        rest.write_bytes(bytes(1 << 20))

    with pytest.raises(StoreUnwritable) as caught:
        store.keep(Purpose.CLIENT, a_certificate(new_key), new_key)
    assert str(store.path(Purpose.CLIENT)) in str(caught.value)
    assert "No space left on device" in str(caught.value)
    assert caught.value.retryable
    held = store.held(Purpose.CLIENT)
    assert held is not None
    assert held.facts == old.facts
    assert sorted(path.name for path in (small_disk / "pki").iterdir()) == [
        "kubelet-client-current.pem",
        "kubelet-client-pending.key",
    ]

    rest.unlink()
    assert store.draft(WANTED).key == new_key
    assert store.keep(Purpose.CLIENT, a_certificate(new_key), new_key).facts != old.facts
