"""What a command works with: the configuration, and all outside, reached as the operator."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from acr_refresher.adapters.fc import environment_credentials
from acr_refresher.cli.options import REGION_VARIABLES
from acr_refresher.config import Config, load_config
from acr_refresher.context import Caller
from acr_refresher.inputs.forms import is_region_id
from acr_refresher.inputs.problems import InvalidInput, Problem, shown
from acr_refresher.ports import Functions
from acr_refresher.run import Outside
from acr_refresher.wiring import Instance

VARIABLES = (
    "ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, and"
    " ALIBABA_CLOUD_SECURITY_TOKEN where they are temporary"
)
"""Where an operator's own credentials come from."""


@dataclass(frozen=True, slots=True)
class Setup:
    """A configuration, and all that it speaks of."""

    config: Config
    outside: Outside


@contextmanager
def opened(config_file: Path, region_id: str) -> Iterator[Setup]:
    """The setup for one command.

    Raises InvalidInput with every problem: of the configuration, credentials, region, environment.
    """
    problems: list[Problem] = []
    with gathering(problems):
        config = load_config(config_file)
    caller, instance = _from_here(region_id, problems)
    try:
        yield Setup(config, instance.outside(config, config_file.parent, caller))
    finally:
        instance.close()


@contextmanager
def function_compute(region_id: str, problems: Iterable[Problem]) -> Iterator[Functions]:
    """The functions that are deployed, invoked as the operator.

    Raises InvalidInput with the problems, if any, and those found here.
    """
    caller, instance = _from_here(region_id, problems)
    try:
        yield instance.functions(caller)
    finally:
        instance.close()


@contextmanager
def gathering(problems: list[Problem]) -> Iterator[None]:
    """Keeps what is wrong, so that all of it is told together."""
    try:
        yield
    except InvalidInput as error:
        problems += error.problems


def region_problems(region_id: str) -> Iterator[Problem]:
    """A region becomes part of host names, so it may not be just any text. Empty: not given."""
    if region_id and not is_region_id(region_id):
        yield Problem("region", f"{shown(region_id)} cannot be one", "use one such as cn-hangzhou")


def _from_here(region_id: str, problems: Iterable[Problem]) -> tuple[Caller, Instance]:
    """Who asks, and with what. Raises InvalidInput with these problems and all it finds itself."""
    found = [*problems]
    with gathering(found):
        caller = _caller(os.environ, region_id)
    with gathering(found):
        instance = _instance(os.environ)
    if found:
        raise InvalidInput(found)
    return caller, instance


def _caller(environ: Mapping[str, str], region_id: str) -> Caller:
    credentials = environment_credentials(environ)
    problems = [*region_problems(region_id)]
    if credentials is None:
        problems.append(Problem("credentials", "are not in the environment", f"set {VARIABLES}"))
    if not region_id:
        remedy = f"give --region, or set {' or '.join(REGION_VARIABLES)}"
        problems.append(Problem("region", "is not known", remedy))
    if credentials is None or problems:
        raise InvalidInput(problems)
    renewal = f"get another, and set {VARIABLES} anew"
    return Caller(replace(credentials, renewal=renewal), region_id)


def _instance(environ: Mapping[str, str]) -> Instance:
    try:
        return Instance.new(environ)
    except ValueError as error:
        problem = Problem("environment", str(error), "unset it, or correct it")
        raise InvalidInput([problem]) from None
