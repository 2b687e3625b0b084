"""Which files a source stands for, in the kubelet's words where it stands for none."""

import pytest

from krustlet.objects import (
    ConfigMap,
    DownwardAPIVolumeFile,
    FieldUnknown,
    KeyToPath,
    ObjectFieldSelector,
    Pod,
    PodSecurityContext,
    Quantity,
    ResourceFieldSelector,
    Secret,
    SecurityContext,
)
from krustlet.volumes import KeyMissing, payload
from krustlet.volumes.atomic_writer import File
from tests.support.pods import a_container, a_pod

SETTINGS = ConfigMap(data={"a": "A", "b": "é"}, binary_data={"c": b"\0\xff"})
LOGIN = Secret(data={"user": b"me", "password": b"s3cret"})


def test_without_items_every_key_is_a_file() -> None:
    assert payload.of_config_map(SETTINGS, (), default_mode=0o644, optional=False) == {
        "a": File(b"A", 0o644),
        "b": File("é".encode(), 0o644),
        "c": File(b"\0\xff", 0o644),
    }
    assert payload.of_secret(LOGIN, (), default_mode=0o400, optional=False) == {
        "user": File(b"me", 0o400),
        "password": File(b"s3cret", 0o400),
    }


def test_items_pick_keys_and_say_where_they_go() -> None:
    items = (
        KeyToPath(key="c", path="deep/er"),
        KeyToPath(key="a", path="first", mode=0o600),
        KeyToPath(key="a", path="second", mode=0),
    )
    assert payload.of_config_map(SETTINGS, items, default_mode=0o444, optional=False) == {
        "deep/er": File(b"\0\xff", 0o444),
        "first": File(b"A", 0o600),
        "second": File(b"A", 0),
    }


def test_a_key_that_is_missing_is_named_in_the_kubelets_words() -> None:
    items = (KeyToPath(key="a", path="a"), KeyToPath(key="k", path="k"))
    with pytest.raises(KeyMissing) as refused:
        payload.of_config_map(SETTINGS, items, default_mode=0o644, optional=False)
    assert refused.value.message == "configmap references non-existent config key: k"
    assert refused.value.hint == "it has a, b, c"
    with pytest.raises(KeyMissing) as refused:
        payload.of_secret(Secret(), items, default_mode=0o644, optional=False)
    assert refused.value.message == "references non-existent secret key: a"
    assert refused.value.hint == "it has no keys"


def test_a_key_that_may_be_missing_is_left_out() -> None:
    items = (KeyToPath(key="user", path="u"), KeyToPath(key="k", path="k"))
    assert payload.of_secret(LOGIN, items, default_mode=0o644, optional=True) == {
        "u": File(b"me", 0o644)
    }


def test_a_pod_is_told_of_itself() -> None:
    pod = a_pod(a_container("app"), node_name="n1")
    items = (
        DownwardAPIVolumeFile(
            path="name", field_ref=ObjectFieldSelector(field_path="metadata.name")
        ),
        DownwardAPIVolumeFile(
            path="cpus",
            mode=0o600,
            resource_field_ref=ResourceFieldSelector(container_name="app", resource="limits.cpu"),
        ),
    )
    node = {"cpu": Quantity("2")}
    assert payload.of_pod(pod, items, node, default_mode=0o644) == {
        "name": File(b"web", 0o644),
        "cpus": File(b"2", 0o600),
    }


def test_a_pod_is_not_told_in_files_where_it_is() -> None:
    item = DownwardAPIVolumeFile(
        path="ip", field_ref=ObjectFieldSelector(field_path="status.podIP")
    )
    with pytest.raises(FieldUnknown):
        payload.of_pod(a_pod(), (item,), {}, default_mode=0o644)


def as_user(user: int | None) -> SecurityContext:
    return SecurityContext(run_as_user=user)


@pytest.mark.parametrize(
    ("pod", "mode"),
    [
        pytest.param(a_pod(), 0o644, id="nobody-says"),
        pytest.param(a_pod(security_context=PodSecurityContext(fs_group=0)), 0o600, id="a-group"),
        pytest.param(
            a_pod(security_context=PodSecurityContext(run_as_user=1000)), 0o600, id="one-user"
        ),
        pytest.param(
            a_pod(
                a_container("a", security_context=as_user(7)),
                a_container("b", security_context=as_user(None)),
                security_context=PodSecurityContext(run_as_user=7),
            ),
            0o600,
            id="one-user-said-twice",
        ),
        pytest.param(
            a_pod(
                a_container("a", security_context=as_user(7)),
                a_container("b", security_context=as_user(8)),
            ),
            0o644,
            id="two-users",
        ),
        pytest.param(
            a_pod(a_container("a", security_context=as_user(7)), a_container("b")),
            0o644,
            id="one-does-not-say",
        ),
        pytest.param(
            a_pod(
                a_container("a", security_context=as_user(7)),
                init=(a_container("first", security_context=as_user(0)),),
            ),
            0o644,
            id="an-init-container-is-another",
        ),
    ],
)
def test_a_token_is_its_owners_where_all_are_one_user(pod: Pod, mode: int) -> None:
    assert payload.token_mode(pod, 0o644) == mode
