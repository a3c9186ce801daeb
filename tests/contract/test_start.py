"""A real control plane gets its binaries when it starts, and leaves nothing behind."""

import hashlib
import io
import os
import platform
import tarfile
import tempfile
import time
from pathlib import Path

import pytest
import yaml

from localkube import assets, control_plane
from localkube.assets import (
    ARCHITECTURES,
    BINARIES,
    SERVERS,
    AssetsError,
    Limits,
    Release,
    download,
    find_assets,
)
from localkube.control_plane import StartError

ARCHITECTURE = ARCHITECTURES[platform.machine()]
VERSION = "v1.99.0"


@pytest.fixture
def release(tmp_path: Path) -> Release:
    """A folder with a release as it is published."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as files:
        for name in ("etcd", "kube-apiserver", "kubectl"):
            member = tarfile.TarInfo(f"controller-tools/envtest/{name}")
            member.size = len(name)
            files.addfile(member, io.BytesIO(name.encode()))
    name = f"envtest-{VERSION}-linux-{ARCHITECTURE}.tar.gz"
    (tmp_path / name).write_bytes(archive.getvalue())
    digest = hashlib.sha512(archive.getvalue()).hexdigest()
    entry = {name: {"hash": digest, "selfLink": (tmp_path / name).as_uri()}}
    (tmp_path / "index.yaml").write_text(yaml.safe_dump({"releases": {VERSION: entry}}))
    manager = tmp_path / VERSION / "bin" / "linux" / ARCHITECTURE / "kube-controller-manager"
    manager.parent.mkdir(parents=True)
    manager.write_bytes(b"manager")
    manager.with_suffix(".sha512").write_text(hashlib.sha512(b"manager").hexdigest() + "\n")
    return Release(VERSION, (tmp_path / "index.yaml").as_uri(), tmp_path.as_uri())


class TestDownload:
    def test_gives_all_binaries_once(self, release: Release, tmp_path: Path) -> None:
        folder = download(release, tmp_path / "cache")
        assert sorted(path.name for path in folder.iterdir()) == sorted(BINARIES)
        assert all(path.stat().st_mode & 0o111 for path in folder.iterdir())
        assert [path for path in folder.parent.iterdir() if path != folder] == []
        # The second time, nothing is fetched.
        (tmp_path / "index.yaml").unlink()
        assert download(release, tmp_path / "cache") == folder

    def test_gives_only_what_is_needed(self, release: Release, tmp_path: Path) -> None:
        folder = download(release, tmp_path / "cache", SERVERS)
        assert sorted(path.name for path in folder.iterdir()) == sorted(SERVERS)
        # What is missing is added.
        [archive] = tmp_path.glob("*.tar.gz")
        archive.unlink()
        assert download(release, tmp_path / "cache") == folder
        assert sorted(path.name for path in folder.iterdir()) == sorted(BINARIES)

    def test_prints_source_and_size_first(
        self, release: Release, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        download(release, tmp_path / "cache", SERVERS)
        name = f"envtest-{VERSION}-linux-{ARCHITECTURE}.tar.gz"
        expected = f"Downloading {name} from this machine (0 MB, once) ...\n"
        assert capsys.readouterr().err == expected

    @pytest.mark.parametrize(
        ("limits", "reason"),
        [(Limits(megabytes=0), "is larger than 0 MB"), (Limits(seconds=0), "not complete after 0")],
    )
    def test_is_bounded(
        self, release: Release, tmp_path: Path, limits: Limits, reason: str
    ) -> None:
        with pytest.raises(AssetsError, match=f"{reason}.*set KUBEBUILDER_ASSETS"):
            download(release, tmp_path / "cache", limits=limits)
        assert not (tmp_path / "cache").exists()

    @pytest.mark.parametrize(
        "page", ["<html>Log in: {hotel}</html>", "", "releases: {}", "a: b: c"]
    )
    def test_refuses_an_invalid_index(self, release: Release, tmp_path: Path, page: str) -> None:
        (tmp_path / "index.yaml").write_text(page)
        with pytest.raises(AssetsError, match="set KUBEBUILDER_ASSETS"):
            download(release, tmp_path / "cache")

    @pytest.mark.parametrize("pattern", ["*.tar.gz", f"{VERSION}/bin/linux/*/*manager"])
    def test_refuses_a_modified_file(self, release: Release, tmp_path: Path, pattern: str) -> None:
        [path] = tmp_path.glob(pattern)
        path.write_bytes(path.read_bytes() + b"x")
        with pytest.raises(AssetsError, match="differs from its published digest"):
            download(release, tmp_path / "cache")
        assert not (tmp_path / "cache").exists()

    def test_names_the_remedy_after_a_failure(self, tmp_path: Path) -> None:
        release = Release(VERSION, (tmp_path / "none").as_uri(), tmp_path.as_uri())
        with pytest.raises(AssetsError, match="set KUBEBUILDER_ASSETS to a folder with etcd"):
            download(release, tmp_path / "cache")


def test_a_folder_without_the_binaries_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    with pytest.raises(AssetsError, match="lacks etcd, kube-apiserver, kube-controller-manager"):
        find_assets()


def test_cached_builds_that_cannot_be_unpacked_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpack = tmp_path / "unpack"
    unpack.write_text("#!/bin/sh\necho xz: not found >&2\nexit 127\n")
    unpack.chmod(0o755)
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setattr(assets, "UNPACK", unpack)
    with pytest.raises(AssetsError, match="unpack failed: xz: not found"):
        find_assets()


def test_a_failed_start_shows_the_log_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stand-ins for the servers: an etcd that prints an error and ends."""
    for name in BINARIES:
        script = "#!/bin/sh\necho v1.34\n[ $1 = --version ] || echo disk is on fire\n"
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = set(tmp_path.iterdir())
    with (
        pytest.raises(StartError, match=r"(?s)etcd ended at start:.*disk is on fire"),
        control_plane(["broken"]),
    ):
        pass
    assert set(tmp_path.iterdir()) == before


def test_an_interrupted_start_ends_the_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while etcd is starting ends etcd and removes its folder."""
    for name in BINARIES:
        script = f"#!/bin/sh\necho v1.34\necho $$ > {tmp_path}/pid\nexec sleep 60\n"
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "kube-apiserver").write_text("#!/bin/sh\necho v1.34\n")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))

    sleep = time.sleep

    def interrupt(_seconds: float) -> None:
        pid = tmp_path / "pid"
        if pid.exists() and pid.read_text().endswith("\n"):  # the shell has written it
            monkeypatch.setattr(time, "sleep", sleep)
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupt)
    with pytest.raises(KeyboardInterrupt), control_plane(["interrupted"]):
        pass
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
