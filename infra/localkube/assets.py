"""Where the binaries of the real control plane come from.

In this order: the folder in KUBEBUILDER_ASSETS, as controller-runtime's envtest has it; on
linux/amd64, the builds kept in ``shared/kubebuilder`` beside this repository; a download of
envtest's public release for this machine.
"""

import contextlib
import fcntl
import hashlib
import http.client
import io
import os
import platform
import re
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import yaml

Version: TypeAlias = tuple[int, int]  # major, minor

SERVERS = ("etcd", "kube-apiserver")
UNPACK = Path(__file__).parents[3] / "shared" / "kubebuilder" / "unpack"

# What uname calls them: what Go does. Envtest has builds for these systems and architectures:
# envtest-releases.yaml in kubernetes-sigs/controller-tools.
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
PLATFORMS = (
    "darwin-amd64", "darwin-arm64",
    "linux-amd64", "linux-arm64", "linux-ppc64le", "linux-s390x",
)  # fmt: skip


REMEDY = f"Set KUBEBUILDER_ASSETS to a folder with {' and '.join(SERVERS)}"


class AssetsError(Exception):
    """The binaries are not available; the message says what to do."""


@dataclass(frozen=True)
class Release:
    """A public release of envtest. Its archive has no kube-controller-manager."""

    version: str = "v1.34.1"
    index: str = (
        "https://raw.githubusercontent.com/kubernetes-sigs/controller-tools"
        "/HEAD/envtest-releases.yaml"
    )


@dataclass(frozen=True)
class Limits:
    """What a download may take: of each file the bytes, of each request and of all the seconds."""

    megabytes: int = 200
    response_seconds: float = 10
    seconds: float = 300


def find_assets() -> Path:
    """The folder with etcd and kube-apiserver, and perhaps more.

    Raises:
        AssetsError: there is none, and it cannot be downloaded.
    """
    if folder := os.environ.get("KUBEBUILDER_ASSETS"):
        return _complete(Path(folder).resolve())
    if UNPACK.exists() and this_platform() == "linux-amd64":
        return _complete(_unpacked())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return download(Release(), cache / "acr-refresher" / "envtest")


def this_platform() -> str:
    """The system and the architecture of this machine, in Go's words: ``linux-amd64``."""
    machine = platform.machine()
    return f"{platform.system().lower()}-{ARCHITECTURES.get(machine, machine)}"


def _unpacked() -> Path:
    done = subprocess.run([UNPACK], check=False, capture_output=True, text=True)  # noqa: S603  # our own script
    if done.returncode:
        raise AssetsError(f"{UNPACK} failed: {done.stderr.strip()}")
    return Path(done.stdout.strip())


def version_of(assets: Path) -> Version:
    """The version of the API server, which decides its flags."""
    command = [str(assets / "kube-apiserver"), "--version"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603  # the binary that we are about to start
    match = re.search(r"v(\d+)\.(\d+)", printed)
    if match is None:
        raise AssetsError(f"no version in {printed!r}")
    return int(match[1]), int(match[2])


def download(release: Release, cache: Path, limits: Limits | None = None) -> Path:
    """The folder of a release for this machine, downloaded once and checked against its digest.

    Before the download, a line on stderr says from where it comes and how large it is.

    Raises:
        AssetsError: no build for this machine, no network, a limit, or a digest that differs.
    """
    machine = this_platform()
    if machine not in PLATFORMS:
        raise AssetsError(
            f"there is no kube-apiserver for {machine}: envtest has builds for "
            f"{', '.join(PLATFORMS)}. {REMEDY}"
        )
    folder = cache / f"{release.version}-{machine}"
    with only_process_in(cache.parent):
        if any(not (folder / name).is_file() for name in SERVERS):
            try:
                _write(_Source(release, machine, limits or Limits()).servers(), folder)
            except _FAILURES as error:
                raise AssetsError(
                    f"cannot download {release.version} for {machine} ({error}). {REMEDY}"
                ) from error
    return folder


# Without network, or behind a gateway that answers every request with a page of its own.
_FAILURES = (
    OSError, http.client.HTTPException, yaml.YAMLError, KeyError, TypeError, tarfile.TarError,
)  # fmt: skip


class _Source:
    """The servers of a release for a platform, within the limits."""

    def __init__(self, release: Release, machine: str, limits: Limits) -> None:
        self._release = release
        self._machine = machine
        self._limits = limits
        self._deadline = time.monotonic() + limits.seconds

    def servers(self) -> dict[str, bytes]:
        """The binaries by name."""
        version = self._release.version
        index = yaml.safe_load(self._get(self._release.index))["releases"]
        entry = index[version][f"envtest-{version}-{self._machine}.tar.gz"]
        archive = _checked(self._get(entry["selfLink"], announced=True), entry["hash"])
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            return {
                Path(member.name).name: content.read()
                for member in files
                if Path(member.name).name in SERVERS
                and (content := files.extractfile(member)) is not None
            }

    def _get(self, url: str, *, announced: bool = False) -> bytes:
        content = bytearray()
        limit = self._limits.megabytes * 1_000_000
        with urllib.request.urlopen(url, timeout=self._limits.response_seconds) as response:  # noqa: S310  # a release's URLs are our own
            if announced:
                _announce(url, response.headers.get("Content-Length"))
            while chunk := response.read1(1 << 20):
                content += chunk
                if len(content) > limit:
                    raise OSError(f"{url} is larger than {self._limits.megabytes} MB")
                if time.monotonic() > self._deadline:
                    raise TimeoutError(f"{url}: not complete after {self._limits.seconds:g} s")
        return bytes(content)


def _announce(url: str, length: str | None) -> None:
    size = f"{int(length) / 1e6:.0f} MB" if length else "of unknown size"
    file = url.rpartition("/")[2]
    host = urllib.parse.urlsplit(url).netloc or "this machine"
    sys.stderr.write(f"Downloading {file} from {host} ({size}, once) ...\n")


@contextlib.contextmanager
def only_process_in(folder: Path) -> Iterator[None]:
    """Other processes wait, and then find what this one downloaded."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(contents: Mapping[str, bytes], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        # In one step: a process that does not download sees all of a binary or nothing.
        with tempfile.NamedTemporaryFile(dir=folder.parent, delete=False) as unfinished:
            unfinished.write(content)
        Path(unfinished.name).chmod(0o755)
        Path(unfinished.name).replace(folder / name)


def _checked(content: bytes, sha512: str) -> bytes:
    if hashlib.sha512(content).hexdigest() != sha512:
        raise AssetsError("a download differs from its published digest: try again")
    return content


def _complete(folder: Path) -> Path:
    missing = [name for name in SERVERS if not (folder / name).is_file()]
    if missing:
        raise AssetsError(f"{folder} lacks {', '.join(missing)}. {REMEDY}")
    return folder
