"""A node whose containers are played by a test, and the command line that talks with them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from krustlet.server import NodeServer
from tests.component.server.control import FakeControl, reading
from tests.component.server.rig import Rig
from tests.support.command import KRUSTLET, Command, Result
from tests.support.pods import Story
from tests.support.terminal import Terminal, at_a_terminal


class People:
    """Pods of namespace `shop`, and who uses the commands.

    Attributes:
        server: entered by the test.
    """

    def __init__(self, krustlet: Command) -> None:
        self.rig = Rig(krustlet.directory)
        self.control = FakeControl()
        self.krustlet = krustlet
        self.server = NodeServer(
            self.rig.pods, control=self.control, root=krustlet.data, logs=self.rig.logs
        )

    def shows(self, story: Story, *, tty: bool | None = None) -> None:
        """Have the node know the story's pod; unless `tty` is None, its containers read."""
        pod = story.pod if tty is None else reading(story.pod, tty=tty)
        self.rig.pods.put(pod, story.statuses[-1])

    async def run(self, command: str, *arguments: str, stdin: str = "") -> Result:
        """What the command says, once it has ended."""
        return await asyncio.to_thread(
            self.krustlet, command, "-n", "shop", *arguments, stdin=stdin
        )

    def begin(self, command: str, *arguments: str, stdin: str = "") -> "asyncio.Task[Result]":
        """A command that somebody else brings to its end."""
        return asyncio.create_task(self.run(command, *arguments, stdin=stdin))

    @contextlib.asynccontextmanager
    async def at_a_terminal(self, command: str, *arguments: str) -> AsyncIterator["Person"]:
        """Somebody who has called the command from a shell."""
        with at_a_terminal(
            [*KRUSTLET, command, "-n", "shop", *arguments],
            cwd=self.krustlet.directory,
            env=self.krustlet.environment({"TERM": "xterm", "NO_COLOR": "1"}),
        ) as terminal:
            yield Person(terminal)


class Person:
    """Somebody at a terminal, seen from a test that must not block."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal

    async def sees(self, text: bytes) -> None:
        """Wait until it is shown."""
        await asyncio.to_thread(self.terminal.until, text, within_s=20)

    def types(self, keys: bytes) -> None:
        self.terminal.type(keys)

    def resizes(self, *, columns: int, rows: int) -> None:
        """Change the window's size; the kernel tells the foreground processes."""
        self.terminal.resize(columns=columns, rows=rows)

    async def ends(self) -> int:
        """The command's exit code."""
        return await asyncio.to_thread(self.terminal.end, within_s=20)

    def is_raw(self) -> bool:
        """Whether keys reach the command as they are pressed, and are not shown."""
        return self.terminal.is_raw()
