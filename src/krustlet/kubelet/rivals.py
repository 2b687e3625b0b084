"""One kubelet to a Node: see at the start whether another one is this node already.

Two of them would fight over its pods, each starting what the other stops. Leaves noticing one that
comes later to the room `node`.
"""

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final, Protocol, TypeVar

import structlog

from krustlet.base import (
    Backoff,
    Clock,
    DirectoryInUse,
    Instant,
    KrustletError,
    make_private_directory,
    only_user_of,
)
from krustlet.kube import ApiError, Forbidden, NotFound
from krustlet.objects import Lease, Node, TimestampError, from_rfc3339

_LIVES_FOR_S: Final = 40.0  # after a renewal, unless its lease says that it is for longer
_RENEWALS: Final = 4  # within that time
_PATIENCE: Final = 1.25  # of the time between two renewals: they vary, and an answer takes a while
_LOOK_EVERY_S: Final = 1.0
_REQUEST_LIMIT_S: Final = 20.0
_RETRIES: Final = Backoff(initial_s=0.2, max_s=7.0)
_DIGEST_LENGTH: Final = 12
_SHOWN: Final = 200  # of a name; the digest tells those apart that are longer

log = structlog.get_logger(__name__)

T = TypeVar("T")


class NameTaken(KrustletError):
    """Another kubelet that is alive is the node of this name."""


class Nodes(Protocol):
    """Of a `NodeApi`, what is needed here."""

    async def get(self) -> Node: ...


class Leases(Protocol):
    """Of a `LeaseApi`, what is needed here."""

    async def get(self) -> Lease: ...


# on other machines ------------------------------------------------------------------------------


async def refuse_rival(
    nodes: Nodes, leases: Leases, *, machine_id: str, name: str, clock: Clock
) -> None:
    """No other machine is the node `name`, as far as can be known; tries for as long as it takes.

    What says that another one is: its machine ID on the Node, and a lease that was renewed a moment
    ago. As no two clocks agree, a lease that looks old, or from the future, is watched for as long
    as it takes to be renewed; unless the cluster itself has given that node up for lost.

    Args:
        machine_id: of this machine; without one, nothing can be told apart.

    Raises:
        NameTaken: another machine is.
    """
    try:
        node = await _asked(nodes.get)
        if node is None or not machine_id or _machine_id(node) in ("", machine_id):
            return
        is_alive = await _is_alive(node, leases, clock)
    except Forbidden as exc:
        log.warning("node.rivals_unknown", node=name, reason=exc.message, hint=exc.hint)
        return
    if is_alive:
        raise NameTaken(
            f"{_whereabouts(node)} is node {name} already, and alive",
            hint="choose another --node-name; or stop that one, and let an administrator run: "
            f"kubectl delete node {name}",
        )
    log.info("node.replaces_another", node=name, machine_id_before=_machine_id(node))


async def _is_alive(node: Node, leases: Leases, clock: Clock) -> bool:
    lease = await _asked(leases.get)
    if lease is None or (renewed_at := _renewed_at(lease)) is None:
        return False
    lives_for_s = max(lease.spec.lease_duration_seconds or 0, _LIVES_FOR_S)
    if 0 <= clock.now() - renewed_at < lives_for_s:
        return True
    if _is_given_up(node):
        return False
    watch_s = lives_for_s / _RENEWALS * _PATIENCE
    log.info("node.looks_for_rival", rival=_whereabouts(node), for_s=watch_s)
    return await _is_renewed_within(watch_s, lease, leases)


async def _is_renewed_within(limit_s: float, lease: Lease, leases: Leases) -> bool:
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + limit_s
    while loop.time() < ends_at:
        await asyncio.sleep(_LOOK_EVERY_S)
        later = await _asked(leases.get)
        if later is None or later.spec.renew_time != lease.spec.renew_time:
            return later is not None
    return False


async def _asked(get: Callable[[], Awaitable[T]]) -> T | None:
    """The object, or None where there is none; a server that is away is waited for.

    Raises:
        Forbidden: it is not for us to know.
    """
    failures = 0
    while True:
        try:
            async with asyncio.timeout(_REQUEST_LIMIT_S):
                return await get()
        except NotFound:
            return None
        except Forbidden:
            raise
        except (ApiError, TimeoutError) as exc:
            failures += 1
            if failures == 1:
                reason = str(exc) or "no answer in time"
                log.warning("node.waits_for_api_server", reason=reason)
            await asyncio.sleep(_RETRIES.wait_s(failures + 1))


def _machine_id(node: Node) -> str:
    return node.status.node_info.machine_id if node.status.node_info is not None else ""


def _whereabouts(node: Node) -> str:
    ips = [one.address for one in node.status.addresses if one.type == "InternalIP"]
    where = f" at {', '.join(ips)}" if ips else ""
    return f"another machine{where} (machine ID {_machine_id(node)})"


def _renewed_at(lease: Lease) -> Instant | None:
    try:
        return from_rfc3339(lease.spec.renew_time or "")
    except TimestampError:
        return None  # nobody has ever renewed it


def _is_given_up(node: Node) -> bool:
    """Whether the cluster says so. It counts by its own clock, from renewal to renewal."""
    return any(one.type == "Ready" and one.status == "Unknown" for one in node.status.conditions)


# on this machine --------------------------------------------------------------------------------


@contextmanager
def only_node_called(name: str, *, server: str, directory: Path | None = None) -> Iterator[None]:
    """No other kubelet of this machine's user is the node `name` of `server` during the block.

    Whatever its data directory is. One that reaches the same cluster by another URL is not found.

    Args:
        directory: for what does not outlive the machine's boot; found out if it is not given.

    Raises:
        NameTaken: another one is.
    """
    directory = directory or _runtime_directory()
    if directory is None:
        yield  # nothing here is private and forgotten after a boot
        return
    who = f"{name}@{server.rstrip('/').lower()}"
    digest = hashlib.sha256(who.encode()).hexdigest()[:_DIGEST_LENGTH]
    place = directory / "krustlet" / f"{name[:_SHOWN]}@{digest}"
    with ExitStack() as stack:
        try:
            stack.enter_context(_held(place))
        except OSError as exc:
            log.warning("node.rivals_unknown", node=name, reason=f"{exc.filename}: {exc.strerror}")
        except DirectoryInUse as exc:
            raise NameTaken(
                f"another krustlet on this machine is node {name} already",
                hint="end that one, or choose another --node-name",
            ) from exc
        yield


@contextmanager
def _held(place: Path) -> Iterator[None]:
    """The directory is ours, and gone afterwards.

    Raises:
        DirectoryInUse: it is another's.
        OSError: it cannot be made.
    """
    while True:
        with only_user_of(make_private_directory(place)) as descriptor:
            if not _is_at(place, descriptor):
                continue  # who had it has just removed it, so another one may be made
            try:
                yield
            finally:
                with suppress(OSError):
                    place.rmdir()
            return


def _is_at(place: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(place.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _runtime_directory() -> Path | None:
    if os.geteuid() == 0:
        return Path("/run")
    named = os.environ.get("XDG_RUNTIME_DIR", "")
    return Path(named) if named else None
