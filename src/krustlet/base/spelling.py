"""Guessing which word was meant."""

import os
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Final

_ALIKE: Final = 0.6  # difflib's own measure: of one word, three letters in five are in place


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word nearest to `word`, whatever the case; None where none is near."""
    by_lower_case = {candidate.lower(): candidate for candidate in known}
    found = get_close_matches(word.lower(), by_lower_case, n=1, cutoff=_ALIKE)
    return by_lower_case[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A question naming the known word nearest to `word`; empty where none is near."""
    found = nearest(word, known)
    return f"did you mean `{found}`?" if found is not None else ""


def did_you_mean_file(path: Path) -> str:
    """A question naming the file nearest to `path`, which is not there; empty where none is."""
    try:
        names = os.listdir(path.parent)
    except (FileNotFoundError, NotADirectoryError):
        return f"there is no directory {path.parent}"
    except OSError:
        return ""  # what we may not list, we have nothing to propose from
    alike = {Path(name).stem: name for name in names if Path(name).suffix == path.suffix}
    others = [name for name in names if name not in alike.values()]
    if (stem := nearest(path.stem, alike)) is not None:  # a common suffix is no likeness
        return f"did you mean {path.parent / alike[stem]}?"
    found = nearest(path.name, others)
    return f"did you mean {path.parent / found}?" if found is not None else ""
