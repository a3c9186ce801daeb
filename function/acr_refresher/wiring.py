"""Connects the run with its adapters, for the function and for the commands."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from acr_refresher import __version__
from acr_refresher.cloud.client import CloudClient, transport_from_environment
from acr_refresher.cloud.cr import CrClient
from acr_refresher.cloud.cs import CsClient
from acr_refresher.cloud.fc import FunctionClient
from acr_refresher.cloud.kms import KmsClient
from acr_refresher.cloud.registry import RegistryClient
from acr_refresher.cloud.sls import SlsLog
from acr_refresher.cloud.sts import StsClient
from acr_refresher.config.load import Config
from acr_refresher.kube.api import KubernetesConnector
from acr_refresher.kube.files import LocalKubeconfigs, Pod
from acr_refresher.kube.kept import OpenKubeconfigs
from acr_refresher.run.cluster import LastSeenClusters
from acr_refresher.run.connect import KubeconfigCache, Kubeconfigs
from acr_refresher.run.ports import Caller
from acr_refresher.run.rate_limit import Buckets, RateLimiter
from acr_refresher.run.run import Dependencies

SERVICE_ACCOUNT_FOLDER = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""The folder of a pod's own service account."""


@dataclass(frozen=True, slots=True)
class Instance:
    """What a warm instance keeps from run to run.

    `reporting_client` has threads of its own. So a run can delegate clusters and write its outcomes
    while services that do not answer occupy all other threads.
    """

    cloud_client: CloudClient
    reporting_client: CloudClient
    registry_hosts: RegistryClient
    environ: Mapping[str, str]
    kubeconfig_cache: KubeconfigCache = field(default_factory=KubeconfigCache)
    open_kubeconfigs: OpenKubeconfigs = field(default_factory=OpenKubeconfigs)
    last_seen: LastSeenClusters = field(default_factory=LastSeenClusters)
    buckets: Buckets = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic

    @staticmethod
    def new(environ: Mapping[str, str]) -> Instance:
        """Make an instance. Raises ValueError if the local cloud is not on this machine."""
        transport = transport_from_environment(environ)
        client = CloudClient(transport)
        return Instance(client, client.with_own_threads(), RegistryClient(transport), environ)

    def dependencies(self, config: Config, folder: Path, caller: Caller) -> Dependencies:
        """Return the adapters of one run. Paths of kubeconfig files are relative to the folder."""
        rate_limiter = RateLimiter(config.rate_limits, self.buckets, self.clock)
        client = self.cloud_client.with_rate_limiter(rate_limiter)
        return Dependencies(
            credentials=caller.credentials,
            sts=StsClient(client, caller.region_id),
            registry_api=CrClient(client),
            registry_hosts=self.registry_hosts,
            clock_skew=client.clock_skew,
            throttled=rate_limiter.throttled,
            kubeconfigs=Kubeconfigs(
                ack=CsClient(client),
                kms=KmsClient(client),
                files=LocalKubeconfigs(folder, Pod(SERVICE_ACCOUNT_FOLDER, self.environ)),
                cache=self.kubeconfig_cache,
            ),
            connector=KubernetesConnector(__version__, self.open_kubeconfigs),
            outcome_log=self._outcome_log(config, caller),
            functions=self.functions(caller),
            last_seen=self.last_seen,
        )

    def functions(self, caller: Caller) -> FunctionClient:
        """Return the client that invokes functions."""
        return FunctionClient(self.reporting_client, caller.credentials)

    def close(self) -> None:
        """End the threads."""
        self.cloud_client.close()
        self.reporting_client.close()

    def _outcome_log(self, config: Config, caller: Caller) -> SlsLog | None:
        if config.logstore is None:
            return None
        return SlsLog(self.reporting_client, caller.credentials, config.logstore, caller.region_id)
