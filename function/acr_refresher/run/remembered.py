"""Repairs that a warm instance remembers: an annotation is lost with a Secret that is deleted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from acr_refresher.core.contention import recent
from acr_refresher.core.outcome import Action, Reconcile, SecretOutcome
from acr_refresher.core.plan import NOTHING_REMEMBERED, Remembered
from acr_refresher.core.reasons import Result
from acr_refresher.settings import SETTINGS

_WRITTEN = frozenset({Result.CREATED, Result.RENEWED, Result.BOUND, Result.CONTENDED})


@dataclass(frozen=True, slots=True)
class RememberedRepairs:
    """The repairs of the last hour, by cluster. A Secret that was created counts as well."""

    kept: dict[str, Remembered] = field(default_factory=dict)

    def of(self, cluster: str) -> Remembered:
        """Return the repairs in a cluster, by namespace and name of the secret."""
        return self.kept.get(cluster, NOTHING_REMEMBERED)

    def note(
        self,
        cluster: str,
        actions: Iterable[Action],
        outcomes: Iterable[SecretOutcome],
        now: datetime,
    ) -> None:
        """Keep what a visit repaired, and forget what is old."""
        done = {(each.namespace, each.secret) for each in outcomes if each.result in _WRITTEN}
        new = {
            (each.namespace, each.secret): each.apply.repairs
            for each in actions
            if isinstance(each, Reconcile) and each.apply and each.apply.repairs
        }
        old = self.kept.pop(cluster, NOTHING_REMEMBERED)
        both = {key: recent(repairs, now) for key, repairs in old.items()}
        both |= {key: repairs for key, repairs in new.items() if key in done}
        room = SETTINGS.repairs_kept - sum(map(len, self.kept.values()))
        found = ((key, repairs) for key, repairs in both.items() if repairs)
        if remembered := dict(islice(found, max(0, room))):
            self.kept[cluster] = remembered
