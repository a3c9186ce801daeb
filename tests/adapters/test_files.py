from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from acr_refresher.adapters.files import KubeconfigFolder
from acr_refresher.core.model import KubeconfigAccess
from acr_refresher.ports import Denied, Gone, Invalid, Kubeconfig, PortError, Unreachable


def read(folder: Path, path: str) -> Kubeconfig:
    return asyncio.run(KubeconfigFolder(folder).kubeconfig(KubeconfigAccess(path)))


def test_a_path_is_relative_to_the_folder(tmp_path: Path) -> None:
    (tmp_path / "clusters").mkdir()
    (tmp_path / "clusters" / "edge.yaml").write_text("kind: Config")

    kubeconfig = read(tmp_path, "clusters/edge.yaml")

    assert kubeconfig.document.get_secret_value() == "kind: Config"
    assert kubeconfig.expires_at is None
    assert "Config" not in repr(kubeconfig.document)


def test_an_absolute_path_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mounted.yaml").write_text("kind: Config")

    assert read(Path("/elsewhere"), str(tmp_path / "mounted.yaml")).document


@pytest.mark.parametrize("path", ["none.yaml", ".", "file/below.yaml"])
def test_no_file_there_is_gone(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(Gone, match="there is no kubeconfig"):
        read(tmp_path, path)


def test_a_file_that_is_no_text_is_invalid(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")

    with pytest.raises(Invalid, match="is not UTF-8"):
        read(tmp_path, "binary")


@pytest.mark.parametrize(
    ("error", "meaning"),
    [(PermissionError(), Denied), (OSError(5, "Input/output error"), Unreachable)],
)
def test_a_file_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, meaning: type[PortError]
) -> None:
    """By a patched call: the tests may run as root, whom no permission stops."""

    def fail(*_: object, **__: object) -> str:
        raise error

    monkeypatch.setattr(Path, "read_text", fail)

    with pytest.raises(meaning, match="cannot be read"):
        read(tmp_path, "edge.yaml")
