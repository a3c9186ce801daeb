"""The function as it is deployed, in a process of its own: `python -m bench.instance`."""

from __future__ import annotations

import functools
import importlib
import json
import sys
import time
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bench.child import Json, answer_questions, measured, peak_mb

TIMEOUT_SECONDS = 600
PACKAGES = (  # those of requirements.in, as their documentation imports them
    "alibabacloud_cr20181201.client",
    "alibabacloud_sts20150401.client",
    "alibabacloud_tea_openapi.client",
    "fc2",
    "kubernetes.client",
    "kubernetes.aio.client",
    "pydantic",
    "yaml",
    "stamina",
    "structlog",
)

NOT_DEPLOYED = "rich"
"""A package for development that structlog imports where it finds it."""


@functools.cache
def _handler() -> Any:
    """Imported and made ready, as the platform does with a new instance."""
    handler = importlib.import_module("handler")
    handler.initialize(None)
    return handler


def load() -> Json:
    """Nothing but a cold start."""
    _handler()
    return {"cpu_s": time.process_time(), "peak_mb": peak_mb()}


def import_packages() -> Json:
    """What the function rests on, imported plainly instead."""
    for package in PACKAGES:
        importlib.import_module(package)
    return {"cpu_s": time.process_time(), "peak_mb": peak_mb()}


def parse(path: str) -> Json:
    """Only the YAML of a configuration, as PyYAML's C loader reads it by itself."""
    text = Path(path).read_text(encoding="utf-8")
    yaml = importlib.import_module("yaml")

    def load() -> Json:
        yaml.load(text, Loader=yaml.CSafeLoader)
        return {}

    return measured(load)


def handle(event: Json, credentials: Json) -> Json:
    """One invocation, and what came of it."""
    handler, context = _handler(), _context(credentials)
    return measured(lambda: _told(handler.handle(json.dumps(event).encode(), context)))


def _told(report: dict[str, Any]) -> Json:
    return {
        "requests": sum(cluster["requests"] for cluster in report["clusters"]),
        "visits_s": sum(cluster["durationMs"] for cluster in report["clusters"]) / 1000,
        "served_s": sum(
            each["durationMs"] / 1000 for each in report["clusters"] if not each["failure"]
        ),
        "failed": [each["cluster"] for each in report["clusters"] if each["failure"]],
        "results": report["results"],
        "ok": report["ok"],
        "unsent": report["outcomesUnsent"],
    }


def _context(credentials: Json) -> SimpleNamespace:
    return SimpleNamespace(
        request_id=str(uuid.uuid4()),
        credentials=SimpleNamespace(**credentials),
        function=SimpleNamespace(timeout=TIMEOUT_SECONDS),
        region="cn-hangzhou",
        account_id="1000000000000001",
    )


if __name__ == "__main__":
    sys.modules[NOT_DEPLOYED] = None  # type: ignore[assignment]  # what import takes for "not found"
    answer_questions(
        {"load": load, "import_packages": import_packages, "parse": parse, "handle": handle}
    )
