"""What only the double can do: fail on demand, and keep a journal of its requests."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import urllib3

from contract.requests import NAME, US, apply, pull_secret, secret_path, token_of
from localkube.double import MODERN, OLD, DoubleCluster, Fault, api_double, api_doubles

NAMESPACES = "/api/v1/namespaces"


@pytest.fixture
def cluster() -> Iterator[DoubleCluster]:
    with api_double() as cluster:
        cluster.apply_rbac()
        cluster.create_namespace("shop")
        cluster.journal.clear()
        yield cluster


class TestFault:
    @pytest.mark.parametrize(
        ("status", "reason"),
        [(401, "Unauthorized"), (403, "Forbidden"), (500, "InternalError"), (410, "Expired")],
    )
    def test_answers_in_place_of_the_api(
        self, cluster: DoubleCluster, status: int, reason: str
    ) -> None:
        cluster.faults.add(Fault(status=status))
        answer = apply(cluster, "shop", pull_secret())
        assert (answer.status, answer.reason) == (status, reason)
        assert cluster.get_secret("shop", NAME) is None

    def test_is_for_certain_requests(self, cluster: DoubleCluster) -> None:
        fault = Fault(method="PATCH", path_contains="/shop/", status=500, times=2)
        cluster.faults.add(fault)
        assert cluster.request("GET", NAMESPACES).status == 200
        statuses = [apply(cluster, "shop", pull_secret()).status for _ in range(3)]
        assert statuses == [500, 500, 201]

    def test_lasts_until_cleared(self, cluster: DoubleCluster) -> None:
        cluster.faults.add(Fault(status=503, times=None))
        assert [cluster.request("GET", NAMESPACES).status for _ in range(3)] == [503] * 3
        cluster.faults.clear()
        assert cluster.request("GET", NAMESPACES).status == 200

    def test_cuts_the_connection(self, cluster: DoubleCluster) -> None:
        cluster.faults.add(Fault(reset=True))
        with pytest.raises(urllib3.exceptions.ProtocolError):
            apply(cluster, "shop", pull_secret())
        assert cluster.get_secret("shop", NAME) is None

    def test_loses_the_response_after_the_request_was_processed(
        self, cluster: DoubleCluster
    ) -> None:
        cluster.faults.add(Fault(lost_answer=True))
        with pytest.raises(urllib3.exceptions.ProtocolError):
            apply(cluster, "shop", pull_secret())
        assert cluster.get_secret("shop", NAME) is not None

    def test_lets_another_client_act_first(self, cluster: DoubleCluster) -> None:
        """A reproducible race: another client writes between our read and our write."""

        def another_client() -> None:
            apply(cluster, "shop", pull_secret("theirs"), as_user=None, fieldManager="other")

        cluster.faults.add(Fault(method="PATCH", meanwhile=another_client))
        assert apply(cluster, "shop", pull_secret("ours")).status == 409
        assert token_of(cluster.get_secret("shop", NAME)) == "theirs"

    def test_stalls_and_answers_then(self, cluster: DoubleCluster) -> None:
        cluster.faults.add(Fault(method="DELETE", stall=0.05))
        cluster.faults.latency = 0.01
        assert cluster.request("DELETE", secret_path("shop")).status == 404

    def test_stalls_without_holding_up_others(self) -> None:
        stalling = Fault(method="DELETE", stall=30)
        with ThreadPoolExecutor() as threads, api_double() as cluster:
            cluster.faults.add(stalling)
            stalled = threads.submit(cluster.request, "DELETE", secret_path("shop"))
            while stalling.times and not stalled.done():
                time.sleep(0.01)
            assert cluster.request("GET", NAMESPACES).status == 200
            assert not stalled.done()
        assert isinstance(stalled.exception(), urllib3.exceptions.HTTPError), "cut in the end"

    def test_ends_with_the_server_however_long_it_stalls(self) -> None:
        with api_double() as cluster:
            cluster.faults.add(Fault(stall=3600))
            pool = cluster.access.pool()
            with pytest.raises(urllib3.exceptions.TimeoutError):
                pool.request("GET", cluster.url + NAMESPACES, timeout=0.1)


def test_continue_tokens_can_be_made_to_expire(cluster: DoubleCluster) -> None:
    """As on the real server after etcd compacted the revision of the token."""
    first = cluster.expect("GET", NAMESPACES, query={"limit": 2})
    cluster.expire_continue_tokens()
    query = {"limit": 2, "continue": first["metadata"]["continue"]}
    answer = cluster.request("GET", NAMESPACES, query=query)
    assert (answer.status, answer.reason) == (410, "Expired")
    assert "too old to display a consistent list" in answer.message
    # The token in the answer continues the list, without consistency.
    query = {"limit": 50, "continue": answer.body["metadata"]["continue"]}
    rest = cluster.expect("GET", NAMESPACES, query=query)
    assert len(first["items"]) + len(rest["items"]) == 5


def test_the_journal_has_every_request(cluster: DoubleCluster) -> None:
    apply(cluster, "shop", pull_secret())
    cluster.request("GET", NAMESPACES, query={"limit": 1}, as_user="stranger")
    first, second = cluster.journal
    assert (first.method, first.path, first.status) == ("PATCH", secret_path("shop"), 201)
    assert first.user == US
    assert first.query == {"fieldManager": US}
    assert first.bytes_in > 100
    assert (second.user, second.status, second.query) == ("stranger", 403, {"limit": "1"})


def test_the_clusters_of_a_server_are_separate() -> None:
    with api_doubles([f"edge-{number}" for number in range(50)]) as clusters:
        for cluster in clusters:
            cluster.load(
                {"kind": "Namespace", "metadata": {"name": f"of-{cluster.name}"}},
                {
                    "kind": "ServiceAccount",
                    "metadata": {"name": "default", "namespace": f"of-{cluster.name}"},
                },
            )
        for cluster in clusters:
            [account] = cluster.list_items("serviceaccounts")
            assert account["metadata"]["namespace"] == f"of-{cluster.name}"
        assert len({cluster.url.rpartition("/clusters/")[0] for cluster in clusters}) == 1
        unknown = clusters[0].url.replace("edge-0", "edge-x")
        assert clusters[0].access.pool().request("GET", f"{unknown}{NAMESPACES}").status == 404


def test_a_double_is_modern_unless_a_test_asks_for_an_old_one() -> None:
    for version, stated in ((MODERN, "v1.36.2"), (OLD, "v1.20.2")):
        with api_double(version=version) as cluster:
            assert cluster.expect("GET", "/version")["gitVersion"] == stated
    with api_double() as cluster:
        assert cluster.expect("GET", "/version")["gitVersion"] == "v1.36.2"


def test_every_page_can_expire(cluster: DoubleCluster) -> None:
    """A server that compacts before every page: only a list without limit is complete."""
    cluster.faults.add(Fault(path_contains="continue=", status=410, times=None))
    first = cluster.expect("GET", NAMESPACES, query={"limit": 2})
    following = {"limit": 2, "continue": first["metadata"]["continue"]}
    refused = [cluster.request("GET", NAMESPACES, query=following) for _ in range(2)]
    assert [answer.status for answer in refused] == [410, 410]
    assert refused[0].body["metadata"]["continue"]
    assert len(cluster.expect("GET", NAMESPACES)["items"]) == 5
