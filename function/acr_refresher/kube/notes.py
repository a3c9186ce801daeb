"""What a visit of an API server remembers of its requests: warnings, errors, and first refusals."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from acr_refresher.errors import PortError
from acr_refresher.log import mask_text
from acr_refresher.settings import SETTINGS

MORE_WARNINGS = "the API server gave further warnings"
_WARNING = re.compile(r'\b299 [^\s"]{1,100} "((?:[^"\\]|\\.){0,2000})"')
"""A warning of Kubernetes: code, agent and quoted text. https://kep.k8s.io/1693"""


@dataclass(slots=True)
class RequestNotes:
    """Notes about the requests of one visit.

    `warnings` has each text once. `cut_off` is a request that was cut off while it waited.
    `last_error` is the last error of a request that has not succeeded since.
    """

    warnings: tuple[str, ...] = ()
    cut_off: str = ""
    last_error: str = ""
    _failed: str = ""
    _refusals_count_from: float | None = None

    def note_success(self, request: str) -> None:
        """Forget the error of a request that now has an answer."""
        if request == self._failed:
            self._failed = self.last_error = ""

    def note_error(self, request: str, error: PortError) -> None:
        """Remember an error that another attempt may have followed."""
        self._failed, self.last_error = request, str(error)

    def note_cut_off(self, request: str) -> None:
        """Remember the first request that is cut off. Requests that wait with it are like it."""
        self.cut_off = self.cut_off or request

    def note_warnings(self, headers: Iterable[str]) -> None:
        """Add the texts of `Warning` headers that are new, as far as there is room."""
        for text in warning_texts(headers):
            if text in self.warnings or MORE_WARNINGS in self.warnings:
                continue
            full = len(self.warnings) >= SETTINGS.kube_warnings
            self.warnings += (MORE_WARNINGS if full else text,)

    def wait_for_rights(self, sent: float, now: float) -> float:
        """Seconds after which a request that RBAC refused is to be sent again; 0 if it is not.

        An API server that has just started refuses rightful users, until it has read its roles.
        The first refusal of a visit is therefore not believed at once. What was sent before the
        rights can be known is sent once more then.
        """
        if self._refusals_count_from is None:
            self._refusals_count_from = now + SETTINGS.kube_rights_wait.total_seconds()
        return max(0.0, self._refusals_count_from - now) if sent < self._refusals_count_from else 0


def warning_texts(headers: Iterable[str]) -> list[str]:
    """The texts of warnings: on one line, printable, masked and cut."""
    found = (
        match[1]
        for header in headers
        for match in _WARNING.finditer(header[: SETTINGS.answer_text])
    )
    return [f"the API server warns: {_readable(text)}" for text in found]


def _readable(quoted: str) -> str:
    text = re.sub(r"\\(.)", r"\1", quoted)
    printable = "".join(each if each.isprintable() else " " for each in text)
    return mask_text(" ".join(printable.split()))[: SETTINGS.quoted_text]
