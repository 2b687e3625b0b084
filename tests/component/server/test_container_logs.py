"""Logs over HTTPS: what is asked for, what is refused, and in which words."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import msgspec
import pytest

from krustlet.objects import ContainerState, ContainerStateWaiting, Pod
from krustlet.process.loglines import timestamp
from tests.component.server.rig import Rig, with_status
from tests.support.pods import Story, a_container, a_pod

STAMP = "2023-11-14T22:13:20.000000001Z"
WEB = "/containerLogs/shop/web/app"


async def test_all_that_was_printed(rig: Rig) -> None:
    rig.prints(rig.running().pod, "one", "two")
    async with rig.serving(), rig.get(WEB, rig.admin) as answer:
        assert answer.status == HTTPStatus.OK
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert answer.headers["Transfer-Encoding"] == "chunked"
        assert await answer.text() == "one\ntwo\n"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "one\ntwo\nthree\n"),
        ("tailLines=2", "two\nthree\n"),
        ("tailLines=0", ""),
        ("tailLines=100", "one\ntwo\nthree\n"),
        ("tail=1", "three\n"),
        ("tail=all&tailLines=1", "one\ntwo\nthree\n"),
        ("tail=1&tailLines=x", "three\n"),
        ("limitBytes=5", "one\nt"),
        ("limitBytes=4", "one\n"),
        ("limitBytes=1000", "one\ntwo\nthree\n"),
        ("timestamps=true&tailLines=1", f"{STAMP} three\n"),
        ("timestamps=1&limitBytes=33", f"{STAMP} on"),
        ("timestamps=false&tailLines=1", "three\n"),
        ("timestamps=0&tailLines=1", "three\n"),
        ("timestamps=&tailLines=1", f"{STAMP} three\n"),
        ("sinceTime=2023-11-14T22:13:20Z", "one\ntwo\nthree\n"),
        ("sinceTime=2023-11-14T22:13:20.000000002Z", ""),
        ("sinceTime=2023-11-15T01:13:20%2B03:00", "one\ntwo\nthree\n"),
        ("sinceTime=", "one\ntwo\nthree\n"),
        ("sinceSeconds=60", ""),
        ("sinceSeconds=9223372036854775807", "one\ntwo\nthree\n"),
        ("stream=Stdout", "one\nthree\n"),
        ("stream=Stderr", "two\n"),
        ("stream=All", "one\ntwo\nthree\n"),
        ("follow=false&previous=false&insecureSkipTLSVerifyBackend=true", "one\ntwo\nthree\n"),
    ],
)
async def test_parts_of_it(rig: Rig, query: str, expected: str) -> None:
    pod = rig.running().pod
    rig.prints(pod, "one")
    rig.prints(pod, "two", stream="stderr")
    rig.prints(pod, "three")
    async with rig.serving():
        assert await rig.ask(f"{WEB}?{query}", rig.admin) == (HTTPStatus.OK, expected)


async def test_only_the_last_seconds(rig: Rig) -> None:
    pod = rig.running().pod
    now = datetime.now(UTC)
    with rig.log(pod).open("wb") as file:
        for age_s in (3600, 30):
            at_ns = int((now - timedelta(seconds=age_s)).timestamp()) * 10**9
            file.write(timestamp(at_ns) + b" stdout F %d s ago\n" % age_s)
    async with rig.serving():
        assert await rig.ask(f"{WEB}?sinceSeconds=60", rig.admin) == (200, "30 s ago\n")


@pytest.mark.parametrize(
    "query",
    [
        "tailLines=x",
        "tailLines=",
        "tailLines=1_0",
        "tailLines=9223372036854775808",
        "limitBytes=1.5",
        "sinceSeconds=1m",
        "sinceTime=yesterday",
        "sinceTime=2023-13-01T00:00:00Z",
    ],
)
async def test_what_cannot_be_read_is_a_bad_request(rig: Rig, query: str) -> None:
    rig.running()
    async with rig.serving():
        refused = (HTTPStatus.BAD_REQUEST, '{"message": "Unable to decode query."}')
        assert await rig.ask(f"{WEB}?{query}", rig.admin) == refused


@pytest.mark.parametrize(
    "query",
    [
        "tailLines=-1",
        "limitBytes=0",
        "limitBytes=-1",
        "sinceSeconds=0",
        "sinceSeconds=-5",
        "sinceSeconds=1&sinceTime=2023-11-14T22:13:20Z",
        "stream=stdin",
        "stream=",
        "stream=Stdout&tailLines=1",
    ],
)
async def test_what_makes_no_sense_is_not_processed(rig: Rig, query: str) -> None:
    async with rig.serving():
        refused = (HTTPStatus.UNPROCESSABLE_ENTITY, '{"message": "Invalid request."}')
        assert await rig.ask(f"{WEB}?{query}", rig.admin) == refused


async def test_a_pod_that_is_not_here(rig: Rig) -> None:
    rig.running()
    async with rig.serving():
        assert await rig.ask("/containerLogs/shop/wbe/app", rig.admin) == (
            HTTPStatus.NOT_FOUND,
            'pod "wbe" does not exist',
        )
        assert (await rig.ask("/containerLogs/other/web/app", rig.admin))[0] == 404


async def test_a_container_that_the_pod_has_not(rig: Rig) -> None:
    rig.running()
    async with rig.serving():
        assert await rig.ask("/containerLogs/shop/web/ap%22p", rig.admin) == (
            HTTPStatus.NOT_FOUND,
            'container "ap\\"p" not found in pod "web"',
        )


async def test_init_containers_have_logs_too(rig: Rig) -> None:
    story = Story(a_pod(init=(a_container("setup"),))).runs("setup")
    rig.prints(rig.show(story), "preparing", container="setup")
    async with rig.serving():
        assert await rig.ask("/containerLogs/shop/web/setup", rig.admin) == (200, "preparing\n")
        assert await rig.ask(WEB, rig.admin) == (
            HTTPStatus.BAD_REQUEST,
            'container "app" in pod "web" is waiting to start: PodInitializing',
        )


# runs ---------------------------------------------------------------------------------------------


def creating(story: Story) -> None:
    pass


def failing_to_pull(story: Story) -> None:
    story.mounted()
    story.failed(reason="ErrImagePull")


@pytest.mark.parametrize(
    ("happens", "why"),
    [(creating, "ContainerCreating"), (failing_to_pull, "image can't be pulled")],
)
async def test_a_container_that_has_not_run_says_why(
    rig: Rig, happens: Callable[[Story], None], why: str
) -> None:
    story = Story(a_pod())
    happens(story)
    rig.show(story)
    async with rig.serving():
        assert await rig.ask(WEB, rig.admin) == (
            HTTPStatus.BAD_REQUEST,
            f'container "app" in pod "web" is waiting to start: {why}',
        )
        assert await rig.ask(f"{WEB}?previous=true", rig.admin) == (
            HTTPStatus.BAD_REQUEST,
            'previous terminated container "app" in pod "web" not found',
        )


async def test_backing_off_a_pull_is_told_in_the_kubelets_words(rig: Rig) -> None:
    story = Story(a_pod()).runs()
    waiting = ContainerState(waiting=ContainerStateWaiting(reason="ImagePullBackOff"))
    pod = rig.show(story)
    rig.pods.put(pod, with_status(pod, state=waiting))
    async with rig.serving():
        _, text = await rig.ask(WEB, rig.admin)
    assert text.endswith("is waiting to start: trying and failing to pull image")


async def test_a_container_without_a_status_is_not_available(rig: Rig) -> None:
    pod = rig.running().pod
    rig.pods.put(pod, msgspec.structs.replace(pod.status, container_statuses=()))
    async with rig.serving():
        assert await rig.ask(WEB, rig.admin) == (
            HTTPStatus.BAD_REQUEST,
            'container "app" in pod "web" is not available',
        )


async def test_each_run_has_its_own_log(rig: Rig) -> None:
    """What is shown, and what was before, at each step of a container's life."""
    story = Story(a_pod()).runs()
    pod = rig.show(story)
    for restart in range(3):
        rig.prints(pod, f"run {restart}", restart=restart)

    async def shown() -> tuple[str, str]:
        rig.show(story)
        now = (await rig.ask(WEB, rig.admin))[1]
        before = (await rig.ask(f"{WEB}?previous=true", rig.admin))[1]
        return now.strip(), before.strip()

    none = 'previous terminated container "app" in pod "web" not found'
    async with rig.serving():
        assert await shown() == ("run 0", none)
        story.exited(code=1)  # and at once, the first restart begins
        assert await shown() == ("run 0", none)
        story.started()
        assert await shown() == ("run 1", "run 0")
        story.exited(code=1)
        assert await shown() == ("run 1", "run 0")
        story.wait(2)
        assert story.status().state.waiting is not None  # CrashLoopBackOff
        assert await shown() == ("run 1", "run 1")  # as the kubelet: the last one that ended
        story.until_started()
        assert (await shown())[0] == "run 1"
        story.started()
        assert await shown() == ("run 2", "run 1")
        story.deleted(grace_s=0)
        story.exited(code=137)
        assert await shown() == ("run 2", "run 1")


async def test_a_log_that_is_gone_is_told_so(rig: Rig) -> None:
    story = rig.running(policy="Never")
    story.exited(code=0)
    rig.show(story)
    async with rig.serving():
        status, text = await rig.ask(WEB, rig.admin)
    assert status == HTTPStatus.BAD_REQUEST
    assert text.startswith("unable to retrieve container logs for krustlet://")


async def test_a_container_that_has_just_started_has_an_empty_log(rig: Rig) -> None:
    rig.running()
    async with rig.serving():
        assert await rig.ask(WEB, rig.admin) == (HTTPStatus.OK, "")


async def test_a_log_that_cannot_be_read_is_not_taken_for_the_whole(rig: Rig) -> None:
    pod: Pod = rig.running().pod
    rig.log(pod).mkdir()
    async with rig.serving():
        with pytest.raises(Exception, match=r"payload is not completed|Server disconnected|reset"):
            await rig.ask(WEB, rig.admin)
        assert (await rig.ask("/healthz", rig.admin))[0] == HTTPStatus.OK
