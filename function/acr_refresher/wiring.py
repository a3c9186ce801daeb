"""Which adapters a run reaches out with: the same for the function and the operator's commands."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from acr_refresher import __version__
from acr_refresher.adapters.cloud import CloudSdk, transport_from_environment
from acr_refresher.adapters.cr import CrClient
from acr_refresher.adapters.cs import CsClient
from acr_refresher.adapters.files import LocalKubeconfigs, Pod
from acr_refresher.adapters.functions import FunctionClient
from acr_refresher.adapters.kms import KmsClient
from acr_refresher.adapters.kube import KubernetesConnector
from acr_refresher.adapters.kube_tls import TlsClients
from acr_refresher.adapters.registry import RegistryClient
from acr_refresher.adapters.sls import SlsLog
from acr_refresher.adapters.sts import StsClient
from acr_refresher.budgets import Buckets, Budgets
from acr_refresher.config import Config
from acr_refresher.connect import KubeconfigCache, Kubeconfigs
from acr_refresher.context import Caller
from acr_refresher.run import Outside
from acr_refresher.serve import Visits

SERVICE_ACCOUNT_FOLDER = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds its own service account."""


@dataclass(frozen=True, slots=True)
class Instance:
    """What lasts from one run to the next while a process is warm.

    `apart` is what a run ends with when its time is up: handing on, and writing its outcomes.
    """

    sdk: CloudSdk
    apart: CloudSdk
    registry_hosts: RegistryClient
    environ: Mapping[str, str]
    kubeconfig_cache: KubeconfigCache = field(default_factory=KubeconfigCache)
    tls_clients: TlsClients = field(default_factory=TlsClients)
    visits: Visits = field(default_factory=Visits)
    buckets: Buckets = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic

    @staticmethod
    def new(environ: Mapping[str, str]) -> Instance:
        """One of its own. Raises ValueError: a stand-in for the cloud is not on this machine."""
        transport = transport_from_environment(environ)
        sdk = CloudSdk(transport)
        return Instance(sdk, sdk.apart(), RegistryClient(transport), environ)

    def outside(self, config: Config, folder: Path, caller: Caller) -> Outside:
        """All that a run reaches out to. Kubeconfig files are looked for in the folder."""
        budgets = Budgets(config.rate_limits, self.buckets, self.clock)
        sdk = self.sdk.within(budgets)
        return Outside(
            function=caller.credentials,
            sts=StsClient(sdk, caller.region_id),
            registry_api=CrClient(sdk),
            registry_hosts=self.registry_hosts,
            clock_skew=sdk.take_clock_skew,
            throttled=budgets.throttled,
            kubeconfigs=Kubeconfigs(
                ack=CsClient(sdk),
                kms=KmsClient(sdk),
                files=LocalKubeconfigs(folder, Pod(SERVICE_ACCOUNT_FOLDER, self.environ)),
                cache=self.kubeconfig_cache,
            ),
            connector=KubernetesConnector(__version__, self.tls_clients),
            outcome_log=self._outcome_log(config, caller),
            functions=self.functions(caller),
            visits=self.visits,
        )

    def functions(self, caller: Caller) -> FunctionClient:
        """What invokes functions of Function Compute."""
        return FunctionClient(self.apart, caller.credentials)

    def close(self) -> None:
        """Give the threads back."""
        self.sdk.close()
        self.apart.close()

    def _outcome_log(self, config: Config, caller: Caller) -> SlsLog | None:
        if config.logstore is None:
            return None
        return SlsLog(self.apart, caller.credentials, config.logstore, caller.region_id)
