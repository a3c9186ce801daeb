"""The policies of infra/admission, evaluated for the reviews that a real API server sends.

A ValidatingAdmissionPolicy needs Kubernetes 1.30. An older API server gets the same decisions from
a validating webhook, which evaluates the CEL expressions of the files with `cel-python`. So the
objects, the users and the operations are an API server's, and only the evaluation is not its own.
https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import celpy
import yaml
from celpy.adapter import json_to_cel
from celpy.celtypes import MapType
from celpy.evaluation import CELEvalError

from localkube.cluster import KubeCluster

FILE = Path(__file__).parents[1] / "infra" / "admission" / "confine-function.yaml"
WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"

Json = dict[str, Any]


@lru_cache
def _program(expression: str) -> celpy.Runner:
    environment = celpy.Environment()
    return environment.program(environment.compile(expression))


def _evaluate(expression: str, values: Mapping[str, Any]) -> Any:
    return _program(expression).evaluate(dict(values))


@dataclass(frozen=True)
class Policy:
    """One ValidatingAdmissionPolicy, as its manifest has it."""

    name: str
    spec: Json

    def refusal(self, review: Json) -> str:
        """The message of the first validation that denies a request; empty if none does.

        An expression that cannot be evaluated denies it, as `failurePolicy: Fail` asks for.
        """
        values = {name: json_to_cel(review.get(name)) for name in ("object", "oldObject")}
        values["request"] = json_to_cel(review)
        if not (self._matches(review) and self._concerns(values)):
            return ""
        variables: Json = {}
        for variable in self.spec.get("variables", ()):
            values["variables"] = MapType(variables)
            variables[variable["name"]] = _evaluate(variable["expression"], values)
        values["variables"] = MapType(variables)
        for validation in self.spec["validations"]:
            if not _holds(validation["expression"], values):
                return f"{self.name}: {_message(validation, values)}"
        return ""

    def _matches(self, review: Json) -> bool:
        resource = review["resource"]["resource"]
        if subresource := review.get("subResource"):
            resource = f"{resource}/{subresource}"
        return any(
            review["resource"]["group"] in rule["apiGroups"]
            and review["resource"]["version"] in rule["apiVersions"]
            and review["operation"] in rule["operations"]
            and resource in rule["resources"]
            for rule in self.spec["matchConstraints"]["resourceRules"]
        )

    def _concerns(self, values: Mapping[str, Any]) -> bool:
        conditions = self.spec.get("matchConditions", ())
        return all(_evaluate(condition["expression"], values) for condition in conditions)


def _holds(expression: str, values: Mapping[str, Any]) -> bool:
    try:
        return bool(_evaluate(expression, values))
    except CELEvalError:
        return False


def _message(validation: Json, values: Mapping[str, Any]) -> str:
    if expression := validation.get("messageExpression"):
        return str(_evaluate(expression, values))
    return str(validation["message"])


def policies() -> tuple[Policy, ...]:
    """Those that a binding enforces."""
    manifests = list(yaml.safe_load_all(FILE.read_text(encoding="utf-8")))
    enforced = {
        manifest["spec"]["policyName"]
        for manifest in manifests
        if manifest["kind"] == "ValidatingAdmissionPolicyBinding"
        and manifest["spec"]["validationActions"] == ["Deny"]
    }
    return tuple(
        Policy(manifest["metadata"]["name"], manifest["spec"])
        for manifest in manifests
        if manifest["metadata"]["name"] in enforced
        and manifest["kind"] == "ValidatingAdmissionPolicy"
    )


class _Webhook(BaseHTTPRequestHandler):
    """Answers an AdmissionReview. No policy: it allows everything."""

    enforced: Sequence[Policy] = ()
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
        refusal = next(filter(None, (each.refusal(request) for each in self.enforced)), "")
        status = {"code": 422, "message": refusal} if refusal else {}
        response = {"uid": request["uid"], "allowed": not refusal, "status": status}
        kind = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
        body = json.dumps({**kind, "response": response}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base's name
        """Print nothing."""


@contextmanager
def confined(cluster: KubeCluster) -> Iterator[None]:
    """The API server asks the policies about each Secret, service account and token."""
    handler = type("Webhook", (_Webhook,), {"enforced": policies()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    cluster.access.authority.server_certificate().load_into(tls)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        cluster.expect("POST", WEBHOOKS, _configuration(cluster, server.server_address[1]))
        yield
    finally:
        cluster.request("DELETE", f"{WEBHOOKS}/confine-function")
        server.shutdown()
        server.server_close()
        thread.join()


def _configuration(cluster: KubeCluster, port: int) -> Json:
    rules = [
        rule for policy in policies() for rule in policy.spec["matchConstraints"]["resourceRules"]
    ]
    webhook = {
        "name": "confine-function.acr-refresher.test",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "rules": rules,
        "clientConfig": {
            "url": f"https://127.0.0.1:{port}/",
            "caBundle": base64.b64encode(cluster.ca_pem.encode()).decode(),
        },
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "confine-function"},
        "webhooks": [webhook],
    }
