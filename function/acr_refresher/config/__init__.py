"""config.yaml: read, checked as a whole with every problem reported at once, put into core types.

Secrets have no place in it: registries and clusters are reached through RAM roles, and a kubeconfig
stays in a file of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from pydantic import ValidationError

from acr_refresher.config.checks import contradictions
from acr_refresher.config.clusters import clusters, discovery
from acr_refresher.config.document import SHARD_SIZE, ConfigDocument
from acr_refresher.config.logstore import logstore
from acr_refresher.config.rate_limits import rate_limits
from acr_refresher.config.registries import registry
from acr_refresher.config.timing import timings
from acr_refresher.core.discovery import Discovery
from acr_refresher.core.model import Cluster, Logstore, Registry
from acr_refresher.core.timing import Timing
from acr_refresher.inputs.problems import InvalidInput, Problem
from acr_refresher.inputs.strict_model import in_plain_words
from acr_refresher.inputs.strict_yaml import read_yaml

CLUSTER_TIMEOUT = timedelta(seconds=20)


class ConfigError(InvalidInput):
    """config.yaml cannot be used."""


@dataclass(frozen=True, slots=True)
class Config:
    """What is registered. `concurrency`: how many clusters are served at the same time.

    `cluster_timeout` is the most that one of them may take, `shard_size` how many of them one
    invocation serves. `logstore` is where outcomes are written, if anywhere. `rate_limits` are
    calls a second by service, for each account. `timings` are what a timer has to keep up with.
    """

    clusters: tuple[Cluster, ...]
    registries: tuple[Registry, ...]
    concurrency: int
    discoveries: tuple[Discovery, ...] = ()
    logstore: Logstore | None = None
    cluster_timeout: timedelta = CLUSTER_TIMEOUT
    shard_size: int = SHARD_SIZE
    rate_limits: Mapping[str, float] = field(default_factory=dict)
    timings: tuple[Timing, ...] = ()


def load_config(path: Path) -> Config:
    """The configuration in a file. Raises ConfigError with every problem found."""
    try:
        text = _read(path)
    except InvalidInput as unreadable:
        raise ConfigError(unreadable.problems) from None
    return read_config(text, path.name, path.parent)


def read_config(text: str, name: str, folder: Path = Path()) -> Config:
    """The configuration in a text, which problems call `name`. Raises ConfigError as above.

    Paths in it are relative to `folder`.
    """
    try:
        data, repeated_keys = read_yaml(text, name)
    except InvalidInput as unreadable:
        raise ConfigError(unreadable.problems) from None
    problems = [*repeated_keys, *contradictions(data)]
    try:
        document = ConfigDocument.model_validate(data, context={"folder": folder})
    except ValidationError as error:
        mistakes = in_plain_words(error, ConfigDocument, name)
        raise ConfigError([*mistakes, *problems]) from None
    if problems:
        raise ConfigError(problems)
    return to_config(document)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
        remedy = "name a file that can be read; the function's is config.yaml beside handler.py"
    except ValueError:
        reason, remedy = "is not UTF-8 text", "save it as UTF-8"
    raise InvalidInput([Problem(str(path), reason, remedy)])


def to_config(document: ConfigDocument) -> Config:
    """A checked document in core types."""
    registries = {section.name: registry(section) for section in document.registries}
    defaults = document.defaults
    return Config(
        clusters=tuple(clusters(document.clusters, defaults, registries)),
        registries=tuple(registries.values()),
        concurrency=document.concurrency,
        discoveries=tuple(
            discovery(index, section, defaults, registries)
            for index, section in enumerate(document.discover)
        ),
        logstore=logstore(document.sls),
        cluster_timeout=document.cluster_timeout or CLUSTER_TIMEOUT,
        shard_size=document.shard_size,
        rate_limits=rate_limits(document.rate_limits),
        timings=timings(document),
    )
