"""Words of the command line that become part of a pod, or of a question to its node: text, always.

A file's name may be any bytes; what an API carries is UTF-8.
"""

import click


class _Text(click.ParamType[str]):
    """A word that is UTF-8."""

    name = "text"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        if not is_text(word := str(value)):
            self.fail(f"{word!r} is not UTF-8 text", param, ctx)
        return word


TEXT = _Text()


def is_text(word: str) -> bool:
    """Whether all of a word that came from the system could be decoded."""
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True
