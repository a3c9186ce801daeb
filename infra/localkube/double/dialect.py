"""What differs between the API servers of several Kubernetes versions.

The versions come from real servers of 1.20.2, 1.25.9, 1.34.9 and 1.36.2, and from Kubernetes' own
source. Where a difference appeared between two of these, it counts from the later version on.
"""

from dataclasses import dataclass
from typing import TypeAlias

from localkube.double.routing import Resource
from localkube.double.status import RefusalError, bad_request, internal
from localkube.wire import Json

Version: TypeAlias = tuple[int, int]  # major, minor

OLD: Version = (1, 20)
MODERN: Version = (1, 36)
"""What a double answers as, unless a test asks for another version."""

NAMESPACE_LABEL = "kubernetes.io/metadata.name"
# The metadata that clients may give; staging/src/k8s.io/apimachinery/pkg/apis/meta/v1/types.go.
METADATA_FIELDS = {
    "annotations", "creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp",
    "finalizers", "generateName", "generation", "labels", "managedFields", "name", "namespace",
    "ownerReferences", "resourceVersion", "selfLink", "uid",
}  # fmt: skip

_PATCHES = {OLD: 2, MODERN: 2}  # the patch releases that were run
_MODERN_WRITES: Version = (1, 25)
_MODERN_MESSAGES: Version = (1, 34)


@dataclass(frozen=True)
class Dialect:
    """How an API server of a version answers."""

    version: Version = MODERN

    @property
    def info(self) -> Json:
        """The answer of ``/version``."""
        major, minor = self.version
        patch = _PATCHES.get(self.version, 0)
        return {
            "major": str(major),
            "minor": str(minor),
            "gitVersion": f"v{major}.{minor}.{patch}",
            "platform": "linux/amd64",
        }

    @property
    def labels_namespaces(self) -> bool:
        """Whether namespaces have their name as a label: pkg/apis/core/v1/defaults.go."""
        return self.version >= (1, 21)

    @property
    def numbers_answers(self) -> bool:
        """Whether answers have an ``Audit-Id``: filters/audit_init.go in apiserver's endpoints."""
        return self.version >= _MODERN_WRITES

    @property
    def numbers_tokens(self) -> bool:
        """Whether tokens have a ``jti``: ServiceAccountTokenJTI in pkg/features."""
        return self.version >= (1, 30)

    def unknown_fields(self, resource: Resource, submitted: Json) -> list[str]:
        """The warnings for fields that the kind does not have, in their order.

        ServerSideFieldValidation is on by default from 1.25. An apply refuses such fields instead.
        """
        if self.version < _MODERN_WRITES:
            return []
        known = resource.fields | {"apiVersion", "kind", "metadata", "status"}
        unknown = [key for key in submitted if key not in known]
        metadata = submitted.get("metadata") or {}
        unknown += [f"metadata.{key}" for key in metadata if key not in METADATA_FIELDS]
        return [f'unknown field "{field}"' for field in unknown]

    def other_namespace(self, stated: str, requested: str) -> RefusalError:
        """A patch names another namespace than its path.

        EnsureObjectNamespaceMatchesRequestNamespace in
        staging/src/k8s.io/apiserver/pkg/registry/rest/meta.go; before, checkName in
        endpoints/handlers/rest.go.
        """
        if self.version >= _MODERN_WRITES:
            return namespace_mismatch()
        return bad_request(
            f"the namespace of the object ({stated}) does not match "
            f"the namespace on the request ({requested})"
        )

    @property
    def text_for_references(self) -> str:
        """``imagePullSecrets`` is a text: the decoders differ."""
        if self.version >= _MODERN_WRITES:
            return (
                "json: cannot unmarshal string into Go struct field "
                "ServiceAccount.imagePullSecrets of type []v1.LocalObjectReference"
            )
        return "v1.ServiceAccount.ImagePullSecrets: []v1.LocalObjectReference: decode slice"

    @property
    def not_a_json_patch(self) -> RefusalError:
        """A merge patch is not JSON: endpoints/handlers/patch.go in apiserver."""
        if self.version >= _MODERN_WRITES:
            return bad_request("error decoding patch: invalid character")
        return internal("Invalid JSON Patch")

    def other_type(self, resource: Resource, patch: Json) -> RefusalError | None:
        """An apply has another apiVersion or kind than its path, or None where it fits.

        staging/src/k8s.io/apimachinery/pkg/util/managedfields/internal/versioncheck.go; before,
        structuredmerge.go beside it.
        """
        version, kind = patch.get("apiVersion") or "", patch.get("kind") or ""
        if (version, kind) == (resource.api_version, resource.kind):
            return None
        if self.version >= _MODERN_MESSAGES:
            named = version if "/" in version else f"/{version}"
            return bad_request(f"invalid object type: {named}, Kind={kind}")
        if version != resource.api_version:
            return bad_request(
                "Incorrect version specified in apply patch. "
                f"Specified patch version: {version}, expected: {resource.api_version}"
            )
        return internal("failed to merge config: expected objects of the same type")

    def denied_creation(self, denial: str) -> str:
        """Why an apply may not create: withAuthorization in endpoints/handlers/create.go."""
        return denial if self.version >= _MODERN_MESSAGES else ""

    def too_long(self, limit: int) -> str:
        """``field.TooLong`` in staging/src/k8s.io/apimachinery/pkg/util/validation/field."""
        verb = "may not be more than" if self.version >= _MODERN_MESSAGES else "must have at most"
        return f"Too long: {verb} {limit} bytes"


def namespace_mismatch() -> RefusalError:
    """A POST names another namespace than its path; in modern servers, any write."""
    return bad_request(
        "the namespace of the provided object does not match the namespace sent on the request"
    )
