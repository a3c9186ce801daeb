"""A tiny container image, laid out by hand."""

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

_MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"


def write_image_layout(directory: Path) -> None:
    """Fill the directory with an OCI image layout of one image: a single layer, a single file."""
    layer = _layer({"greeting.txt": b"pulled\n"})
    config = {
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST_TYPE,
        "config": _store(directory, "application/vnd.oci.image.config.v1+json", _json(config)),
        "layers": [
            _store(directory, "application/vnd.oci.image.layer.v1.tar+gzip", gzip.compress(layer))
        ],
    }
    index = {
        "schemaVersion": 2,
        "manifests": [_store(directory, _MANIFEST_TYPE, _json(manifest))],
    }
    (directory / "index.json").write_bytes(_json(index))
    (directory / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))


def _layer(files: dict[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return archive.getvalue()


def _store(directory: Path, media_type: str, content: bytes) -> dict[str, Any]:
    """Store the content as a blob; gives its descriptor."""
    digest = _digest(content)
    path = directory / "blobs" / digest.replace(":", "/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return {"mediaType": media_type, "digest": digest, "size": len(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode()
