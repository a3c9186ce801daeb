"""Status 429: the double answers like an overloaded real server."""

import threading

from contract.requests import US
from localkube import Answer, KubeCluster
from localkube.double import DoubleCluster, Fault

SERVICE_ACCOUNTS = "/api/v1/serviceaccounts"
ROUNDS = 5000
CLIENTS = 4


def throttled_answer(cluster: KubeCluster) -> Answer:
    """An answer with status 429 from a server that several clients call at once."""
    found: list[Answer] = []

    def ask() -> None:
        for _ in range(ROUNDS):
            answer = cluster.request("GET", SERVICE_ACCOUNTS, as_user=US)
            if answer.status == 429:
                found.append(answer)
            if found:
                return

    clients = [threading.Thread(target=ask) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    return found[0]


def test_the_double_and_the_real_server_give_the_same_answer(
    throttled_cluster: KubeCluster, double_clusters: list[DoubleCluster]
) -> None:
    double = double_clusters[0]
    double.faults.add(Fault(path_contains=SERVICE_ACCOUNTS, status=429, retry_after=1))
    answers = [throttled_answer(throttled_cluster), double.request("GET", SERVICE_ACCOUNTS)]
    for answer in answers:
        assert answer.status == 429
        assert answer.headers["Retry-After"] == "1"
        assert answer.headers["Content-Type"].startswith("text/plain")
        assert answer.message == "Too many requests, please try again later.\n"
