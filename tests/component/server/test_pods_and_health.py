"""Lists of pods, and the node's health."""

import msgspec
import pytest

from krustlet.server import Https, NodeServer
from tests.component.server.rig import HOST, NODE, Rig
from tests.support.pods import Story, a_container, a_pod


async def test_all_pods_are_listed_with_their_status(rig: Rig) -> None:
    running = rig.running("web").pod
    rig.show(Story(a_pod(name="db")))
    async with rig.serving(), rig.get("/pods", rig.admin) as answer:
        assert answer.headers["Content-Type"].startswith("application/json")
        listed = msgspec.json.decode(await answer.read())
    assert (listed["kind"], listed["apiVersion"]) == ("PodList", "v1")
    phases = {pod["metadata"]["name"]: pod["status"]["phase"] for pod in listed["items"]}
    assert phases == {"web": "Running", "db": "Pending"}
    web = next(pod for pod in listed["items"] if pod["metadata"]["name"] == "web")
    assert web["metadata"]["uid"] == running.uid
    assert web["spec"]["containers"][0]["image"] == "file:app.wasm"


@pytest.mark.parametrize("path", ["/pods", "/pods/", "/runningpods", "/runningpods/"])
async def test_no_pods_are_an_empty_list(rig: Rig, path: str) -> None:
    async with rig.serving():
        status, text = await rig.ask(path, rig.admin)
    assert (status, msgspec.json.decode(text)["items"]) == (200, [])


async def test_only_what_runs_is_listed_as_running(rig: Rig) -> None:
    rig.show(Story(a_pod(name="waits")))
    story = Story(a_pod(a_container("a"), a_container("b"), name="web", policy="Never"))
    story.runs("a", "b").exited("a", code=0)
    rig.show(story)
    async with rig.serving():
        _, text = await rig.ask("/runningpods/", rig.admin)
    [pod] = msgspec.json.decode(text)["items"]
    assert pod["metadata"] == {"name": "web", "namespace": "shop", "uid": "uid-of-web"}
    assert pod["spec"]["containers"] == [{"name": "b", "image": "file:b.wasm"}]


async def test_a_healthy_node_says_ok(rig: Rig) -> None:
    async with rig.serving():
        for path in ("/healthz", "/healthz/", "/healthz/ping", "/healthz/log"):
            assert await rig.ask(path, rig.admin) == (200, "ok")
        assert await rig.ask("/healthz?verbose", rig.admin) == (
            200,
            "[+]ping ok\n[+]log ok\nhealthz check passed\n",
        )
        assert (await rig.ask("/healthz/nonsense", rig.admin))[0] == 404


async def test_a_part_that_is_not_well_makes_the_node_unwell(rig: Rig) -> None:
    problem = ""
    server = NodeServer(
        rig.pods,
        root=rig.root,
        logs=rig.logs,
        https=Https(
            node=NODE,
            reviewer=rig.reviewer,
            address=HOST,
            port=0,
            hosts=(HOST,),
            client_ca=rig.authority.certificate,
        ),
        checks={"syncloop": lambda: problem},
    )
    async with server as rig.server:
        assert await rig.ask("/healthz", rig.admin) == (200, "ok")
        problem = "no sync for 3 minutes"
        assert await rig.ask("/healthz", rig.admin) == (
            500,
            "[+]ping ok\n[+]log ok\n[-]syncloop failed: reason withheld\nhealthz check failed\n",
        )
        assert await rig.ask("/healthz/syncloop", rig.admin) == (
            500,
            "internal server error: no sync for 3 minutes\n",
        )
        assert await rig.ask("/healthz?exclude=syncloop&exclude=x&verbose", rig.admin) == (
            200,
            "[+]ping ok\n[+]log ok\n[+]syncloop excluded: ok\n"
            'warn: some health checks cannot be excluded: no matches for "x"\n'
            "healthz check passed\n",
        )


async def test_a_bug_in_an_answer_stops_at_that_answer(
    rig: Rig, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> list[object]:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(rig.pods, "all", broken)
    async with rig.serving():
        assert await rig.ask("/pods", rig.admin) == (500, "Internal Server Error\n")
        assert await rig.ask("/healthz", rig.admin) == (200, "ok")
    assert "server.request_failed" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("/exec/default/web/app", "exec"),
        ("/attach/default/web/app", "attach"),
        ("/portForward/default/web", "port-forward"),
    ],
)
async def test_what_is_not_done_yet_is_said_in_words(rig: Rig, path: str, what: str) -> None:
    async with rig.serving():
        status, text = await rig.ask(path, rig.admin, method="POST")
        stranger, _ = await rig.ask(path, None, method="POST")
    assert (status, text) == (501, f"{what} is not supported by this Krustlet node yet\n")
    assert stranger == 401
