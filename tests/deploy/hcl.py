"""Terraform modules as python-hcl2 reads them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hcl2

from deploy.serverless_devs import REPOSITORY

TERRAFORM = REPOSITORY / "infra" / "terraform"

_TEMPLATE = re.compile(r'templatefile\("([^"]+)", \{([^}]*)\}\)')


@dataclass(frozen=True)
class Module:
    """A folder's *.tf files together: kind of block to its entries."""

    folder: Path
    blocks: Mapping[str, list[Mapping[str, Any]]]

    def named(self, kind: str) -> dict[str, Mapping[str, Any]]:
        """The blocks of a kind that has one label: variable, output, module."""
        return {
            label.strip('"'): body
            for entry in self.blocks.get(kind, [])
            for label, body in entry.items()
            if not label.startswith("__")
        }

    def resources(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for entry in self.blocks.get("resource", []):
            for kind, labelled in entry.items():
                yield from ((kind.strip('"'), body) for body in labelled.values())

    def locals(self) -> set[str]:
        return {
            name
            for entry in self.blocks.get("locals", [])
            for name in entry
            if not name.startswith("__")
        }

    def references(self, kind: str) -> set[str]:
        """What stands after `var.` or `local.` anywhere in the module, or after `module.`.

        Of `module.clusters[0].role_arn` that is clusters.role_arn.
        """
        text = re.sub(r"\[(?:0|\*)\]", "", self._text())
        return set(re.findall(rf"\b{kind}\.([a-z_0-9]+(?:\.[a-z_0-9]+)?)", text))

    def templates(self) -> Iterator[tuple[Path, set[str]]]:
        """Each file that templatefile reads, and the variables it is given."""
        for path, variables in _TEMPLATE.findall(self._text()):
            where = path.replace("${local.ram}", str(REPOSITORY / "infra" / "ram"))
            where = where.replace("${path.module}", str(self.folder))
            yield Path(where), set(re.findall(r"(\w+) = ", variables))

    def _text(self) -> str:
        return json.dumps(self.blocks).replace('\\"', '"')


def read_module(folder: Path) -> Module:
    blocks: dict[str, list[Mapping[str, Any]]] = {}
    for file in sorted(folder.glob("*.tf")):
        for kind, entries in hcl2.loads(file.read_text(encoding="utf-8")).items():
            if not kind.startswith("__"):
                blocks.setdefault(kind, []).extend(entries)
    return Module(folder, blocks)
