"""Admission webhooks in front of a real API server: they deny, warn, hang or break as a test says.

They are asked only about objects in namespaces with the label `watched: by-webhook`.
"""

from __future__ import annotations

import base64
import http.server
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any

from localkube import KubeCluster
from localkube.pki import Authority

NAME = "no.example.com"
WATCHED = {"watched": "by-webhook"}
RULES = [
    {"resources": ["secrets"], "operations": ["CREATE", "UPDATE", "DELETE"]},
    {"resources": ["serviceaccounts"], "operations": ["UPDATE"]},
    {"resources": ["serviceaccounts/token"], "operations": ["CREATE"]},
]
TIMEOUT_SECONDS = 1
EFFECTIVE_SECONDS = 20
"""An API server reads a new webhook configuration within a second or two."""


@dataclass
class Webhook:
    """What the webhook does with requests for `resource` and `operation`; empty means all.

    With `denial` it denies with this status, and with `message`. With `hangs` it answers too late,
    and with `broken` it ends the connection. `requires` is a label without which it denies. `patch`
    are the operations with which a mutating webhook changes an object.
    """

    resource: str = ""
    operation: str = ""
    denial: int = 0
    message: str = "the policy's own words"
    warnings: Sequence[str] = ()
    hangs: bool = False
    broken: bool = False
    requires: str = ""
    patch: Sequence[Mapping[str, Any]] = ()
    asked: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def behave(self, resource: str = "", operation: str = "", **behaviour: Any) -> None:
        """Behave like this from now on, towards these requests only."""
        fresh = Webhook(resource, operation, **behaviour)
        for each in fields(self):
            if each.name not in ("asked", "ended"):
                setattr(self, each.name, getattr(fresh, each.name))
        self.asked.clear()

    def review(self, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """The response to a request of an AdmissionReview; None to answer nothing."""
        kind = request["resource"]["resource"]
        resource = f"{kind}/{request['subResource']}" if request.get("subResource") else kind
        self.asked.append(f"{request['operation']} {resource}")
        response: dict[str, Any] = {"uid": request["uid"], "allowed": True}
        if self.resource not in ("", resource) or self.operation not in ("", request["operation"]):
            return response
        if self.hangs:
            self.ended.wait(TIMEOUT_SECONDS * 20)
        if self.broken:
            return None
        if self.warnings:
            response["warnings"] = list(self.warnings)
        if self.patch:
            response["patchType"] = "JSONPatch"
            response["patch"] = base64.b64encode(json.dumps(self.patch).encode()).decode()
        labels = (request.get("object") or {}).get("metadata", {}).get("labels") or {}
        if self.requires and self.requires not in labels:
            response["allowed"] = False
            response["status"] = {"code": 403, "message": f"label {self.requires} is missing"}
        if self.denial:
            response["allowed"] = False
            response["status"] = {"code": self.denial, "message": self.message}
        return response


@contextmanager
def webhook_on(cluster: KubeCluster, kind: str = "validating") -> Iterator[Webhook]:
    """A webhook that the API server asks; gone on exit. It allows everything at first."""
    webhook, authority = Webhook(), Authority("webhooks")
    with served(webhook, authority) as port:
        path = f"/apis/admissionregistration.k8s.io/v1/{kind}webhookconfigurations"
        cluster.expect("POST", path, configuration(port, authority))
        try:
            wait_until_asked(cluster, webhook)
            yield webhook
        finally:
            webhook.ended.set()
            cluster.expect("DELETE", f"{path}/{NAME}")
            wait_until_forgotten(cluster, webhook)


def configuration(port: int, authority: Authority) -> dict[str, Any]:
    every = {"apiGroups": [""], "apiVersions": ["v1"]}
    hook = {
        "name": NAME,
        "clientConfig": {
            "url": f"https://127.0.0.1:{port}/review",
            "caBundle": base64.b64encode(authority.pem.encode()).decode(),
        },
        "rules": [{**every, **rule} for rule in RULES],
        "namespaceSelector": {"matchLabels": WATCHED},
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "timeoutSeconds": TIMEOUT_SECONDS,
        "admissionReviewVersions": ["v1"],
    }
    return {"metadata": {"name": NAME}, "webhooks": [hook]}


def wait_until_asked(cluster: KubeCluster, webhook: Webhook) -> None:
    """Until the API server asks the webhook about a Secret that a dry run creates."""
    cluster.request("POST", "/api/v1/namespaces", {"metadata": {"name": NAME.replace(".", "-")}})
    labels = {"metadata": {"labels": WATCHED}}
    namespace = f"/api/v1/namespaces/{NAME.replace('.', '-')}"
    cluster.expect("PATCH", namespace, labels, content_type="application/merge-patch+json")
    _poll(cluster, lambda: bool(webhook.asked))
    webhook.asked.clear()


def wait_until_forgotten(cluster: KubeCluster, webhook: Webhook) -> None:
    """Until the API server no longer asks the webhook. Nothing listens there afterwards."""

    def forgotten() -> bool:
        asked = bool(webhook.asked)
        webhook.asked.clear()
        return not asked

    webhook.behave()
    _poll(cluster, forgotten)


def _poll(cluster: KubeCluster, done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + EFFECTIVE_SECONDS
    while True:
        path = f"/api/v1/namespaces/{NAME.replace('.', '-')}/secrets?dryRun=All"
        cluster.request("POST", path, {"metadata": {"name": "probe"}})
        if done():
            return
        assert time.monotonic() < deadline, (
            "the API server has not read the webhook's configuration"
        )
        time.sleep(0.1)


@contextmanager
def served(webhook: Webhook, authority: Authority) -> Iterator[int]:
    """Serve the webhook over TLS; gives the port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            response = webhook.review(review["request"])
            if response is None:
                self.close_connection = True
                return
            kind = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
            body = json.dumps({**kind, "response": response}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.server_certificate().load_into(tls)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
