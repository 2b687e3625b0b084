"""Variables that come from elsewhere: what is asked for, what counts, and what is told if not."""

import asyncio
from typing import Any

import pytest

from krustlet.objects import (
    ConfigMapEnvSource,
    ConfigMapKeySelector,
    Container,
    EnvFromSource,
    EnvVar,
    EnvVarSource,
    FileKeySelector,
    NoCluster,
    ObjectFieldSelector,
    Pod,
    Quantity,
    ResourceFieldSelector,
    ResourceRequirements,
    SecretEnvSource,
    SecretKeySelector,
)
from krustlet.pods import HostAddress
from krustlet.pods.env import EnvError, UnsupportedEnv
from krustlet.pods.env_sources import resolve_environment
from tests.support.lookups import FakeLookups, a_config_map, a_secret
from tests.support.pods import a_container, a_pod
from tests.support.virtual_time import in_virtual_time

NODE = {"cpu": Quantity("2"), "memory": Quantity("4Gi")}
SETTINGS = a_config_map("settings", colour="red", size="L", picture=b"\0")
LOGIN = a_secret("login", user=b"me", password="pä$$(user)".encode(), raw=b"\xff\0")


def a_cluster() -> FakeLookups:
    return FakeLookups({"settings": SETTINGS}, {"login": LOGIN})


def var(name: str, **source: Any) -> EnvVar:
    return EnvVar(name=name, value_from=EnvVarSource(**source))


def of_config_map(name: str, key: str, *, optional: bool | None = None) -> dict[str, Any]:
    return {"config_map_key_ref": ConfigMapKeySelector(name=name, key=key, optional=optional)}


def of_secret(name: str, key: str, *, optional: bool | None = None) -> dict[str, Any]:
    return {"secret_key_ref": SecretKeySelector(name=name, key=key, optional=optional)}


def of_field(path: str) -> dict[str, Any]:
    return {"field_ref": ObjectFieldSelector(field_path=path)}


def all_of_config_map(
    name: str, *, prefix: str = "", optional: bool | None = None
) -> EnvFromSource:
    return EnvFromSource(
        prefix=prefix, config_map_ref=ConfigMapEnvSource(name=name, optional=optional)
    )


def all_of_secret(name: str, *, prefix: str = "", optional: bool | None = None) -> EnvFromSource:
    return EnvFromSource(prefix=prefix, secret_ref=SecretEnvSource(name=name, optional=optional))


async def resolved(container: Container, lookups: FakeLookups, **given: Any) -> dict[str, str]:
    pod = given.pop("pod", None) or a_pod(container)
    address = given.pop("address", HostAddress("10.0.0.7"))
    return dict(
        await resolve_environment(
            pod, container, address=address, lookups=lookups, allocatable=NODE, **given
        )
    )


@in_virtual_time
async def test_variables_come_from_everywhere() -> None:
    container = a_container(
        env_from=(all_of_config_map("settings"), all_of_secret("login", prefix="DB_")),
        env=(
            EnvVar(name="PLAIN", value="$(colour)-$(DB_user)-$(none)"),
            var("KEY", **of_config_map("settings", "size")),
            var("PASSWORD", **of_secret("login", "password")),
            var("NAME", **of_field("metadata.name")),
            var("NODE_IP", **of_field("status.hostIP")),
            var("POD_IPS", **of_field("status.podIPs")),
            var("CPUS", resource_field_ref=ResourceFieldSelector(resource="limits.cpu")),
            EnvVar(name="colour", value="not $(colour)"),
            EnvVar(name="EMPTY"),
        ),
    )
    lookups = a_cluster()
    lookups.secrets["login"] = a_secret("login", user=b"me", password=b"$(user)$$")
    assert await resolved(container, lookups) == {
        "colour": "not red",
        "size": "L",
        "DB_user": "me",
        "DB_password": "$(user)$$",  # a value is not looked into
        "PLAIN": "red-me-$(none)",
        "KEY": "L",
        "PASSWORD": "$(user)$$",
        "NAME": "web",
        "NODE_IP": "10.0.0.7",
        "POD_IPS": "10.0.0.7",
        "CPUS": "2",
        "EMPTY": "",
    }


@in_virtual_time
async def test_each_object_is_asked_for_once_and_all_at_the_same_time() -> None:
    container = a_container(
        env_from=(all_of_config_map("settings"), all_of_config_map("settings", prefix="P_")),
        env=(
            var("A", **of_config_map("settings", "size")),
            var("B", **of_config_map("none", "x", optional=True)),
            var("C", **of_secret("login", "user")),
            var("D", **of_secret("login", "user")),
        ),
    )
    lookups = a_cluster()
    lookups.takes_s = 1
    await resolved(container, lookups)
    assert lookups.asked == [
        "configmap shop/none",
        "configmap shop/settings",
        "secret shop/login",
    ]
    assert asyncio.get_running_loop().time() == 1


@in_virtual_time
async def test_a_container_that_refers_to_nothing_asks_nothing() -> None:
    container = a_container(
        env=(EnvVar(name="A", value="a"), var("UID", **of_field("metadata.uid")))
    )
    lookups = a_cluster()
    assert await resolved(container, lookups) == {"A": "a", "UID": "uid-of-web"}
    assert lookups.asked == []


@in_virtual_time
async def test_services_fill_in_what_is_still_unset() -> None:
    container = a_container(
        env=(
            EnvVar(name="URL", value="http://$(DB_SERVICE_HOST):$(DB_SERVICE_PORT)"),
            EnvVar(name="DB_SERVICE_PORT", value="1"),
            EnvVar(name="LATER", value="$(DB_SERVICE_PORT)"),
        )
    )
    services = {"DB_SERVICE_HOST": "10.9.9.9", "DB_SERVICE_PORT": "5432"}
    assert await resolved(container, a_cluster(), services=services) == {
        "DB_SERVICE_HOST": "10.9.9.9",
        "URL": "http://10.9.9.9:5432",
        "DB_SERVICE_PORT": "1",
        "LATER": "1",
    }


@in_virtual_time
async def test_what_is_optional_may_be_missing() -> None:
    container = a_container(
        env_from=(
            all_of_config_map("none", optional=True),
            all_of_secret("none", optional=True),
        ),
        env=(
            EnvVar(name="A", value="before"),
            var("A", **of_config_map("none", "x", optional=True)),
            var("B", **of_config_map("settings", "none", optional=True)),
            var("C", **of_secret("none", "x", optional=True)),
            var("D", **of_secret("login", "none", optional=True)),
        ),
    )
    assert await resolved(container, a_cluster()) == {"A": "before"}


@pytest.mark.parametrize(
    ("container", "told"),
    [
        pytest.param(
            a_container(env_from=(all_of_config_map("none"),)),
            'configmap "none" not found',
            id="a-whole-config-map",
        ),
        pytest.param(
            a_container(env_from=(all_of_secret("none"),)),
            'secret "none" not found',
            id="a-whole-secret",
        ),
        pytest.param(
            a_container(
                env_from=(all_of_secret("none", optional=True),),
                env=(var("A", **of_secret("none", "x")),),
            ),
            'secret "none" not found',
            id="optional-in-one-place-only",
        ),
        pytest.param(
            a_container(env=(var("A", **of_config_map("settings", "k")),)),
            "couldn't find key k in ConfigMap shop/settings",
            id="a-key-of-a-config-map",
        ),
        pytest.param(
            a_container(env=(var("A", **of_config_map("settings", "picture")),)),
            "couldn't find key picture in ConfigMap shop/settings",
            id="what-is-binary-is-no-variable",
        ),
        pytest.param(
            a_container(env=(var("A", **of_secret("login", "k")),)),
            "couldn't find key k in Secret shop/login",
            id="a-key-of-a-secret",
        ),
        pytest.param(
            a_container(env=(var("A", **of_field("spec.containers")),)),
            "unsupported fieldPath: spec.containers",
            id="a-field-that-is-none",
        ),
        pytest.param(
            a_container(
                env=(
                    var(
                        "A",
                        resource_field_ref=ResourceFieldSelector(
                            container_name="other", resource="limits.cpu"
                        ),
                    ),
                )
            ),
            "container other not found",
            id="a-container-that-is-none",
        ),
    ],
)
@in_virtual_time
async def test_what_is_missing_is_told_in_the_kubelets_words(
    container: Container, told: str
) -> None:
    with pytest.raises(EnvError) as refused:
        await resolved(container, a_cluster())
    assert refused.value.message == told
    assert refused.value.reason == "CreateContainerConfigError"
    assert refused.value.hint


@in_virtual_time
async def test_the_first_that_is_missing_is_told_as_the_kubelet_meets_it() -> None:
    container = a_container(
        env_from=(all_of_secret("z"),), env=(var("A", **of_config_map("a", "k")),)
    )
    with pytest.raises(EnvError, match='secret "z" not found'):
        await resolved(container, FakeLookups())


@in_virtual_time
async def test_a_server_that_is_away_does_not_make_an_object_missing() -> None:
    lookups = a_cluster()
    lookups.unavailable = True
    container = a_container(env_from=(all_of_config_map("settings", optional=True),))
    with pytest.raises(EnvError, match="the API server is away"):
        await resolved(container, lookups)


@pytest.mark.parametrize(
    "container",
    [
        a_container(env_from=(all_of_secret("login"),)),
        a_container(env=(var("A", **of_secret("login", "raw")),)),
    ],
)
@in_virtual_time
async def test_bytes_that_are_no_text_are_refused_and_not_told(container: Container) -> None:
    with pytest.raises(EnvError) as refused:
        await resolved(container, a_cluster())
    assert refused.value.message == "key raw in Secret shop/login is not UTF-8"
    shown = [repr(refused.value), repr(refused.value.__cause__), repr(refused.value.__context__)]
    assert "xff" not in " ".join(shown)


@in_virtual_time
async def test_what_cannot_be_asked_yet_is_refused_by_name() -> None:
    container = a_container(env=(var("A", file_key_ref=FileKeySelector(volume_name="v", key="k")),))
    with pytest.raises(UnsupportedEnv, match="variable 'A' comes from valueFrom fileKeyRef"):
        await resolved(container, a_cluster())


async def test_without_a_cluster_it_is_said_that_one_is_needed() -> None:
    container = a_container(env_from=(all_of_config_map("settings"),))
    with pytest.raises(EnvError, match="there is no cluster to ask") as refused:
        await resolve_environment(
            a_pod(container),
            container,
            address=HostAddress(),
            lookups=NoCluster(),
            allocatable={},
        )
    assert "env:" in refused.value.hint


@in_virtual_time
async def test_an_address_that_nobody_knows_is_no_empty_variable() -> None:
    container = a_container(env=(var("IP", **of_field("status.podIP")),))
    with pytest.raises(EnvError, match=r"status\.podIP is not known here"):
        await resolved(container, a_cluster(), address=HostAddress())


@pytest.mark.parametrize(
    ("pod", "value"),
    [
        pytest.param(
            a_pod(
                a_container("app"),
                a_container(
                    "other", resources=ResourceRequirements(limits={"cpu": Quantity("500m")})
                ),
            ),
            "500",
            id="another-containers-limit",
        ),
        pytest.param(
            a_pod(
                a_container("app"),
                a_container("other"),
                resources=ResourceRequirements(limits={"cpu": Quantity("1")}),
            ),
            "1000",
            id="the-pods-own-limit",
        ),
        pytest.param(
            a_pod(a_container("app"), a_container("other")), "2000", id="what-the-node-has"
        ),
    ],
)
@in_virtual_time
async def test_a_limit_that_is_not_set_is_the_next_wider_one(pod: Pod, value: str) -> None:
    selector = ResourceFieldSelector(
        container_name="other", resource="limits.cpu", divisor=Quantity("1m")
    )
    container = a_container("app", env=(var("CPU", resource_field_ref=selector),))
    assert await resolved(container, a_cluster(), pod=pod) == {"CPU": value}
