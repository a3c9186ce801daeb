"""Kubeconfigs kept as files beside the configuration."""

from __future__ import annotations

import asyncio
from pathlib import Path

from pydantic import SecretStr

from acr_refresher.core.model import KubeconfigAccess
from acr_refresher.ports import Denied, Gone, Invalid, Kubeconfig, KubeconfigFiles, Unreachable


class KubeconfigFolder(KubeconfigFiles):
    """Files by their path relative to a folder, that of the configuration."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def kubeconfig(self, access: KubeconfigAccess) -> Kubeconfig:
        """The file's content. Raises Gone, Denied, Invalid (not UTF-8), Unreachable (I/O)."""
        path = self._folder / access.path
        try:
            # A mounted file system may be slow: the other clusters do not wait for it.
            document = await asyncio.to_thread(path.read_text, encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise Gone(f"there is no kubeconfig {path}", service="files") from error
        except PermissionError as error:
            message = f"kubeconfig {path} cannot be read: check its permissions"
            raise Denied(message, service="files") from error
        except UnicodeDecodeError as error:
            raise Invalid(f"kubeconfig {path} is not UTF-8 text", service="files") from error
        except OSError as error:
            message = f"kubeconfig {path} cannot be read: {error.strerror}"
            raise Unreachable(message, service="files") from error
        return Kubeconfig(SecretStr(document))
