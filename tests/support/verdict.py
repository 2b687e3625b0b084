"""Say what cannot be true in the journal of a kubelet, given what was killed when; pure."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

import msgspec

from tests.support.mortal_kubelet import (
    OF_NAME,
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
    Rests,
    Stopped,
)
from tests.support.soak import Kind, Wrong
from tests.support.victims import Killed, Victim

E = TypeVar("E")

_KILLED: Final = (137, "Error", "")
_LOST: Final = (137, "Error", "the supervisor died, and its containers with it")
_START_ERROR_CODE: Final = 128
_COMPILER_KILLED: Final = "the compiler was killed"
_NOTICED_S: Final = 1.0  # from a death to everybody having noticed


class Case(msgspec.Struct, frozen=True):
    """All that is known of one container, or of one who was let in."""

    id: str
    entries: Sequence[AnyEntry]
    killed: Sequence[Killed]

    def of(self, kind: type[E]) -> list[E]:
        return [entry for entry in self.entries if isinstance(entry, kind)]

    def kills(self, victim: Victim, until_at: float) -> int:
        """How many of a kind died between its first entry and then, or just before."""
        since = self.entries[0].at - _NOTICED_S
        return sum(k.victim is victim and since <= k.at <= until_at for k in self.killed)

    def was_killed(self) -> bool:
        return any(self.id == each.name for each in self.killed)


def wrong_in(journal: Sequence[AnyEntry], killed: Sequence[Killed]) -> list[Wrong]:
    """All that cannot be, or ought not to have been, when the last kubelet has come to rest."""
    by_id: dict[str, list[AnyEntry]] = defaultdict(list)
    found: list[Wrong] = []
    for entry in journal:
        if not isinstance(entry, Lives | Rests):
            by_id[entry.id].append(entry)
    cases = {id_: Case(id_, entries, killed) for id_, entries in by_id.items()}
    for entry in journal:
        if isinstance(entry, Lives):
            unknown = [id_ for id_ in entry.found if id_ not in cases]
            found += [Wrong(id_, "was found, and never asked for") for id_ in unknown]
    for case in cases.values():
        match case.entries[0]:
            case Asked():
                words = _wrong_run(case)
            case Entered(within=within):
                words = _wrong_visit(case, cases[within])
            case _:
                words = iter([f"was not asked for: {case.entries[0]}"])
        found += [Wrong(case.id, what) for what in words]
    return found


def summary(journal: Sequence[AnyEntry]) -> dict[str, int]:
    """How often what became of containers and their visitors; a run without some shows little."""
    counts: Counter[str] = Counter()
    for entry in journal:
        match entry:
            case Over(message=message) if message == _LOST[2]:
                counts["lost"] += 1
            case Over(code=code, message=message) if (code, message) == (_KILLED[0], ""):
                counts["killed"] += 1
            case Over():
                counts["ended"] += 1
            case Left(code=code):
                counts["visited" if code == VISITOR.code else "cut short"] += 1
            case Failed(error=error):
                counts[error] += 1
            case Lives(found=found):
                counts["adopted"] += len(found)
            case _:
                counts[type(entry).__name__] += 1
    return dict(counts)


# containers ---------------------------------------------------------------------------------------


def _wrong_run(case: Case) -> Iterator[str]:
    began, over = case.of(Began), case.of(Over)
    failed, never = case.of(Failed), case.of(Never)
    if len({entry.started_at for entry in began}) > 1:
        yield f"was started more than once: {began}"
    if len({(entry.code, entry.reason, entry.message) for entry in over}) > 1:
        yield f"ended in several ways: {over}"
    if not case.of(Gone):
        yield "was never done with"
    outcomes = [bool(kind) for kind in (over, failed, never)]
    if sum(outcomes) != 1:
        yield f"has not one outcome: {case.entries}"
    elif over:
        yield from _wrong_end(case, over[0])
    elif began or any(entry.printed for entry in never):
        yield f"has begun, and nobody knew of it: {case.entries}"
    for entry in failed:
        if not _may_fail(case, entry):
            yield f"was not started, for no reason: {entry}"


def _wrong_end(case: Case, over: Over) -> Iterator[str]:
    kind = _kind_of(case)
    lost = case.kills(Victim.SUPERVISOR, over.at)
    carried_anew = case.kills(Victim.PUMP, over.at) + lost
    end = (over.code, over.reason, over.message)
    is_own = end[:2] == (kind.code, kind.reason) and kind.told in over.message
    if is_own and kind.stays:
        if not case.of(Stopped):
            yield f"ended unasked: {over}"
    elif is_own and not carried_anew:
        if over.printed != kind.printed:
            yield f"printed {over.printed!r}, and not all of it"
        return
    elif not is_own and not ((end == _KILLED and case.was_killed()) or (end == _LOST and lost > 0)):
        yield f"cannot have ended so: {over}"
    if not can_be_left(over.printed, kind.printed, gaps=carried_anew):
        yield f"has a log that cannot be: {over}, {carried_anew} gaps are fine"


def _may_fail(case: Case, failed: Failed) -> bool:
    if failed.error == "SupervisorUnavailable":
        return case.kills(Victim.SUPERVISOR, failed.at) > 0
    return _COMPILER_KILLED in failed.why and case.kills(Victim.COMPILER, failed.at) > 0


def _kind_of(case: Case) -> Kind:
    asked = case.entries[0]
    assert isinstance(asked, Asked)
    return OF_NAME[asked.kind]


def can_be_left(printed: bytes, whole: bytes, *, gaps: int) -> bool:
    """Whether `printed` is `whole` up to some point, less so many pieces of it: none comes twice.

    A log pump that is killed loses the chunk in its hand, which may end within a line.
    """
    places = {byte: sum(1 << at for at, of in enumerate(whole) if of == byte) for byte in whole}
    reached = [1] + [0] * gaps  # after so many gaps: a bit for each place in `whole` to go on from
    for byte in printed:
        here = places.get(byte, 0)
        went_on = [(from_ & here) << 1 for from_ in reached]
        skipped = [(_later_than(from_) & here) << 1 for from_ in reached[:-1]]
        reached = [on | after for on, after in zip(went_on, [0, *skipped], strict=True)]
    return any(reached)


def _later_than(places: int) -> int:
    """All places behind the first of `places`."""
    first = places & -places
    return -(first << 1) if first else 0


# who was let in -----------------------------------------------------------------------------------


def _wrong_visit(case: Case, within: Case) -> Iterator[str]:
    failed, left = case.of(Failed), case.of(Left)
    if len(failed) + len(left) > 1:
        yield f"has several outcomes: {case.entries}"
    for entry in failed:
        if not _is_over(case, within, entry.at):
            yield f"was not let in, for no reason: {entry}"
    for end in left:
        yield from _wrong_leaving(case, within, end)
    if not failed and not left and case.kills(Victim.KUBELET, float("inf")) == 0:
        yield "was left alone"


def _wrong_leaving(case: Case, within: Case, left: Left) -> Iterator[str]:
    if left.code == VISITOR.code:
        if left.printed != VISITOR.printed:
            yield f"was not heard to the end: {left}"
        return
    may_start = left.code == _START_ERROR_CODE and _is_over(case, within, left.at)
    may_end = left.code == _KILLED[0] and (case.was_killed() or _is_over(case, within, left.at))
    if not (may_start or may_end):
        yield f"cannot have ended so: {left}"
    if not VISITOR.printed.startswith(left.printed):
        yield f"printed {left.printed!r}"


def _is_over(case: Case, within: Case, at: float) -> bool:
    """Whether the container had ended by then, or was lost; nobody says which was noticed first."""
    ends = [over.ended_at for over in within.of(Over)]
    return any(end <= at + _NOTICED_S for end in ends) or case.kills(Victim.SUPERVISOR, at) > 0
