"""The function's entry points: wiring only.

Function Compute calls `initialize(context)` once an instance, `handle(event, context)` once an
invocation and `pre_stop(context)` before it takes the instance away.
https://www.alibabacloud.com/help/en/functioncompute/user-guide/event-handlers-3
"""

from __future__ import annotations

import asyncio
import functools
import os
import uuid
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from acr_refresher import __version__, logs
from acr_refresher.adapters.cloud import CloudSdk, transport_from_environment
from acr_refresher.adapters.cr import CrClient
from acr_refresher.adapters.cs import CsClient
from acr_refresher.adapters.fc import Invocation, read_invocation
from acr_refresher.adapters.files import LocalKubeconfigs, Pod
from acr_refresher.adapters.kms import KmsClient
from acr_refresher.adapters.kube import KubernetesConnector
from acr_refresher.adapters.registry import REGISTRY_CA_VARIABLE, RegistryClient
from acr_refresher.adapters.sls import SlsLog
from acr_refresher.adapters.sts import StsClient
from acr_refresher.config import Config, load_config
from acr_refresher.connect import KubeconfigCache, Kubeconfigs
from acr_refresher.core.report import Report, to_json
from acr_refresher.events import InvalidEvent, parse_event, unknown_names
from acr_refresher.run import Context, Outside, run

CONFIG_VARIABLE = "ACR_REFRESHER_CONFIG"
SERVICE_ACCOUNT_FOLDER = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds its own service account."""
USUAL_TIMEOUT = timedelta(minutes=10)
TO_REPORT = timedelta(seconds=5)
"""Kept back from the function's timeout to report what was not finished."""


class RunFailed(Exception):
    """A timer's run left something that needs attention; every other cluster was served.

    Raised so that the platform counts the invocation as failed; the details are in the log.
    """


def initialize(context: object) -> None:
    """Make the instance ready. Raises ConfigError with every problem of config.yaml."""
    del context
    logs.configure()
    _config()
    _sdk()


def handle(event: bytes | str, context: object) -> dict[str, Any]:
    """One run: the report as JSON-able data.

    Raises InvalidEvent, ConfigError or Denied (the function has no role) before anything is done,
    and RunFailed after everything was done where a timer's run needs attention.
    """
    logs.configure()
    request = parse_event(event)
    config = _config()
    if unknown := unknown_names(request, config):
        raise InvalidEvent(unknown)
    invocation = read_invocation(context, os.environ)
    asked = Context(
        run=invocation.request_id or str(uuid.uuid4()),
        request=request,
        now=datetime.now(timezone.utc),
        budget=(invocation.timeout or USUAL_TIMEOUT) - TO_REPORT,
        account=invocation.account_id,
    )
    report = asyncio.run(run(asked, config, _outside(config, invocation)))
    if request.by_timer and not report.ok:
        raise RunFailed(_verdict(report))
    return to_json(report)


def pre_stop(context: object) -> None:
    """Give the threads back before the instance goes."""
    del context
    _sdk().close()
    _sdk.cache_clear()
    _kubeconfig_cache.cache_clear()
    _registry_hosts.cache_clear()


@functools.cache
def _config() -> Config:
    return load_config(_config_path())


@functools.cache
def _sdk() -> CloudSdk:
    return CloudSdk(transport_from_environment(os.environ))


@functools.cache
def _kubeconfig_cache() -> KubeconfigCache:
    return KubeconfigCache()


@functools.cache
def _registry_hosts() -> RegistryClient:
    ca_file = os.environ.get(REGISTRY_CA_VARIABLE) or None
    return RegistryClient(transport_from_environment(os.environ), ca_file)


def _config_path() -> Path:
    return Path(os.environ.get(CONFIG_VARIABLE) or Path(__file__).with_name("config.yaml"))


def _outside(config: Config, invocation: Invocation) -> Outside:
    sdk = _sdk()
    return Outside(
        function=invocation.credentials,
        sts=StsClient(sdk, invocation.region_id),
        registry_api=CrClient(sdk),
        registry_hosts=_registry_hosts(),
        clock_skew=sdk.take_clock_skew,
        kubeconfigs=Kubeconfigs(
            ack=CsClient(sdk),
            kms=KmsClient(sdk),
            files=LocalKubeconfigs(_config_path().parent, Pod(SERVICE_ACCOUNT_FOLDER, os.environ)),
            cache=_kubeconfig_cache(),
        ),
        connector=KubernetesConnector(__version__),
        outcome_log=_outcome_log(config, invocation),
    )


def _outcome_log(config: Config, invocation: Invocation) -> SlsLog | None:
    if config.logstore is None:
        return None
    return SlsLog(_sdk(), invocation.credentials, config.logstore, invocation.region_id)


def _verdict(report: Report) -> str:
    return (
        f"run {report.run}: {len(report.failing)} of {len(report.clusters)} clusters need"
        f" attention: {', '.join(report.failing)}"
    )
