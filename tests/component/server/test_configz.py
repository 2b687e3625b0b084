"""`/configz`, over HTTPS."""

from http import HTTPStatus

import msgspec

from krustlet.server import Https, NodeServer
from tests.component.server.rig import HOST, NODE, Rig


async def test_the_settings_in_force_are_told_to_who_may_know_them(rig: Rig) -> None:
    rig.server = server = NodeServer(
        rig.pods,
        root=rig.root,
        logs=rig.logs,
        configuration=lambda: {"maxPods": 7},
        https=Https(
            node=NODE, reviewer=rig.reviewer, address=HOST, port=0, hosts=(HOST,),
            client_ca=rig.authority.certificate,
        ),
    )  # fmt: skip
    operator = rig.authority.issue("operator")
    rig.reviewer.rights["operator"] = {"configz"}
    stranger = rig.authority.issue("stranger")
    async with server:
        status, text = await rig.ask("/configz", operator)
        assert (status, msgspec.json.decode(text)) == (
            HTTPStatus.OK,
            {"kubeletconfig": {"maxPods": 7}},
        )
        assert (await rig.ask("/configz", rig.admin))[0] == HTTPStatus.OK  # by way of proxy
        assert (await rig.ask("/configz", stranger))[0] == HTTPStatus.FORBIDDEN


async def test_a_node_without_any_to_tell_has_no_such_path(rig: Rig) -> None:
    async with rig.serving():
        assert (await rig.ask("/configz", rig.admin))[0] == HTTPStatus.NOT_FOUND
