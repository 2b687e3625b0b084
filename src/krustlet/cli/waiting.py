"""Have something done to several pods side by side, and wait for it."""

import queue
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final

import click
import msgspec

from krustlet.base import KrustletError
from krustlet.cli.words import is_terminal, remark, show_error
from krustlet.objects import Pod

_PATIENCE_S: Final = 0.3  # shorter waits are not worth a word

_Done = tuple[Pod, Pod | Exception]
"""A pod as it was, and as it is now; or why not."""


def all_at_once(
    pods: Sequence[Pod], change: Callable[[Pod], Pod], *, doing: str, done: str, output: str
) -> int:
    """Change all of `pods`, tell of each when it is done, and return the command's exit code.

    Args:
        doing: `Stopping`, with a pod's name after it.
        done: `stopped`, likewise.
        output: `text`, or `json` for a List of what was changed.
    """
    changed: dict[str, Pod] = {}
    for before, after in _as_done(_each(pods, change), pods, doing):
        if isinstance(after, Pod):
            changed[before.uid] = after
            if output == "text":
                click.echo(f"pod {before.name} {done}")
        elif isinstance(after, KrustletError):
            show_error(f"pod {before.name}: {after.message}", after.hint)
        else:
            raise after
    if output == "json":
        items = [changed[pod.uid] for pod in pods if pod.uid in changed]
        answer = {"apiVersion": "v1", "kind": "List", "items": items}
        click.echo(msgspec.json.format(msgspec.json.encode(answer)))
    return int(len(changed) < len(pods))


def _each(pods: Sequence[Pod], change: Callable[[Pod], Pod]) -> "queue.SimpleQueue[_Done]":
    """Where all of them will be told of. Ctrl-C leaves the threads: who asks has no part in it."""
    told: queue.SimpleQueue[_Done] = queue.SimpleQueue()

    def work(pod: Pod) -> None:
        try:
            told.put((pod, change(pod)))
        except Exception as exc:  # noqa: BLE001 - raised again where it is waited for
            told.put((pod, exc))

    for pod in pods:
        threading.Thread(target=work, args=(pod,), daemon=True).start()
    return told


def _as_done(told: "queue.SimpleQueue[_Done]", pods: Sequence[Pod], doing: str) -> Iterator[_Done]:
    """What is told, as it is; whom somebody waits for is shown once that has lasted a while, and is
    gone from a terminal's line by the time there is something to say."""
    waited_for = {pod.uid: pod.name for pod in pods}
    shown = _on_a_terminal if is_terminal(sys.stderr) else _once_in_a_line()
    patience_s = _PATIENCE_S
    while waited_for:
        try:
            done = told.get(timeout=patience_s)
        except queue.Empty:
            patience_s = 0.0
            with shown(f"{doing} {', '.join(waited_for.values())}"):
                done = told.get()
        del waited_for[done[0].uid]
        yield done


def _once_in_a_line() -> Callable[[str], AbstractContextManager[object]]:
    """Only the first is said: a line stands for good."""
    is_said = False

    def say(doing: str) -> AbstractContextManager[object]:
        nonlocal is_said
        if not is_said:
            remark(f"{doing} …")
        is_said = True
        return nullcontext()

    return say


@contextmanager
def _on_a_terminal(doing: str) -> Iterator[None]:
    from rich.console import Console  # 50 ms of import: only for those who wait anyway

    with Console(stderr=True).status(doing):
        yield
