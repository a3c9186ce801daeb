"""One hostile API server at a time: each attack is cut off, and the error says why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from acr_refresher.errors import PortError
from adapters.kubeapi import namespaces
from localkube.hostile import hostile_servers

WORDS = {
    "gzip-bomb": "the answer is compressed, although that was not asked for",
    "endless-answer": "the answer is too large: it has more than 4 MiB",
    "endless-pages": "the answer is too large: the list has more than 500 pages",
    "large-pages": "the answer is too large: the list has more than 32 MiB",
    "tiny-objects": "the answer is too large: it has more than 4 MiB",
    "empty-objects": "the answer is too large: it has more than 200000 values",
    "many-objects": "the answer is too large: ",
    "informational": "the answer is too large: it has no end",
    "repeated-page": "the list has no end: a page repeats",
    "slow-drip": "gave no answer to GET",
    "slow-rest": "a large answer took longer than 5 s",
    "deep-json": "Is it an API server?",
    "huge-headers": "broke during GET",
    "many-headers": "broke during GET",
    "chunk-extension": "the answer is too large: it has no end",
}


@pytest.fixture(scope="module")
def attacks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the kubeconfigs that lead to the attacks."""
    folder = tmp_path_factory.mktemp("hostile")
    with hostile_servers(folder) as names:
        assert set(names) == WORDS.keys()
        yield folder


@pytest.mark.parametrize(("attack", "words"), WORDS.items(), ids=WORDS)
def test_an_attack_is_cut_off(attacks: Path, attack: str, words: str) -> None:
    with pytest.raises(PortError) as raised:
        namespaces((attacks / f"{attack}.yaml").read_text())
    assert words in str(raised.value)
