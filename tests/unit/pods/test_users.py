"""Whom containers run as."""

from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest

from krustlet.objects import Pod, PodSecurityContext, SecurityContext
from krustlet.pods.users import (
    UserRange,
    UserRefused,
    UserRules,
    Users,
    UsersExhausted,
    check_non_root,
    identity,
    owner,
)
from krustlet.provider import Identity
from tests.support.pods import a_container, a_pod

OWN = 1_879_048_192
FEW = UserRange(base=5000, size=3)


def a_user_for(root: Path, *uids: str, numbers: UserRange = FEW) -> list[int]:
    """One after the other, by a kubelet that has just been started."""
    users = Users(root, numbers)
    return [users.of(made(root, uid)) for uid in uids]


def made(root: Path, uid: str) -> str:
    (root / "pods" / uid).mkdir(parents=True, exist_ok=True)
    return uid


# numbers ----------------------------------------------------------------------------------------


def test_each_pod_has_the_smallest_number_that_is_free_and_keeps_it(tmp_path: Path) -> None:
    assert a_user_for(tmp_path, "a", "b", "a", "c", "b") == [5000, 5001, 5000, 5002, 5001]


def test_the_next_kubelet_knows_them(tmp_path: Path) -> None:
    a_user_for(tmp_path, "a", "b")
    assert a_user_for(tmp_path, "c", "b", "a") == [5002, 5001, 5000]


def test_a_number_is_given_anew_once_its_pod_is_gone(tmp_path: Path) -> None:
    users = Users(tmp_path, FEW)
    for uid in "abc":
        users.of(made(tmp_path, uid))
    users.free("b")
    assert users.of(made(tmp_path, "d")) == 5001


def test_too_many_pods_are_told_so_until_one_goes(tmp_path: Path) -> None:
    users = Users(tmp_path, FEW)
    for uid in "abc":
        users.of(made(tmp_path, uid))
    with pytest.raises(UsersExhausted, match="all 3 from 5000 on are taken") as raised:
        users.of(made(tmp_path, "d"))
    assert raised.value.reason == "FailedMount"
    assert raised.value.retryable
    users.free("a")
    assert users.of("d") == 5000


def test_what_cannot_be_written_down_is_not_given_away(tmp_path: Path) -> None:
    users = Users(tmp_path, FEW)
    with pytest.raises(FileNotFoundError):
        users.of("without-a-directory")
    assert users.of(made(tmp_path, "b")) == 5000


def test_a_pod_keeps_its_number_though_the_range_is_another_now(tmp_path: Path) -> None:
    a_user_for(tmp_path, "a")
    assert a_user_for(tmp_path, "a", "b", numbers=UserRange(base=6000, size=3)) == [5000, 6000]


def test_a_note_that_makes_no_sense_is_told_of_and_replaced(
    tmp_path: Path, logged: list[MutableMapping[str, Any]]
) -> None:
    made(tmp_path, "a")
    (tmp_path / "pods/a/user").write_text("nobody")
    assert a_user_for(tmp_path, "a") == [5000]
    assert [entry["event"] for entry in logged] == ["pod.user_unreadable"]
    assert (tmp_path / "pods/a/user").read_text() == "5000"


def test_the_note_is_nobody_elses_business(tmp_path: Path) -> None:
    a_user_for(tmp_path, "a")
    assert (tmp_path / "pods/a/user").stat().st_mode & 0o777 == 0o600


# wishes -----------------------------------------------------------------------------------------


def who(
    whole: PodSecurityContext | None = None,
    own: SecurityContext | None = None,
    *,
    rules: UserRules = UserRules(),  # noqa: B008 - a frozen value
) -> Identity:
    pod = a_pod(a_container(security_context=own), security_context=whole)
    return identity(pod, pod.spec.containers[0], own=OWN, rules=rules)


def test_who_wants_nothing_is_the_pods_own_user() -> None:
    assert who() == Identity(uid=OWN, gid=OWN)


@pytest.mark.parametrize(
    ("whole", "own", "expected"),
    [
        pytest.param(
            PodSecurityContext(run_as_user=1000), None, Identity(1000, OWN), id="the-pods-user"
        ),
        pytest.param(
            PodSecurityContext(run_as_user=1000, run_as_group=2000),
            SecurityContext(run_as_user=1001),
            Identity(1001, 2000),
            id="what-the-container-says-goes-first",
        ),
        pytest.param(
            PodSecurityContext(run_as_group=2000),
            SecurityContext(run_as_group=0),
            Identity(OWN, 0),
            id="nought-is-a-word-too",
        ),
        pytest.param(
            PodSecurityContext(fs_group=3000, supplemental_groups=(4000, 3000, 4001)),
            None,
            Identity(OWN, OWN, (3000, 4000, 4001)),
            id="the-group-of-the-files-then-the-others-each-once",
        ),
        pytest.param(
            PodSecurityContext(fs_group=OWN, run_as_user=OWN),
            None,
            Identity(OWN, OWN, (OWN,)),
            id="its-own-number-may-be-named",
        ),
        pytest.param(
            PodSecurityContext(run_as_non_root=True), None, Identity(OWN, OWN), id="never-root"
        ),
    ],
)
def test_wishes(whole: PodSecurityContext, own: SecurityContext | None, expected: Identity) -> None:
    assert who(whole, own) == expected


BREACH = (
    'container\'s runAsUser breaks non-root policy (pod: "web_shop(uid-of-web)", container: app)'
)


@pytest.mark.parametrize(
    ("whole", "own"),
    [
        pytest.param(
            PodSecurityContext(run_as_non_root=True, run_as_user=0), None, id="of-the-pod"
        ),
        pytest.param(
            PodSecurityContext(run_as_user=0),
            SecurityContext(run_as_non_root=True),
            id="said-by-the-container",
        ),
        pytest.param(
            PodSecurityContext(run_as_non_root=True, run_as_user=1000),
            SecurityContext(run_as_user=0),
            id="broken-by-the-container",
        ),
    ],
)
def test_a_pod_that_is_never_root_is_held_to_that_whoever_the_node_is(
    whole: PodSecurityContext, own: SecurityContext | None
) -> None:
    pod = a_pod(a_container(security_context=own), security_context=whole)
    with pytest.raises(UserRefused) as raised:
        check_non_root(pod, pod.spec.containers[0])
    assert raised.value.message == BREACH
    assert raised.value.reason == "CreateContainerConfigError"
    with pytest.raises(UserRefused, match="breaks non-root policy"):
        who(whole, own, rules=UserRules(root=True))


def test_a_container_may_take_back_that_it_is_never_root() -> None:
    whole = PodSecurityContext(run_as_non_root=True)
    root = SecurityContext(run_as_user=0, run_as_non_root=False)
    assert who(whole, root, rules=UserRules(root=True)) == Identity(0, OWN)


def test_root_needs_leave() -> None:
    with pytest.raises(UserRefused, match="runAsUser: 0 is root") as raised:
        who(PodSecurityContext(run_as_user=0))
    assert raised.value.reason == "CreateContainerConfigError"
    assert "--allow-root-containers" in raised.value.hint
    assert who(PodSecurityContext(run_as_user=0), rules=UserRules(root=True)).uid == 0


OTHERS = OWN + 1


@pytest.mark.parametrize(
    "whole",
    [
        pytest.param(PodSecurityContext(run_as_user=OTHERS), id="user"),
        pytest.param(PodSecurityContext(run_as_group=OTHERS), id="group"),
        pytest.param(PodSecurityContext(fs_group=OTHERS), id="group-of-files"),
        pytest.param(PodSecurityContext(supplemental_groups=(1, OTHERS)), id="further-group"),
    ],
)
def test_nobody_may_be_another_pod(whole: PodSecurityContext) -> None:
    with pytest.raises(UserRefused, match=f"{OTHERS} may be another pod's"):
        who(whole, rules=UserRules(root=True))


# volumes ----------------------------------------------------------------------------------------


def of_users(*users: int | None, whole: PodSecurityContext | None = None) -> Pod:
    return a_pod(
        *(
            a_container(f"c{i}", security_context=SecurityContext(run_as_user=user))
            for i, user in enumerate(users)
        ),
        security_context=whole,
    )


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        pytest.param(of_users(None), Identity(OWN, OWN), id="the-pods-own"),
        pytest.param(of_users(7, 7), Identity(7, OWN), id="whom-all-are"),
        pytest.param(of_users(7, 8), Identity(OWN, OWN), id="none-of-several"),
        pytest.param(of_users(7, None), Identity(OWN, OWN), id="not-that-of-one-only"),
        pytest.param(
            of_users(None, 7, whole=PodSecurityContext(run_as_user=7, run_as_group=9)),
            Identity(7, 9),
            id="whom-the-pod-says",
        ),
    ],
)
def test_volumes_belong_to_whoever_all_containers_are(pod: Pod, expected: Identity) -> None:
    assert owner(pod, own=OWN) == expected


def test_an_init_container_counts_when_it_comes_to_whose_volumes_they_are() -> None:
    as_seven = SecurityContext(run_as_user=7)
    pod = a_pod(a_container(security_context=as_seven), init=(a_container("first"),))
    assert owner(pod, own=OWN) == Identity(OWN, OWN)
