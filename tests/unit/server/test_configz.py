"""`/configz`."""

import msgspec
from aiohttp.test_utils import make_mocked_request

from krustlet.server.configz import Configz


async def test_what_is_in_force_is_told_each_time() -> None:
    told = {"kind": "KubeletConfiguration", "maxPods": 1}
    configz = Configz(lambda: told)
    request = make_mocked_request("GET", "/configz")
    for pods in (1, 2):
        told["maxPods"] = pods
        answer = await configz.serve(request)
        assert answer.headers["Content-Type"] == "application/json"
        assert isinstance(answer.body, bytes)
        assert msgspec.json.decode(answer.body) == {"kubeletconfig": told}
