"""What is wrong with an input, in plain words: where, what, and what would be right."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from acr_refresher.redaction import mask_text

Location = tuple[str | int, ...]
"""The keys and list indexes that lead to a value of a document."""

_PLAIN_KEY = re.compile(r"[\w.-]+", re.ASCII)
_LONGEST_SHOWN = 80
_MOST_LISTED = 12


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, at `path`, and its remedy."""

    path: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}; {self.remedy}"


class InvalidInput(Exception):
    """An input was refused, for every one of `problems`. Its text has one line a problem."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def path_of(location: Location, root: str) -> str:
    """`clusters[2].serviceAccount`, or `root` for the document as a whole."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += f".{part}" if _PLAIN_KEY.fullmatch(part) else f".{shown(part)}"
    return path.lstrip(".") or root


def shown(value: str) -> str:
    """A value as a message may show it: quoted, on one line, short, anything secret masked."""
    masked = mask_text(value)
    if len(masked) > _LONGEST_SHOWN:
        masked = f"{masked[:_LONGEST_SHOWN]}…"
    return json.dumps(masked, ensure_ascii=not masked.isprintable())


def listed(names: Iterable[str]) -> str:
    """Names as a message lists them, the first few of many."""
    known = list(dict.fromkeys(names))
    rest = len(known) - _MOST_LISTED
    return ", ".join(known[:_MOST_LISTED]) + (f" and {rest} more" if rest > 0 else "")


def suggestion(name: str, known: Iterable[str]) -> str:
    """What to write instead of an unknown name: the closest known one, or any of them."""
    names = list(known)
    by_folded_name = {each.casefold(): each for each in names}
    close = get_close_matches(name.casefold(), by_folded_name, n=1)
    return f"did you mean {by_folded_name[close[0]]}?" if close else f"use one of: {listed(names)}"
