"""What is said at the end, and the keys to leave by."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krustlet.base import KrustletError
from krustlet.cli.conversation import Detached, Ended, Keys, read_status
from krustlet.server.remote_status import ended_with, failed, success


def test_what_the_server_says_is_understood() -> None:
    assert read_status(success().json) == Ended(0)
    assert read_status(ended_with(0).json) == Ended(0)
    assert read_status(ended_with(137).json) == Ended(137)
    told = failed("error executing command in container", KrustletError("no", hint="try yes"))
    message = "Internal error occurred: error executing command in container: no"
    assert read_status(told.json) == Ended(None, message, "try yes")


@pytest.mark.parametrize(
    "status",
    [
        b'{"status":"Failure","message":"why","reason":"NonZeroExitCode"}',
        b'{"status":"Failure","message":"why","details":null}',
        b'{"status":"Failure","message":"why","reason":"NonZeroExitCode",'
        b'"details":{"causes":[{"reason":"ExitCode","message":"x"}]}}',
    ],
)
def test_a_failure_without_a_code_is_none(status: bytes) -> None:
    assert read_status(status) == Ended(None, "why")


@given(st.lists(st.text(alphabet="\x10ab", max_size=4).map(str.encode), max_size=6))
def test_all_keys_but_those_to_leave_by_are_typed(typed: list[bytes]) -> None:
    keys = Keys()
    passed = b"".join(map(keys.typed, typed)) + keys.typed(b".")
    assert passed == b"".join(typed) + b"."


@given(st.lists(st.sampled_from([b"a", b"\x10", b"\x11"]), max_size=8))
def test_ctrl_q_leaves_if_ctrl_p_came_right_before(typed: list[bytes]) -> None:
    keys, has_left = Keys(), False
    try:
        for key in typed:
            keys.typed(key)
    except Detached:
        has_left = True
    assert has_left is (b"\x10\x11" in b"".join(typed))
