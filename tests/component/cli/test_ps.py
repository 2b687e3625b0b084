"""`krustlet ps`: the pods of the node on this machine."""

import asyncio
import json
import socket

import msgspec

from krustlet.server import NodeServer
from tests.component.server.rig import Rig
from tests.support.command import Command
from tests.support.pods import Story, a_pod


def a_node(krustlet: Command) -> tuple[Rig, NodeServer]:
    """A node that keeps its data where the command looks."""
    rig = Rig(krustlet.directory)
    return rig, NodeServer(rig.pods, root=krustlet.data, logs=rig.logs)


def in_namespace(story: Story, namespace: str) -> Story:
    metadata = msgspec.structs.replace(
        story.pod.metadata, namespace=namespace, uid=f"{story.pod.uid}-{namespace}"
    )
    story.pod = msgspec.structs.replace(story.pod, metadata=metadata)
    return story


async def test_pods_are_listed_in_columns(krustlet: Command) -> None:
    rig, server = a_node(krustlet)
    rig.running("web")
    rig.show(in_namespace(Story(a_pod(name="agent")), "kube-system"))
    async with server:
        result = await asyncio.to_thread(krustlet, "ps")
    assert (result.code, result.stderr) == (0, "")
    rows = [line.rsplit(None, 1)[0] for line in result.stdout.splitlines()]  # without ages
    assert rows == [
        "NAMESPACE     NAME    READY   STATUS              RESTARTS",
        "kube-system   agent   0/1     ContainerCreating   0",
        "shop          web     1/1     Running             0",
    ]


async def test_a_namespace_can_be_chosen(krustlet: Command) -> None:
    rig, server = a_node(krustlet)
    rig.running("web")
    rig.show(in_namespace(Story(a_pod(name="agent")), "kube-system"))
    async with server:
        one = await asyncio.to_thread(krustlet, "ps", "-n", "shop", "-o", "json")
        all_ = await asyncio.to_thread(krustlet, "ps", "-n", "shop", "-A", "-o", "json")
        none = await asyncio.to_thread(krustlet, "ps", "-n", "other")
    assert [pod["metadata"]["name"] for pod in json.loads(one.stdout)["items"]] == ["web"]
    assert len(json.loads(all_.stdout)["items"]) == 2
    assert (none.code, none.stdout, none.stderr) == (0, "", "no pods in namespace other\n")


async def test_json_is_a_list_of_whole_pods(krustlet: Command) -> None:
    rig, server = a_node(krustlet)
    rig.running("web")
    async with server:
        listed = json.loads((await asyncio.to_thread(krustlet, "ps", "-o", "json")).stdout)
    assert (listed["apiVersion"], listed["kind"]) == ("v1", "List")
    assert listed["items"][0]["status"]["phase"] == "Running"
    assert listed["items"][0]["spec"]["containers"][0]["name"] == "app"


async def test_a_node_without_pods_says_so(krustlet: Command) -> None:
    _, server = a_node(krustlet)
    async with server:
        shown = await asyncio.to_thread(krustlet, "ps")
        listed = await asyncio.to_thread(krustlet, "ps", "-o", "json")
    assert (shown.code, shown.stdout, shown.stderr) == (0, "", "no pods\n")
    assert json.loads(listed.stdout)["items"] == []


def test_without_a_node_it_is_told_where_one_was_looked_for(krustlet: Command) -> None:
    result = krustlet("ps")
    assert (result.code, result.stdout) == (1, "")
    assert f"error: no node answers at {krustlet.data / 'krustlet.sock'}" in result.stderr
    assert "hint: start one with `krustlet node`" in result.stderr
    elsewhere = krustlet("ps", "--data-dir", krustlet.directory / "elsewhere")
    assert f"{krustlet.directory}/elsewhere/krustlet.sock" in elsewhere.stderr


def test_a_killed_nodes_socket_is_no_node(krustlet: Command) -> None:
    krustlet.data.mkdir()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(krustlet.data / "krustlet.sock"))
    result = krustlet("ps")
    assert result.code == 1
    assert "no node answers" in result.stderr
