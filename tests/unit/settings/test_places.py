"""Files that nobody has named."""

from pathlib import Path

import pytest

from krustlet.settings import (
    KeyExposed,
    KeyUnreadable,
    KubeconfigMissing,
    credentials,
    default_certificate,
    places,
    refuse_exposed_key,
)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory in a home that has nothing else."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(places, "_SYSTEM_BOOTSTRAP", tmp_path / "etc" / "bootstrap.conf")
    data = tmp_path / "data"
    (data / "config").mkdir(parents=True)
    return data


def made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    return path


def test_who_names_a_bootstrap_file_never_gets_somebody_s_own_credentials(data: Path) -> None:
    made(data.parent / "home" / ".kube" / "config")
    boot = Path("boot.conf")
    own = data / "config" / "kubeconfig"
    assert credentials(data, kubeconfig=None, bootstrap_file=boot) == (own, boot)
    named = Path("node.conf")
    assert credentials(data, kubeconfig=named, bootstrap_file=boot) == (named, boot)


def test_a_kubeconfig_that_is_there_is_used_as_it_is(data: Path) -> None:
    made(data / "config" / "bootstrap.conf")
    named = made(data.parent / "node.conf")
    assert credentials(data, kubeconfig=named, bootstrap_file=None) == (named, None)


def test_one_that_is_not_is_bootstrapped_with_what_is_found(data: Path) -> None:
    named = Path("/nowhere/node.conf")
    assert credentials(data, kubeconfig=named, bootstrap_file=None) == (named, None)
    found = made(data.parent / "etc" / "bootstrap.conf")
    assert credentials(data, kubeconfig=named, bootstrap_file=None) == (named, found)


def test_without_either_the_node_s_own_comes_first_then_the_user_s_then_a_bootstrap(
    data: Path,
) -> None:
    def found() -> tuple[Path, Path | None]:
        return credentials(data, kubeconfig=None, bootstrap_file=None)

    own = data / "config" / "kubeconfig"
    with pytest.raises(KubeconfigMissing) as missing:
        found()
    assert "krustlet bootstrap" in missing.value.hint
    boot = made(data / "config" / "bootstrap.conf")
    assert found() == (own, boot)
    personal = made(data.parent / "home" / ".kube" / "config")
    assert found() == (personal, None)
    made(own)
    assert found() == (own, boot)


def test_certificate_and_key_are_found_together_or_not_at_all(data: Path) -> None:
    certificate = made(data / "config" / "krustlet.crt")
    assert default_certificate(data) is None
    key = made(data / "config" / "krustlet.key")
    assert default_certificate(data) == (certificate, key)


def test_a_key_is_its_owner_s_alone(data: Path) -> None:
    key = made(data / "a.key")
    refuse_exposed_key(key)
    for mode in (0o640, 0o604, 0o644):
        key.chmod(mode)
        with pytest.raises(KeyExposed, match=f"mode {mode:04o}") as exposed:
            refuse_exposed_key(key)
        assert f"chmod 600 {key}" in exposed.value.hint
    with pytest.raises(KeyUnreadable, match="No such file"):
        refuse_exposed_key(data / "no.key")
