"""What is deployed: a function as its file for Serverless Devs describes it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

_VARIABLE = re.compile(r"\$\{(?:vars\.(\w+)|env\('(\w+)'(?:, *'([^']*)')?\))\}")
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class EntryPoint:
    """`file.function`, and how long it may take."""

    name: str
    timeout: timedelta


@dataclass(frozen=True)
class AsyncConfig:
    """What becomes of asynchronous invocations; as the platform has it where nothing is said.

    `on_failure` is the ARN of the destination for failed ones; empty: none.
    """

    task_ids: bool = False
    most_retries: int = 3
    most_age: timedelta = _DAY
    on_failure: str = ""


@dataclass(frozen=True)
class Timer:
    name: str
    payload: str


@dataclass(frozen=True)
class Function:
    """A function of Function Compute 3.0; with `service`, one of Function Compute 2.0.

    Attributes:
        code: The code root.
        memory: In MB; an instance that needs more is ended.
        role: ARN of the role whose credentials it gets.
        no_credentials_in: Where the platform does not put the role's credentials, as
            disableInjectCredentials of 3.0 says: `Env`, `Request` (the context) or `All`.
        context_service: The service that the context of a function of 3.0 names. No document says
            whether it names any.
        instances: How many there may be at once.
        qualifiers: Versions and aliases under which it can be invoked.
    """

    account: str
    region: str
    name: str
    code: Path
    handler: EntryPoint
    role: str
    service: str = ""
    runtime: str = "python3.10"
    no_credentials_in: str = ""
    context_service: str = ""
    initializer: EntryPoint | None = None
    pre_stop: EntryPoint | None = None
    memory: int = 512
    environment: Mapping[str, str] = field(default_factory=dict)
    asynchronous: AsyncConfig = AsyncConfig()
    timer: Timer | None = None
    log_project: str = ""
    log_store: str = ""
    instances: int = 4
    qualifiers: tuple[str, ...] = ("LATEST",)

    def with_environment(self, **variables: str) -> "Function":
        """The same with more variables, or other values of them."""
        return replace(self, environment={**self.environment, **variables})

    def with_timeout(self, timeout: timedelta) -> "Function":
        """The same with another timeout of its handler."""
        return replace(self, handler=replace(self.handler, timeout=timeout))

    def arn(self, qualifier: str = "") -> str:
        """Its resource in RAM policies; one of 2.0 carries the qualifier it is invoked by."""
        return function_arn(self.account, self.region, self.name, self.service, qualifier)


def function_arn(
    account: str, region: str, name: str, service: str = "", qualifier: str = ""
) -> str:
    part = f"services/{service}{'.' if qualifier else ''}{qualifier}/" if service else ""
    return f"acs:fc:{region}:{account}:{part}functions/{name}"


def read_function(file: Path, environ: Mapping[str, str]) -> Function:
    """The only function of an s.yaml, of the component `fc3` or `fc`.

    `environ` is what `${env(…)}` reads. LookupError: it lacks one that has no default.
    """
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    variables = {name: _filled(str(value), {}, environ) for name, value in document["vars"].items()}
    (resource,) = document["resources"].values()
    props = _filled(resource["props"], variables, environ)
    read = _read_2 if "service" in props else _read_3
    return read(props, file.parent, variables["account"])


def _filled(value: Any, variables: Mapping[str, str], environ: Mapping[str, str]) -> Any:
    """The value with every `${vars.…}` and `${env(…)}` in it replaced."""
    if isinstance(value, dict):
        return {key: _filled(part, variables, environ) for key, part in value.items()}
    if isinstance(value, list):
        return [_filled(part, variables, environ) for part in value]
    if not isinstance(value, str):
        return value

    def meant(match: re.Match[str]) -> str:
        variable, name, default = match.groups()
        if variable:
            return variables[variable]
        return environ[name] if default is None else environ.get(name, default)

    return _VARIABLE.sub(meant, value)


def _read_3(props: Mapping[str, Any], folder: Path, account: str) -> Function:
    cycle, asynchronous = props["instanceLifecycleConfig"], props["asyncInvokeConfig"]
    return Function(
        account=account,
        region=props["region"],
        name=props["functionName"],
        code=(folder / props["code"]).resolve(),
        role=props["role"],
        no_credentials_in=props.get("disableInjectCredentials", ""),
        runtime=props["runtime"],
        handler=_entry_point(props),
        initializer=_entry_point(cycle["initializer"]),
        pre_stop=_entry_point(cycle["preStop"]),
        memory=props["memorySize"],
        environment=props["environmentVariables"],
        asynchronous=AsyncConfig(
            task_ids=asynchronous["asyncTask"],
            on_failure=asynchronous["destinationConfig"]["onFailure"]["destination"],
            **_retries(asynchronous),
        ),
        timer=_timer(props["triggers"], "triggerName", "triggerConfig"),
        log_project=props["logConfig"]["project"],
        log_store=props["logConfig"]["logstore"],
    )


def _read_2(props: Mapping[str, Any], folder: Path, account: str) -> Function:
    service, function = props["service"], props["function"]
    asynchronous = function["asyncConfiguration"]
    initialization = timedelta(seconds=function["initializationTimeout"])
    return Function(
        account=account,
        region=props["region"],
        name=function["name"],
        service=service["name"],
        code=(folder / function["codeUri"]).resolve(),
        role=service["role"],
        runtime=function["runtime"],
        handler=_entry_point(function),
        initializer=EntryPoint(function["initializer"], initialization),
        pre_stop=_entry_point(function["instanceLifecycleConfig"]["preStop"]),
        memory=function["memorySize"],
        environment=function["environmentVariables"],
        asynchronous=AsyncConfig(
            task_ids=asynchronous["statefulInvocation"],
            on_failure=asynchronous["destination"]["onFailure"],
            **_retries(asynchronous),
        ),
        timer=_timer(props["triggers"], "name", "config"),
        log_project=service["logConfig"]["project"],
        log_store=service["logConfig"]["logstore"],
    )


def _entry_point(props: Mapping[str, Any]) -> EntryPoint:
    return EntryPoint(props["handler"], timedelta(seconds=int(props["timeout"])))


def _retries(props: Mapping[str, Any]) -> dict[str, Any]:
    most_age = timedelta(seconds=int(props["maxAsyncEventAgeInSeconds"]))
    return {"most_retries": props["maxAsyncRetryAttempts"], "most_age": most_age}


def _timer(triggers: list[Mapping[str, Any]], name: str, config: str) -> Timer:
    (trigger,) = triggers
    return Timer(trigger[name], trigger[config]["payload"])
