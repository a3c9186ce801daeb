"""What Function Compute accepts, stricter than the components' own schemas.

Those let unknown keys and a timer's wrong `triggerConfig` pass, and know nothing of what depends on
two values. Limits: https://www.alibabacloud.com/help/en/functioncompute/product-overview/limits
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from acr_refresher.config.timer import parse_timer

ENVIRONMENT_BYTES = 4096
RESERVED_VARIABLES = ("FC_", "ALIBABA_CLOUD_")
CRON_FIELDS = 6
_EVERY = re.compile(r"@every [1-9][0-9]*[smh]")
_CRON_FIELD = re.compile(r"[0-9*/,\-?LW#A-Z]+")


class Strict(BaseModel):
    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, alias_generator=to_camel, populate_by_name=False
    )


def _schedule(text: str) -> str:
    """`@every 5m`, or six cron fields after an optional time zone. Raises ValueError."""
    if _EVERY.fullmatch(text):
        return text
    fields = re.sub(r"^CRON_TZ=\S+ ", "", text).split(" ")
    if len(fields) != CRON_FIELDS:
        raise ValueError(f"a schedule is @every N[s|m|h] or {CRON_FIELDS} cron fields: {text}")
    if not all(_CRON_FIELD.fullmatch(field) for field in fields):
        raise ValueError(f"not a cron expression: {text}")
    return text


Schedule = Annotated[str, AfterValidator(_schedule)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,127}$")]
Region = Annotated[str, Field(pattern=r"^[a-z]{2}-[a-z]+(-[a-z0-9]+)*$")]
Runtime = Literal["python3.10", "python3.12"]  # Python 3.9 is too old for what the function imports
EntryPoint = Annotated[str, Field(pattern=r"^[a-z_]+\.[a-z_]+$")]
RoleArn = Annotated[str, Field(pattern=r"^acs:ram::[0-9]{16}:role/[a-z0-9-]{1,64}$")]
"""Lower case as in the component fc3, so that the name is the same everywhere."""
Destination = Annotated[
    str,
    Field(
        pattern=r"^acs:mns:[a-z0-9-]+:[0-9]{16}:/(queues|topics)/[A-Za-z0-9-]+/messages$"
        r"|^acs:fc:[a-z0-9-]+:[0-9]{16}:functions/[A-Za-z0-9_-]+$"
    ),
]
LogProject = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$")]


class Hook(Strict):
    handler: EntryPoint
    timeout: Annotated[int, Field(ge=1, le=300)]


class Lifecycle(Strict):
    initializer: Hook
    pre_stop: Hook


class LogConfig(Strict):
    project: LogProject
    logstore: LogProject
    enable_request_metrics: bool
    enable_instance_metrics: bool
    log_begin_rule: Literal["None", "DefaultRegex"]


class VpcConfig(Strict):
    vpc_id: Annotated[str, Field(pattern="^vpc-")]
    v_switch_ids: Annotated[list[Annotated[str, Field(pattern="^vsw-")]], Field(min_length=1)]
    security_group_id: Annotated[str, Field(pattern="^sg-")]


def must_be_outdated_by_the_next_run(seconds: int, schedule: str) -> None:
    """Raises ValueError unless an event is kept exactly until the next run of the timer."""
    period = parse_timer(schedule, "every").period.total_seconds()
    if seconds != period:
        raise ValueError(f"vars.period is {seconds}, but vars.every is {period:.0f} seconds")


class OnFailure(Strict):
    destination: Destination


class DestinationConfig(Strict):
    on_failure: OnFailure


class AsyncInvokeConfig(Strict):
    async_task: Literal[True]  # without it, Function Compute ignores the task ID
    max_async_retry_attempts: Annotated[int, Field(ge=0, le=8)]
    max_async_event_age_in_seconds: Annotated[int, Field(ge=1, le=2592000)]
    destination_config: DestinationConfig


class TimerConfig(Strict):
    cron_expression: Schedule
    enable: Literal[True]
    payload: str = ""


class TimerTrigger(Strict):
    trigger_name: Name
    trigger_type: Literal["timer"]
    description: str = ""
    qualifier: str
    trigger_config: TimerConfig


class Size(Strict):
    """CPU in cores, memory and disk in MB, time in seconds."""

    cpu: Annotated[float, Field(ge=0.05, le=16, multiple_of=0.05)]
    memory_size: Annotated[int, Field(ge=128, le=32768, multiple_of=64)]
    disk_size: Literal[512, 10240]
    timeout: Annotated[int, Field(ge=1, le=86400)]

    @model_validator(mode="after")
    def _cpu_suits_memory(self) -> Size:
        if not 1 <= self.memory_size / 1024 / self.cpu <= 4:
            raise ValueError("CPU to GB of memory must be between 1:1 and 1:4")
        return self


def _environment(variables: dict[str, str]) -> dict[str, str]:
    if sum(len(f"{name}{value}".encode()) for name, value in variables.items()) > ENVIRONMENT_BYTES:
        raise ValueError("environment variables may have 4 KB in all")
    if reserved := [name for name in variables if name.startswith(RESERVED_VARIABLES)]:
        raise ValueError(f"reserved by the platform: {reserved}")
    return variables


Environment = Annotated[dict[str, str], AfterValidator(_environment)]


class Function3(Size):
    """`props` of the component fc3: a function of Function Compute 3.0."""

    region: Region
    function_name: Name
    description: str
    runtime: Runtime
    code: str
    handler: EntryPoint
    instance_lifecycle_config: Lifecycle
    role: RoleArn
    # In CreateFunctionInput of the SDK alibabacloud-fc20230330, but not in the component's schema.
    disable_inject_credentials: Literal["Env"] | None = None
    environment_variables: Environment
    log_config: LogConfig
    internet_access: bool
    vpc_config: VpcConfig | None = None
    async_invoke_config: AsyncInvokeConfig
    triggers: Annotated[list[TimerTrigger], Field(min_length=1)]

    @model_validator(mode="after")
    def _old_events_are_dropped(self) -> Function3:
        for trigger in self.triggers:
            must_be_outdated_by_the_next_run(
                self.async_invoke_config.max_async_event_age_in_seconds,
                trigger.trigger_config.cron_expression,
            )
        return self

    @model_validator(mode="after")
    def _has_credentials(self) -> Function3:
        if self.disable_inject_credentials and self.runtime == "python3.12":
            raise ValueError("python3.12 has no credentials with disableInjectCredentials")
        return self

    @model_validator(mode="after")
    def _reaches_something(self) -> Function3:
        if not self.internet_access and self.vpc_config is None:
            raise ValueError("without internetAccess and vpcConfig nothing can be reached")
        return self

    @property
    def entry_points(self) -> set[str]:
        hooks = self.instance_lifecycle_config
        return {self.handler, hooks.initializer.handler, hooks.pre_stop.handler}


class Service2(Strict):
    name: Name
    description: str
    role: RoleArn
    internet_access: bool
    log_config: LogConfig


class PreStop2(Strict):
    pre_stop: Hook


class Destination2(Strict):
    on_failure: Destination


class AsyncConfiguration2(Strict):
    stateful_invocation: Literal[True]
    max_async_retry_attempts: Annotated[int, Field(ge=0, le=8)]
    max_async_event_age_in_seconds: Annotated[int, Field(ge=1, le=2592000)]
    destination: Destination2


class ServiceFunction2(Size):
    name: Name
    description: str
    runtime: Runtime
    code_uri: str
    handler: EntryPoint
    initializer: EntryPoint
    initialization_timeout: Annotated[int, Field(ge=1, le=300)]
    instance_lifecycle_config: PreStop2
    instance_type: Literal["e1"]
    environment_variables: Environment
    async_configuration: AsyncConfiguration2


class Trigger2(Strict):
    name: Name
    type: Literal["timer"]
    qualifier: str
    config: TimerConfig


class Function2(Strict):
    """`props` of the component fc: a service of Function Compute 2.0 and its function."""

    region: Region
    service: Service2
    function: ServiceFunction2
    triggers: Annotated[list[Trigger2], Field(min_length=1)]

    @model_validator(mode="after")
    def _old_events_are_dropped(self) -> Function2:
        for trigger in self.triggers:
            must_be_outdated_by_the_next_run(
                self.function.async_configuration.max_async_event_age_in_seconds,
                trigger.config.cron_expression,
            )
        return self


def functions_of(file: Path) -> set[str]:
    """The functions that a handler string may name: `file.function` at the code root."""
    module = ast.parse(file.read_text(encoding="utf-8"))
    return {f"{file.stem}.{part.name}" for part in module.body if isinstance(part, ast.FunctionDef)}
