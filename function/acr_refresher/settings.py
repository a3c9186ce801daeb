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
    kube_answer_bytes: int = 4 * 2**20
    """Bytes of one answer. A page beyond it is asked for again with fewer objects. Parsing one
    takes less than 0.2 s, during which no other cluster is served."""
    kube_answer_values: int = 200_000
    """Values in the JSON of one answer of more than half of these bytes. Each takes up to 100 bytes
    of memory. A page of 500 service accounts has some 20,000."""
    kube_list_items: int = 50_000
    """Objects of one list: ten service accounts in each of 5,000 namespaces."""
    kube_list_pages: int = 500
    """Pages of one list. A list of most objects has 100, and more if a few pages are large."""
    kube_list_bytes: int = 32 * 2**20
    """Bytes of one list of a cluster: 30,000 objects of 1 kB each."""
    kube_namespace_bytes: int = 4 * 2**20
    """Bytes of one list of a namespace, so that some large namespaces leave enough for others."""
    kube_visit_bytes: int = 192 * 2**20
    """Bytes of all answers in one visit of a cluster: reading them takes a second of CPU."""
    kube_kept_bytes: int = 24 * 2**20
    """Bytes that the states of one cluster take: those of some 70,000 objects."""
    kube_kept_freely: int = 2 * 2**20
    """Bytes of states that every cluster may keep: those of some 6,000 objects."""
    kube_large_clusters: int = 4
    """Clusters at the same time that keep more than that. The others wait."""
    kube_small_answer_bytes: int = 512 * 2**10
    """Bytes of an answer that is read at any time."""
    kube_large_answers: int = 16
    """Larger answers that are read at the same time. The others wait."""
    kube_large_answer_time: timedelta = timedelta(seconds=5)
    """The time to read the rest of a large answer, for which others wait: 1 MB a second."""
    kube_name: int = 253
    """Characters of a name, a UID or a resource version: the longest name of an object."""
    kube_continue: int = 4096
    """Characters of the token of a list's next page: it has the name of an object."""
    kube_document_bytes: int = 512 * 2**10
    """Characters of a Secret's document in base64: the logins of some 60 registries."""
    kube_annotation: int = 64 * 2**10
    """Characters of an annotation of a pull secret: the record of some 200 registries."""
    namespaces_at_once: int = 4
    """Requests at the same time where one list has to be made namespace by namespace."""
    kube_rights_wait: timedelta = timedelta(seconds=0.5)
    """From the first refusal by RBAC until refusals count: an API server that has just started
    knows its roles after 20 to 100 ms."""
    kube_warnings: int = 5
    """Different texts of an API server's Warning headers that an outcome has."""
    plugin_timeout: timedelta = timedelta(seconds=15)
    """One run of a kubeconfig's credential plugin: shorter than a cluster's time, to be named."""
    file_timeout: timedelta = timedelta(seconds=10)
    """Reading a kubeconfig file, or the files that it names: mounted file systems may hang."""
    kubeconfig_characters: int = 500_000
    """Characters of a kubeconfig, of which a cluster and its user take 6,000."""
    kubeconfig_values: int = 10_000
    """Values in a kubeconfig, of which a cluster and its user take 25. Each hundred characters of
    a value count as another. The kubeconfig is read in the event loop: this many take 50 ms."""
    open_kubeconfigs_kept: int = 1000
    """Kubeconfigs, each with its TLS client (90 KB together), that a warm instance keeps."""

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

    # ---- YAML -----------------------------------------------------------------------------------
    helper_values: int = 100_000
    """Values in the text that `import` reads, which may be a list of all ConfigMaps of a cluster.
    Each hundred characters of a value count as another."""
    yaml_depth: int = 32
    """Levels of nesting: the readers recurse, and a deep document ends Python."""
    yaml_number: int = 100
    """Characters of a number or a date. Reading a number may take the square of its length."""
    yaml_repeated_share: int = 20
    """What aliases (`*name`) and merge keys may repeat, per value that is written out."""
    yaml_repeated_min: int = 1000
    """Values that aliases and merge keys may repeat in any document."""

    # ---- pull secrets ---------------------------------------------------------------------------
    expiring_threshold: timedelta = timedelta(minutes=15)
    """A secret that expires sooner is renewed. config.yaml: expiringThreshold."""
    expiring_threshold_max: timedelta = timedelta(hours=12)
    """A token lives at most 12 hours, so a threshold must be shorter."""
    token_lifetime_max: timedelta = timedelta(hours=12)
    """The longest that a registry token lives: the longest role session. A record is not believed
    if an expiry in it is later."""
    record_slack: timedelta = timedelta(minutes=30)
    """A recorded time may be later by this much. The cloud accepts clocks that are 15 minutes off,
    so the clocks of two runs differ by at most 30."""
    record_entries: int = 1000
    """Entries in one record. With so many tokens a Secret exceeds its limit of 1 MiB."""
    record_size: int = 262_144
    """Characters of one record: the limit of Kubernetes for all annotations of an object."""
    entry_text: int = 260
    """Characters of a registry's name or host: a host name has 253, and its port 6 more."""
    repair_memory: timedelta = timedelta(hours=1)
    """The same repair within this time counts as the next in a row. Controllers that keep objects
    as they are in Git look every 3 to 10 minutes, or once per hour at the latest."""
    repairs_in_a_row: int = 3
    """The same repairs in a row after which a secret is contended."""
    repairs_kept: int = 10_000
    """Secrets with recent repairs (300 bytes each) that a warm instance remembers."""
    secret_metadata_size: int = 65_536
    """Bytes of secretLabels and secretAnnotations of one Secret. Kubernetes allows 256 KiB of
    annotations, of which the record needs a part."""
    removal_share: float = 0.30
    """The largest part of a cluster's Secrets of one name that one run removes unasked."""
    removal_guard_from: int = 10
    """A cluster with fewer Secrets of one name is not guarded: there, each is a large part."""

    requested_registries: int = 20
    """Registries that a namespace's annotations may request. The others are ignored."""

    # ---- texts of others, and tracebacks --------------------------------------------------------
    answer_text: int = 4000
    """Characters of the message in a service's or an API server's answer that are looked at."""
    answer_causes: int = 20
    """Causes in an API server's answer that are looked at."""
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
