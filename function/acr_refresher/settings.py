"""Every time-out and limit of the function, with its unit and its reason.

config.yaml may change those that say so; the others are fixed. Numbers that belong to the algorithm
of one function, or to the format of one API, stand beside that function.

A request is shorter than the time of a cluster. The time of a cluster, the time to wind up and the
time to report fit into the time of the function together: tests/unit/test_settings.py adds them up.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Settings:
    """Time-outs and limits. Tests pass a copy that `dataclasses.replace` makes."""

    # ---- one invocation of the function ---------------------------------------------------------
    function_timeout: timedelta = timedelta(minutes=10)
    """The function's timeout where Function Compute does not say it."""
    report_time: timedelta = timedelta(seconds=5)
    """Kept back from the function's timeout: to answer, and to log what was not finished."""
    wind_up_time: timedelta = timedelta(seconds=5)
    """Kept back from the run's time: to delegate clusters that wait, and to write the outcomes."""
    collect_garbage_after: int = 10_000
    """New objects (some 10 MB) between two garbage collections. Few of a run's objects are in
    cycles, and collecting at Python's default took a tenth of a run's CPU."""

    # ---- one cluster ----------------------------------------------------------------------------
    clusters_at_once: int = 64
    """Clusters served at the same time. config.yaml: concurrency."""
    cluster_timeout: timedelta = timedelta(seconds=20)
    """The time of one cluster, without its waits for the cloud. config.yaml: clusterTimeout."""
    cluster_timeout_min: timedelta = timedelta(seconds=1)
    """The shortest clusterTimeout that config.yaml may set."""
    cluster_timeout_max: timedelta = timedelta(minutes=10)
    """The longest clusterTimeout that config.yaml may set."""
    requests_per_cluster: int = 16
    """Requests to one API server at the same time: a small server takes them without queues."""
    stalled_request: timedelta = timedelta(seconds=0.5)
    """A cluster gets another worker if no request ends for this long."""
    objects_on_one_connection: int = 25
    """Objects that are written over a single connection. A TLS handshake costs the CPU of five
    writes, and its buffers take 256 KiB, so a second connection has to pay off."""
    objects_per_connection: int = 12
    """Objects that are written over each connection where there are several."""
    binding_attempts: int = 5
    """Attempts to change a service account that others change at the same time."""

    # ---- requests to API servers of Kubernetes --------------------------------------------------
    kube_request_timeout: timedelta = timedelta(seconds=10)
    """One request to an API server, from connecting to the last byte."""
    kube_connect_timeout: timedelta = timedelta(seconds=5)
    """A TCP connection to an API server."""
    kube_page_size: int = 500
    """Objects per page of a list: the page size of kubectl."""
    plugin_timeout: timedelta = timedelta(seconds=15)
    """One run of a kubeconfig's credential plugin: shorter than a cluster's time, to be named."""
    file_timeout: timedelta = timedelta(seconds=10)
    """Reading a kubeconfig file, or the files that it names: mounted file systems may hang."""
    kubeconfig_depth: int = 20
    """Levels of nesting in a kubeconfig: the parser recurses, and a deep document ends Python."""
    tls_clients_kept: int = 2000
    """TLS clients (27 KB each) that a warm instance keeps."""

    # ---- kubeconfigs that a warm instance keeps -------------------------------------------------
    kubeconfigs_kept: int = 5000
    """Kubeconfigs (7 KB each). An instance that serves shards sees other clusters in every run."""
    kubeconfig_margin: timedelta = timedelta(minutes=10)
    """A kubeconfig that expires sooner is fetched again: a run may last that long."""
    kubeconfig_kept: timedelta = timedelta(hours=1)
    """The time for which a kubeconfig without an expiry is kept: its secret may change any time."""
    kubeconfig_duration: timedelta = timedelta(hours=1)
    """Validity of the kubeconfigs that ACK issues. config.yaml: kubeconfigDuration."""
    kubeconfig_duration_min: timedelta = timedelta(minutes=15)
    """The shortest that ACK issues."""
    kubeconfig_duration_max: timedelta = timedelta(hours=72)
    """The longest that ACK issues."""

    # ---- requests to the cloud ------------------------------------------------------------------
    cloud_connect_timeout: timedelta = timedelta(seconds=3)
    """A TCP connection to a service of the cloud."""
    cloud_read_timeout: timedelta = timedelta(seconds=8)
    """The silence of a service of the cloud after which its answer is given up."""
    cloud_answer_bytes: int = 4 * 1024 * 1024
    """One answer of a service of the cloud: a page of 100 clusters has some 500 KB."""
    cloud_answer_timeout: timedelta = timedelta(seconds=30)
    """One request to the cloud from its first to its last byte, however short the silences are."""
    cloud_threads: int = 16
    """Requests to the cloud at the same time: the SDKs block, so each has a thread."""
    clock_timeout: timedelta = timedelta(seconds=3)
    """The request that asks for the cloud's time after a refusal that blames the clock."""
    clock_tolerance: timedelta = timedelta(minutes=1)
    """Differences between the clocks that are not reported: the answer itself took its time."""
    registry_timeout: timedelta = timedelta(seconds=5)
    """One request to a registry, to try a new token."""
    registry_answer_bytes: int = 65_536
    """One answer of a registry or of its login service, with headers: tokens have some 2 KB."""
    invoke_timeout: timedelta = timedelta(hours=1)
    """The answer of an invoked function, whatever that function's own timeout."""
    invoke_answer_bytes: int = 32 * 1024 * 1024
    """The answer of an invoked function: the limit of Function Compute."""
    list_page_size: int = 100
    """Clusters per page of a list: the most that Container Service for Kubernetes returns."""
    list_pages: int = 500
    """Pages of one list: 50,000 clusters, ten times as many as an account may have anywhere."""
    list_pages_at_once: int = 8
    """Pages of one list at the same time: the rate limit is then what a long list waits for."""
    session_duration: timedelta = timedelta(hours=1)
    """Role sessions that lead to another role or fetch a kubeconfig: every role allows an hour."""
    identity_duration: timedelta = timedelta(minutes=10)
    """Service account tokens for RRSA: the shortest that an API server issues."""

    # ---- attempts of one request ----------------------------------------------------------------
    retry_attempts: int = 4
    """Attempts of one request, the first included."""
    retry_timeout: timedelta = timedelta(seconds=30)
    """From the beginning of the first attempt until the last repeated one ends."""
    retry_first_wait: timedelta = timedelta(seconds=0.2)
    """The wait before the second attempt, to which jitter is added; it doubles."""
    retry_longest_wait: timedelta = timedelta(seconds=10)
    """The longest wait between attempts. A service that asks for more is not asked again."""

    # ---- further invocations --------------------------------------------------------------------
    shard_size: int = 500
    """Clusters that one invocation serves. config.yaml: shardSize."""
    shard_event_bytes: int = 128_000
    """The event of a shard: an asynchronous invocation takes 128 KB."""
    shard_starts_at_once: int = 16
    """Shards that are started at the same time."""
    shard_start_timeout: timedelta = timedelta(seconds=30)
    """The time to start all shards: this invocation serves what it cannot start."""

    # ---- the log of outcomes in Simple Log Service ----------------------------------------------
    publish_time_min: timedelta = timedelta(seconds=3)
    """Allowed even if the clusters used up the run's time; taken from what is kept back."""
    publish_time_max: timedelta = timedelta(seconds=30)
    """A log service that does not answer must not keep the function running."""
    record_text: int = 10_000
    """Characters per value. SLS stores a megabyte and indexes two kilobytes."""
    batch_records: int = 4096
    """Records per call of PutLogs: its limit.
    https://www.alibabacloud.com/help/en/sls/developer-reference/api-putlogs"""
    batch_bytes: int = 2_000_000
    """Bytes per call of PutLogs, below its limit of 3 MB (10 MB in newer documents)."""
    unsent_per_line: int = 500
    """Names of unsent records per log line: some 50 kB."""

    # ---- pull secrets ---------------------------------------------------------------------------
    expiring_threshold: timedelta = timedelta(minutes=15)
    """A secret that expires sooner is renewed. config.yaml: expiringThreshold."""
    expiring_threshold_max: timedelta = timedelta(hours=12)
    """A token lives at most 12 hours, so a threshold must be shorter."""
    removal_share: float = 0.30
    """The largest part of a cluster's Secrets of one name that one run removes unasked."""
    removal_guard_from: int = 10
    """A cluster with fewer Secrets of one name is not guarded: there, each is a large part."""

    # ---- texts of others, and tracebacks --------------------------------------------------------
    answer_text: int = 4000
    """Characters of the message in a service's or an API server's answer that are looked at."""
    quoted_text: int = 300
    """Characters of that message that our own message quotes."""
    traceback_frames: int = 30
    """Frames of a traceback in the log, the innermost ones: a recursion has a thousand."""

    # ---- the command-line tool ------------------------------------------------------------------
    local_run_time: timedelta = timedelta(hours=1)
    """A run of `refresh --local`."""
    local_list_timeout: timedelta = timedelta(minutes=5)
    """The lists of clusters that a command waits for."""


SETTINGS = Settings()
"""The settings in force."""
