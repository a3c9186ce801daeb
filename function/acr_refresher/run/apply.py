"""Applies planned actions: the secret first, then its bindings; on removal the bindings first.

A PortError becomes an outcome here, never an exception, so one namespace does not stop another.

The answer to a write may be lost, or come from a webhook or a proxy. So after an answer that leaves
open what happened, the object is read by name, and the outcome says what is there.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from acr_refresher.core.contention import IMMUTABLE, mutations
from acr_refresher.core.model import SecretContent, SecretState, ServiceAccountState
from acr_refresher.core.outcome import (
    Action,
    ApplySecret,
    Reconcile,
    Remove,
    SecretOutcome,
    not_ours_outcome,
    reconciled_outcome,
    refused_outcome,
    removal_outcome,
    skipped_outcome,
)
from acr_refresher.core.reasons import Reason
from acr_refresher.core.renewal import replan
from acr_refresher.core.secret import is_same_write
from acr_refresher.errors import Conflict, Gone, Invalid, PortError, Unreachable
from acr_refresher.run.bind import Binder, Requests, not_believed
from acr_refresher.run.contents import Content, Contents
from acr_refresher.run.ports import KubeApi
from acr_refresher.settings import SETTINGS


class NotAsListedError(Exception):
    """The Secret is not as it was listed. `found` is what is there now."""

    def __init__(self, why: PortError, found: SecretState | None) -> None:
        super().__init__()
        self.why = why
        self.found = found


@dataclass(frozen=True, slots=True)
class Applier:
    """Applies actions to one cluster in one run."""

    kube: KubeApi
    contents: Contents
    binder: Binder
    requests: Requests

    @staticmethod
    def of(kube: KubeApi, contents: Contents) -> Applier:
        """Return an applier that sends all its requests together."""
        requests = Requests()
        return Applier(kube, contents, Binder(kube, requests), requests)

    async def apply(self, action: Action) -> SecretOutcome:
        """Apply one action. Raises only what is a bug."""
        if isinstance(action, Reconcile):
            return await self._reconcile(action)
        if isinstance(action, Remove):
            return await self._remove(action)
        return skipped_outcome(action)

    async def _reconcile(self, action: Reconcile, *, replanned: bool = False) -> SecretOutcome:
        apply = action.apply
        if apply is None or apply.reason is Reason.BINDING_REVERTED:
            return await self._bind_only(action, apply)
        content = await self.contents.of(action, apply)
        if content.secret is None:
            if action.uid is None:
                return reconciled_outcome(action, unminted=content.unminted)  # nothing to refer to
            return await self._bind(action, content)
        refusal: PortError
        try:
            written = await self._write(action, apply, content, content.secret)
        except NotAsListedError as changed:
            refusal = changed.why
            again = None if replanned else replan(action, apply, changed.found)
            if again:
                return await self._reconcile(again, replanned=True)
        except PortError as error:
            refusal = error
        else:
            changed_back = (each for each in action.contended if each != IMMUTABLE)
            contended = (*mutations(content.secret, written), *changed_back)
            return await self._bind(replace(action, contended=contended), content)
        return refused_outcome(action, refusal.failure(), content.unminted)

    async def _bind(self, action: Reconcile, content: Content) -> SecretOutcome:
        changed, unchanged = await self.binder.change_all(
            action.bind, action.secret, ServiceAccountState.with_reference
        )
        return reconciled_outcome(
            action, content.secret, changed, content.unminted, unchanged, content.warnings
        )

    async def _bind_only(self, action: Reconcile, count: ApplySecret | None) -> SecretOutcome:
        """Bind service accounts, and then count in the Secret that this was a repair, if it was.

        A count that cannot be written is no failure: the next repair counts again.
        """
        outcome = await self._bind(action, Content(None))
        if count is None or not outcome.bound:
            return outcome
        content = await self.contents.of(action, count)
        if content.secret:
            with suppress(PortError, NotAsListedError):
                await self._write(action, count, content, content.secret)
        return outcome

    # ---- writing a secret ------------------------------------------------------------------------

    async def _write(
        self, action: Reconcile, apply: ApplySecret, content: Content, secret: SecretContent
    ) -> SecretState:
        """Write the secret, and return it as it is then. It must have the version that was read.

        Otherwise this could undo the write of an overlapping run, or change a Secret from which
        somebody has taken our label meanwhile. Raises NotAsListedError, or PortError if the secret
        was not written.
        """
        uid, version = action.uid, action.resource_version
        if uid is None and content.unminted:
            await self._expect_none(action)
        if uid and version and apply.replace:
            await self._delete_to_replace(action, uid, version)
            uid = version = None
        place = action.namespace, action.secret
        try:
            applied = await self.requests.send(
                partial(self.kube.apply_secret, *place, secret, uid, version)
            )
        except Gone as gone:
            await self._expect_namespace(action, gone)
            return await self._expect_written(action, secret, not_believed(gone))
        except (Conflict, Unreachable, Invalid) as error:
            if isinstance(error, Invalid) and error.code:
                raise  # a refusal; without a status, it is an answer that cannot be read
            return await self._expect_written(action, secret, error)
        if uid is None and not applied.created:
            return await self._expect_written(action, secret, _overwritten(action))
        return applied.secret

    async def _expect_none(self, action: Reconcile) -> None:
        """Raise NotAsListedError if there is a Secret. A new one with fewer logins would harm it.

        A list of Secrets may have been read before an overlapping run created the Secret.
        """
        found = await self.requests.send(
            partial(self.kube.read_secret, action.namespace, action.secret)
        )
        if found:
            raise NotAsListedError(_overwritten(action), found)

    async def _expect_written(
        self, action: Reconcile, secret: SecretContent, error: PortError
    ) -> SecretState:
        """Return the Secret if it was written and only the answer was lost; else raise an error."""
        found = await self._read(action, error)
        if found and is_same_write(found, secret):
            return found
        if isinstance(error, Conflict):
            raise NotAsListedError(error, found)
        raise error

    async def _expect_namespace(self, action: Reconcile, gone: Gone) -> None:
        """Raise the error unless the namespace still exists."""
        try:
            found = await self.requests.look(partial(self.kube.find_namespace, action.namespace))
        except PortError:
            raise not_believed(gone) from gone
        if found is None or found.terminating:
            raise gone

    async def _delete_to_replace(self, action: Reconcile, uid: str, version: str) -> None:
        """Delete the Secret that was listed, unless somebody has changed it since."""
        place = action.namespace, action.secret
        try:
            await self.requests.send(partial(self.kube.delete_secret, *place, uid, version))
        except (Conflict, Gone, Unreachable) as error:
            found = await self._read(action, error)
            if found is None:
                return  # only the answer was lost, or somebody else has deleted it
            if isinstance(error, Conflict) or found.uid != uid:
                raise NotAsListedError(error, found) from error
            raise (not_believed(error) if isinstance(error, Gone) else error) from None

    async def _read(self, action: Reconcile | Remove, error: PortError) -> SecretState | None:
        """Return the Secret as it is now. Raises the error if that cannot be found out."""
        read = partial(self.kube.read_secret, action.namespace, action.secret)
        try:
            return await self.requests.look(read)
        except PortError:
            raise error from None

    # ---- removing a secret -----------------------------------------------------------------------

    async def _remove(self, action: Remove) -> SecretOutcome:
        _, failures = await self.binder.change_all(
            action.unbind, action.secret, ServiceAccountState.without_reference
        )
        if failures:
            return removal_outcome(action, failures)  # an account refers to it, so it stays
        try:
            return await self._delete(action)
        except PortError as error:
            return removal_outcome(action, (error.failure(),))

    async def _delete(self, action: Remove) -> SecretOutcome:
        """Delete the Secret if it is ours at that moment, in whatever version."""
        version = action.resource_version
        last: PortError
        for _ in range(SETTINGS.binding_attempts):
            place = action.namespace, action.secret, action.uid
            try:
                await self.requests.send(partial(self.kube.delete_secret, *place, version))
            except (Conflict, Gone, Unreachable) as error:
                last = not_believed(error) if isinstance(error, Gone) else error
            else:
                return removal_outcome(action)
            found = await self._read(action, last)
            if found is None:
                return removal_outcome(action)
            if found.uid != action.uid or not found.managed:
                return not_ours_outcome(action, last.failure())
            if not isinstance(last, Conflict):
                raise last
            version = found.resource_version
        raise last


def _overwritten(action: Reconcile) -> Conflict:
    return Conflict(
        f"an overlapping run has created {action.namespace}/{action.secret} meanwhile",
        service="kube",
    )
