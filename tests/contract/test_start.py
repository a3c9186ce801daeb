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
    SERVERS,
    AssetsError,
    Limits,
    Release,
    download,
    find_assets,
    this_platform,
)
from localkube.control_plane import StartError

VERSION = "v1.99.0"


@pytest.fixture
def release(tmp_path: Path) -> Release:
    """A folder with a release as it is published, for this machine and for others."""
    entries = {}
    for machine in (this_platform(), "linux-arm64", "darwin-arm64", "darwin-amd64"):
        name = f"envtest-{VERSION}-{machine}.tar.gz"
        (tmp_path / name).write_bytes(archive_for(machine))
        digest = hashlib.sha512((tmp_path / name).read_bytes()).hexdigest()
        entries[name] = {"hash": digest, "selfLink": (tmp_path / name).as_uri()}
    (tmp_path / "index.yaml").write_text(yaml.safe_dump({"releases": {VERSION: entries}}))
    return Release(VERSION, (tmp_path / "index.yaml").as_uri())


def archive_for(machine: str) -> bytes:
    """Envtest's archive: no kube-controller-manager, and each file says for what it is built."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as files:
        for name in ("etcd", "kube-apiserver", "kubectl"):
            member = tarfile.TarInfo(f"controller-tools/envtest/{name}")
            content = f"{name} for {machine}".encode()
            member.size = len(content)
            files.addfile(member, io.BytesIO(content))
    return archive.getvalue()


class TestDownload:
    def test_gives_the_servers_once(self, release: Release, tmp_path: Path) -> None:
        folder = download(release, tmp_path / "cache")
        assert sorted(path.name for path in folder.iterdir()) == sorted(SERVERS)
        assert all(path.stat().st_mode & 0o111 for path in folder.iterdir())
        assert [path for path in folder.parent.iterdir() if path != folder] == []
        # The second time, nothing is fetched.
        (tmp_path / "index.yaml").unlink()
        assert download(release, tmp_path / "cache") == folder

    @pytest.mark.parametrize(
        ("system", "machine", "expected"),
        [
            ("Linux", "aarch64", "linux-arm64"),
            ("Darwin", "arm64", "darwin-arm64"),
            ("Darwin", "x86_64", "darwin-amd64"),
        ],
    )
    def test_gives_the_servers_for_this_machine(
        self,
        release: Release,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        system: str,
        machine: str,
        expected: str,
    ) -> None:
        monkeypatch.setattr(platform, "system", lambda: system)
        monkeypatch.setattr(platform, "machine", lambda: machine)
        folder = download(release, tmp_path / "cache")
        assert (folder / "etcd").read_text() == f"etcd for {expected}"

    def test_names_the_machines_that_have_servers(
        self, release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(platform, "system", lambda: "FreeBSD")
        monkeypatch.setattr(platform, "machine", lambda: "riscv64")
        with pytest.raises(
            AssetsError,
            match=r"no kube-apiserver for freebsd-riscv64: .*linux-amd64.*Set KUBEBUILDER_ASSETS",
        ):
            download(release, tmp_path / "cache")

    def test_prints_source_and_size_first(
        self, release: Release, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        download(release, tmp_path / "cache")
        name = f"envtest-{VERSION}-{this_platform()}.tar.gz"
        expected = f"Downloading {name} from this machine (0 MB, once) ...\n"
        assert capsys.readouterr().err == expected

    @pytest.mark.parametrize(
        ("limits", "reason"),
        [(Limits(megabytes=0), "is larger than 0 MB"), (Limits(seconds=0), "not complete after 0")],
    )
    def test_is_bounded(
        self, release: Release, tmp_path: Path, limits: Limits, reason: str
    ) -> None:
        with pytest.raises(AssetsError, match=f"{reason}.*Set KUBEBUILDER_ASSETS"):
            download(release, tmp_path / "cache", limits=limits)
        assert not (tmp_path / "cache").exists()

    @pytest.mark.parametrize(
        "page", ["<html>Log in: {hotel}</html>", "", "releases: {}", "a: b: c"]
    )
    def test_refuses_an_invalid_index(self, release: Release, tmp_path: Path, page: str) -> None:
        (tmp_path / "index.yaml").write_text(page)
        with pytest.raises(AssetsError, match="Set KUBEBUILDER_ASSETS"):
            download(release, tmp_path / "cache")

    def test_refuses_a_modified_file(self, release: Release, tmp_path: Path) -> None:
        path = tmp_path / f"envtest-{VERSION}-{this_platform()}.tar.gz"
        path.write_bytes(path.read_bytes() + b"x")
        with pytest.raises(AssetsError, match="differs from its published digest"):
            download(release, tmp_path / "cache")
        assert not (tmp_path / "cache").exists()

    def test_names_the_remedy_after_a_failure(self, tmp_path: Path) -> None:
        release = Release(VERSION, (tmp_path / "none").as_uri())
        with pytest.raises(AssetsError, match="Set KUBEBUILDER_ASSETS to a folder with etcd"):
            download(release, tmp_path / "cache")


def test_a_folder_without_the_binaries_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    with pytest.raises(AssetsError, match=r"lacks etcd, kube-apiserver\. Set KUBEBUILDER_ASSETS"):
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
    for name in SERVERS:
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
    for name in SERVERS:
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
