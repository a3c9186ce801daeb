"""A real image registry on the loopback interface, standing for one registry of the cloud.

The daemon is Debian's docker-registry (Distribution 2); logins go to the cloud's token service.
"""

import base64
import json
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from localcloud import registry_token
from localcloud.certificates import loopback_server, self_signed
from localcloud.cloud import Cloud, Login
from localcloud.image import write_image_layout


@dataclass(frozen=True)
class Registry:
    """A running registry.

    Attributes:
        address: `localhost:PORT`, as it stands in image names and docker configs.
        certificates: Directory holding ca.crt, for `skopeo --cert-dir`.
        admin: The login that may push.
    """

    address: str
    certificates: Path
    admin: Login = field(repr=False)

    def push_image(self, image: str) -> None:
        """Push a tiny image as `namespace/name:tag`; CalledProcessError if that fails."""
        with tempfile.TemporaryDirectory() as scratch:
            layout, authfile = Path(scratch, "layout"), Path(scratch, "auth.json")
            layout.mkdir()
            write_image_layout(layout)
            authfile.write_text(self.docker_config(self.admin), encoding="utf-8")
            self._copy(f"oci:{layout}", f"docker://{self.address}/{image}", authfile, "dest")

    def pull_image(self, image: str, authfile: Path, destination: Path) -> None:
        """Pull `namespace/name:tag` into an empty directory with the logins of a docker config.

        Raises:
            CalledProcessError: skopeo failed; its stderr says why.
        """
        self._copy(f"docker://{self.address}/{image}", f"dir:{destination}", authfile, "src")

    def docker_config(self, login: Login) -> str:
        """The JSON of a docker config with this login for the registry."""
        auth = base64.b64encode(f"{login.username}:{login.password}".encode()).decode()
        return json.dumps({"auths": {self.address: {"auth": auth}}})

    def _copy(self, source: str, destination: str, authfile: Path, remote: str) -> None:
        """Run `skopeo copy`; remote says which of both ends, src or dest, the registry is."""
        subprocess.run(  # noqa: S603  # every argument is our own
            [  # noqa: S607  # found on PATH, wherever the distribution puts it
                "skopeo",
                "--insecure-policy",
                "copy",
                f"--authfile={authfile}",
                f"--{remote}-cert-dir={self.certificates}",
                source,
                destination,
            ],
            check=True,
            capture_output=True,
            text=True,
        )


@contextmanager
def running_registry(cloud: Cloud, cloud_url: str, service: str) -> Iterator[Registry]:
    """Run an empty registry for one of a cloud that is being served at the URL.

    Args:
        cloud: Whose tokens count.
        cloud_url: Where the cloud is served.
        service: The registry's name at the token service: RegistryInstance.service or
            PersonalRegistry.service.

    Raises:
        RuntimeError: the daemon ended instead of listening.
    """
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        config = _configure(home, cloud, cloud_url, service)
        with _running_daemon(config) as port:
            yield Registry(f"localhost:{port}", home / "certificates", cloud.registry_admin)


def _configure(home: Path, cloud: Cloud, cloud_url: str, service: str) -> Path:
    """Write the daemon's keys and configuration; its JSON is YAML enough."""
    root = self_signed("localcloud registry CA")
    server = loopback_server(root)
    (home / "certificates").mkdir()
    (home / "certificates" / "ca.crt").write_bytes(root.certificate_pem)
    (home / "server.crt").write_bytes(server.certificate_pem)
    (home / "server.key").write_bytes(server.key_pem)
    (home / "token-signer.crt").write_bytes(cloud.bearer_signer.certificate_pem)
    config = {
        "version": "0.1",
        "log": {"level": "info"},
        "storage": {"filesystem": {"rootdirectory": str(home / "storage")}},
        "http": {
            "addr": "127.0.0.1:0",
            "tls": {"certificate": str(home / "server.crt"), "key": str(home / "server.key")},
        },
        "auth": {
            "token": {
                "realm": cloud_url + registry_token.PATH,
                "service": service,
                "issuer": registry_token.ISSUER,
                "rootcertbundle": str(home / "token-signer.crt"),
            }
        },
    }
    path = home / "config.yml"
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


@contextmanager
def _running_daemon(config: Path) -> Iterator[int]:
    """Run the daemon; gives the port it chose."""
    log = config.with_name("daemon.log")
    with log.open("wb") as output:
        daemon = subprocess.Popen(  # noqa: S603  # every argument is our own
            ["docker-registry", "serve", str(config)],  # noqa: S607  # found on PATH
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield _listening_port(daemon, log)
    finally:
        daemon.kill()
        daemon.wait()


def _listening_port(daemon: subprocess.Popen[bytes], log: Path) -> int:
    """Wait for the daemon to log the address it listens on."""
    while daemon.poll() is None:
        text = log.read_text(encoding="utf-8")
        if match := re.search(r"listening on 127\.0\.0\.1:(\d+)", text):
            return int(match[1])
        time.sleep(0.02)
    raise RuntimeError(f"docker-registry ended: {log.read_text(encoding='utf-8')}")
