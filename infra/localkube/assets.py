"""Where the binaries of the real control plane come from.

In this order: the folder in KUBEBUILDER_ASSETS, as controller-runtime's envtest has it; the builds
kept in ``shared/kubebuilder`` beside this repository; a download of envtest's public release.
"""

import hashlib
import io
import os
import platform
import re
import subprocess
import tarfile
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import yaml

Version: TypeAlias = tuple[int, int]  # major, minor

BINARIES = ("etcd", "kube-apiserver", "kube-controller-manager")
UNPACK = Path(__file__).parents[3] / "shared" / "kubebuilder" / "unpack"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}  # what uname calls them: what Go does
DOWNLOAD_TIMEOUT_SECONDS = 120


class AssetsError(Exception):
    """The binaries are not to be had; the message says what to do."""


@dataclass(frozen=True)
class Release:
    """A public release: envtest's archive (no controller manager in it) and Kubernetes' own."""

    version: str = "v1.34.1"
    index: str = (
        "https://raw.githubusercontent.com/kubernetes-sigs/controller-tools"
        "/HEAD/envtest-releases.yaml"
    )
    kubernetes: str = "https://dl.k8s.io/release"


def find_assets() -> Path:
    """The folder with etcd, kube-apiserver and kube-controller-manager.

    Raises:
        AssetsError: there is none, and no network to fetch it from.
    """
    if folder := os.environ.get("KUBEBUILDER_ASSETS"):
        return _complete(Path(folder))
    if UNPACK.exists():
        unpacked = subprocess.run([UNPACK], check=True, capture_output=True, text=True)  # noqa: S603  # our own script
        return _complete(Path(unpacked.stdout.strip()))
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return download(Release(), cache / "acr-refresher" / "envtest")


def version_of(assets: Path) -> Version:
    """The version of the API server, which decides its flags."""
    command = [str(assets / "kube-apiserver"), "--version"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603  # the binary that we are about to start
    match = re.search(r"v(\d+)\.(\d+)", printed)
    if match is None:
        raise AssetsError(f"no version in {printed!r}")
    return int(match[1]), int(match[2])


def download(release: Release, cache: Path) -> Path:
    """The folder of a release, fetched and checked against the published digests once.

    Raises:
        AssetsError: no build for this machine, no network, or a digest that is not the published.
    """
    architecture = ARCHITECTURES.get(platform.machine(), platform.machine())
    folder = cache / f"{release.version}-{architecture}"
    if folder.exists():
        return _complete(folder)
    try:
        contents = _fetch(release, architecture)
    except (urllib.error.URLError, KeyError, tarfile.TarError) as error:
        raise AssetsError(
            f"no {release.version} for {architecture} ({error}): "
            f"set KUBEBUILDER_ASSETS to a folder with {', '.join(BINARIES)}"
        ) from error
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as unfinished:
        for name, content in contents.items():
            path = Path(unfinished, name)
            path.write_bytes(content)
            path.chmod(0o755)
        # In one step: a run beside this one sees all of it or nothing.
        Path(unfinished).rename(folder)
        Path(unfinished).mkdir()
    return _complete(folder)


def _fetch(release: Release, architecture: str) -> dict[str, bytes]:
    """The binaries by name."""
    index = yaml.safe_load(_get(release.index))["releases"]
    entry = index[release.version][f"envtest-{release.version}-linux-{architecture}.tar.gz"]
    archive = _checked(_get(entry["selfLink"]), entry["hash"])
    manager = f"{release.kubernetes}/{release.version}/bin/linux/{architecture}/{BINARIES[2]}"
    digest = _get(f"{manager}.sha512").decode().strip()
    contents = {BINARIES[2]: _checked(_get(manager), digest)}
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        for member in files:
            content = files.extractfile(member)
            if content is not None and Path(member.name).name in BINARIES:
                contents[Path(member.name).name] = content.read()
    return contents


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=DOWNLOAD_TIMEOUT_SECONDS) as response:  # noqa: S310  # a release's URLs are our own
        content: bytes = response.read()
    return content


def _checked(content: bytes, sha512: str) -> bytes:
    if hashlib.sha512(content).hexdigest() != sha512:
        raise AssetsError("a download differs from its published digest: try again")
    return content


def _complete(folder: Path) -> Path:
    missing = [name for name in BINARIES if not (folder / name).is_file()]
    if missing:
        raise AssetsError(f"{folder} lacks {', '.join(missing)}: set KUBEBUILDER_ASSETS")
    return folder
