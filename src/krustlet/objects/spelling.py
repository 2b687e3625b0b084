"""Guessing which word was meant."""

from collections.abc import Iterable
from difflib import get_close_matches

_ALIKE = 0.6  # difflib's own measure: of one word, three letters in five are in the other's place


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A question naming the known word nearest to `word`; empty where none is near."""
    by_lower_case = {candidate.lower(): candidate for candidate in known}
    nearest = get_close_matches(word.lower(), by_lower_case, n=1, cutoff=_ALIKE)
    return f"did you mean `{by_lower_case[nearest[0]]}`?" if nearest else ""
