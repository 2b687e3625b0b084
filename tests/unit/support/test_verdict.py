"""What a kubelet's journal cannot say, whatever was killed."""

from collections.abc import Sequence
from typing import Any, Final

import pytest

from tests.support.mortal_kubelet import (
    VISITOR,
    AnyEntry,
    Asked,
    Began,
    Entered,
    Failed,
    Gone,
    Left,
    Lives,
    Never,
    Over,
    Stopped,
)
from tests.support.verdict import can_be_left, wrong_in
from tests.support.victims import Killed, Victim

LOST: Final = "the supervisor died, and its containers with it"
HELLO: Final = b"Hello, world!\n"


def asked(kind: str = "hello", **more: Any) -> Asked:
    return Asked(id="c1", kind=kind, at=10.0, **more)


def over(code: int = 0, reason: str = "Completed", **more: Any) -> Over:
    fields: dict[str, Any] = {"message": "", "printed": HELLO, "ended_at": 11.0, "at": 11.0}
    return Over(id="c1", code=code, reason=reason, **(fields | more))


def began(started_at: float = 10.5) -> Began:
    return Began(id="c1", started_at=started_at, at=10.6)


def killed(victim: Victim, name: str = "", at: float = 10.8) -> Killed:
    return Killed(victim, name, at)


GONE: Final = Gone(id="c1", at=12.0)
ENTERED: Final = Entered(id="x1", within="c1", at=10.7)
LONG_OVER: Final = over(ended_at=30.0, at=30.0)


@pytest.mark.parametrize(
    ("journal", "kills"),
    [
        pytest.param([asked(), began(), over(), GONE], [], id="it-ended-by-itself"),
        pytest.param([asked(), began(), over(), over(), GONE], [], id="its-end-was-told-twice"),
        pytest.param(
            [asked(), over(137, "Error"), GONE],
            [killed(Victim.CONTAINER, "c1")],
            id="it-was-killed",
        ),
        pytest.param(
            [asked(), over(137, "Error", message=LOST, printed=b""), GONE],
            [killed(Victim.SUPERVISOR)],
            id="it-was-lost",
        ),
        pytest.param(
            [
                asked(),
                Failed(id="c1", error="CompileFailed", why="the compiler was killed", at=11),
                GONE,
            ],
            [killed(Victim.COMPILER)],
            id="it-was-not-compiled",
        ),
        pytest.param([asked(), Never(id="c1", printed=b"", at=11), GONE], [], id="it-never-was"),
        pytest.param(
            [asked("sleep"), Stopped(id="c1"), over(143, "Error", printed=b""), GONE],
            [],
            id="it-was-stopped-before-it-printed",
        ),
        pytest.param(
            [asked(), ENTERED, Left(id="x1", code=5, printed=VISITOR.printed, at=11), over(), GONE],
            [],
            id="who-was-let-in-left",
        ),
        pytest.param(
            [
                asked(),
                ENTERED,
                Left(id="x1", code=137, printed=b"tick 0\n", at=11),
                LONG_OVER,
                GONE,
            ],
            [killed(Victim.VISITOR, "x1")],
            id="who-was-let-in-was-killed",
        ),
        pytest.param(
            [asked(), ENTERED, LONG_OVER, GONE],
            [killed(Victim.KUBELET)],
            id="nobody-waited-for-him",
        ),
    ],
)
def test_what_can_be(journal: Sequence[AnyEntry], kills: Sequence[Killed]) -> None:
    assert wrong_in(journal, kills) == []


@pytest.mark.parametrize(
    ("journal", "kills", "words"),
    [
        pytest.param([asked(), over()], [], "was never done with", id="it-is-there-still"),
        pytest.param([asked(), GONE], [], "has not one outcome", id="nobody-knows-what-became"),
        pytest.param(
            [asked(), began(10.5), began(10.9), over(), GONE],
            [],
            "more than once",
            id="it-ran-twice",
        ),
        pytest.param(
            [asked(), over(), over(1, "Error"), GONE], [], "in several ways", id="two-ends"
        ),
        pytest.param(
            [asked(), over(137, "Error"), GONE],
            [killed(Victim.CONTAINER, "c2")],
            "cannot have ended so",
            id="another-was-killed",
        ),
        pytest.param(
            [asked(), over(137, "OOMKilled"), GONE],
            [killed(Victim.CONTAINER, "c1")],
            "cannot have ended so",
            id="it-was-killed-by-somebody-else",
        ),
        pytest.param(
            [asked(), over(137, "Error", message=LOST), GONE],
            [killed(Victim.SUPERVISOR, at=8.0), killed(Victim.SUPERVISOR, at=12.0)],
            "cannot have ended so",
            id="no-supervisor-died",
        ),
        pytest.param(
            [asked(), over(printed=b""), GONE], [], "not all of it", id="what-it-printed-is-lost"
        ),
        pytest.param(
            [asked(), over(printed=HELLO * 2), GONE],
            [killed(Victim.PUMP)],
            "has a log that cannot be",
            id="it-was-logged-twice",
        ),
        pytest.param(
            [asked(), Never(id="c1", printed=HELLO, at=11), GONE],
            [],
            "nobody knew of it",
            id="it-had-run-and-was-forgotten",
        ),
        pytest.param(
            [asked(), Failed(id="c1", error="LimitRefused", why="no", at=11), GONE],
            [killed(Victim.COMPILER)],
            "for no reason",
            id="it-was-not-started",
        ),
        pytest.param(
            [asked(), began(), Failed(id="c1", error="SupervisorUnavailable", why="", at=11), GONE],
            [killed(Victim.SUPERVISOR)],
            "nobody knew of it",
            id="it-was-started-and-was-not",
        ),
        pytest.param(
            [asked("sleep"), over(143, "Error", printed=b"ready\n"), GONE],
            [],
            "ended unasked",
            id="nobody-stopped-it",
        ),
        pytest.param(
            [Lives(pid=1, found=["c9"])], [], "never asked for", id="somebody-is-there-of-himself"
        ),
        pytest.param(
            [asked(), ENTERED, Left(id="x1", code=137, printed=b"", at=11), LONG_OVER, GONE],
            [],
            "cannot have ended so",
            id="who-was-let-in-died",
        ),
        pytest.param(
            [asked(), ENTERED, Left(id="x1", code=5, printed=b"", at=11), over(), GONE],
            [],
            "not heard to the end",
            id="who-was-let-in-was-not-heard",
        ),
        pytest.param([asked(), ENTERED, over(), GONE], [], "left alone", id="he-never-came-back"),
        pytest.param(
            [asked(), ENTERED, Failed(id="x1", error="NotRunning", why="", at=11), LONG_OVER, GONE],
            [],
            "was not let in",
            id="it-ran-and-he-was-not-let-in",
        ),
    ],
)
def test_what_cannot_be(journal: Sequence[AnyEntry], kills: Sequence[Killed], words: str) -> None:
    (wrong,) = wrong_in(journal, kills)
    assert words in wrong.what


@pytest.mark.parametrize(
    ("printed", "gaps", "can_be"),
    [
        (b"abcdefg", 0, True),
        (b"abc", 0, True),
        (b"", 0, True),
        (b"cd", 0, False),
        (b"cd", 1, True),
        (b"abfg", 1, True),
        (b"aceg", 2, False),
        (b"aceg", 3, True),
        (b"abab", 3, False),
        (b"abcdefgg", 3, False),
        (b"x", 3, False),
    ],
)
def test_a_log_may_have_gaps_and_no_more(printed: bytes, *, gaps: int, can_be: bool) -> None:
    assert can_be_left(printed, b"abcdefg", gaps=gaps) is can_be
