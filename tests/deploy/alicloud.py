"""The arguments of the resources of Terraform's provider `alicloud` that infra/terraform uses.

From the provider's documentation: https://registry.terraform.io/providers/aliyun/alicloud/latest/docs
A nested mapping is a block.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Block:
    """Arguments and nested blocks. Of `computed`, the provider alone knows the values."""

    required: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    blocks: Mapping[str, Block] = field(default_factory=dict)
    computed: frozenset[str] = frozenset()

    @property
    def arguments(self) -> frozenset[str]:
        return self.required | self.optional | frozenset(self.blocks)


def _block(required: str = "", optional: str = "", computed: str = "", **blocks: Block) -> Block:
    return Block(
        frozenset(required.split()),
        frozenset(optional.split()),
        blocks,
        frozenset(computed.split()),
    )


_JSON_KEY = _block("name", "type alias doc_value")
_FIELD = _block(
    "name", "type alias case_sensitive include_chinese token enable_analytics", json_keys=_JSON_KEY
)
_CONDITION = _block(optional="condition count_condition")
_PAIR = _block(optional="key value")
_ALERT = _block(
    optional="auto_annotation dashboard mute_until no_data_fire no_data_severity send_resolved"
    " tags threshold type version",
    annotations=_PAIR,
    condition_configuration=_CONDITION,
    group_configuration=_block(optional="fields type"),
    join_configurations=_block(optional="condition type"),
    labels=_PAIR,
    policy_configuration=_block(optional="action_policy_id alert_policy_id repeat_interval"),
    query_list=_block(
        optional="chart_title dashboard_id end power_sql_mode project query region role_arn start"
        " store store_type time_span_type ui"
    ),
    severity_configurations=_block(optional="severity", eval_condition=_CONDITION),
    sink_alerthub=_block(optional="enabled"),
    sink_cms=_block(optional="enabled"),
)

RESOURCES: Mapping[str, Block] = {
    "alicloud_ram_role": _block(
        optional="role_name assume_role_policy_document description force max_session_duration"
        " tags",
        computed="id arn role_id",
    ),
    "alicloud_ram_policy": _block(
        optional="policy_name policy_document description force rotate_strategy tags",
        computed="id attachment_count",
    ),
    "alicloud_ram_role_policy_attachment": _block(
        "role_name policy_name policy_type", computed="id"
    ),
    "alicloud_cs_kubernetes_permissions": _block(
        "uid",
        computed="id",
        permissions=_block("cluster role_type role_name", "namespace is_custom is_ram_role"),
    ),
    "alicloud_message_service_queue": _block(
        "queue_name",
        "delay_seconds logging_enabled maximum_message_size message_retention_period"
        " polling_wait_seconds visibility_timeout",
        "id",
    ),
    "alicloud_log_project": _block(
        optional="project_name description policy resource_group_id tags", computed="id"
    ),
    "alicloud_log_store": _block(
        optional="append_meta auto_split enable_web_tracking hot_ttl logstore_name"
        " max_split_shard_count metering_mode mode project_name retention_period shard_count"
        " telemetry_type",
        computed="id",
    ),
    "alicloud_log_store_index": _block(
        "project logstore",
        "max_text_len",
        "id",
        full_text=_block(optional="case_sensitive include_chinese token"),
        field_search=_FIELD,
    ),
    "alicloud_log_dashboard": _block(
        "project_name dashboard_name char_list", "display_name attribute", "id"
    ),
    "alicloud_sls_alert": _block(
        "project_name alert_name display_name",
        "description status",
        "id",
        configuration=_ALERT,
        schedule=_block(optional="cron_expression delay interval run_immdiately time_zone type"),
    ),
}

META_ARGUMENTS = frozenset(
    ("for_each", "count", "depends_on", "lifecycle", "provider", "providers")
)


def problems(kind: str, body: Mapping[str, Any]) -> list[str]:
    """What the provider would refuse in a resource's body, as python-hcl2 reads it."""
    if kind not in RESOURCES:
        return [f"{kind} is no resource of the documentation"]
    return _problems(kind, RESOURCES[kind], body)


def _problems(path: str, block: Block, body: Mapping[str, Any]) -> list[str]:
    given = {name: value for name, value in body.items() if not name.startswith("__")}
    nested = dict(_nested(given))
    names = (set(given) - META_ARGUMENTS - {"dynamic"}) | set(nested)
    found = [f"{path}.{name} is unknown" for name in sorted(names - block.arguments)]
    found += [f"{path}.{name} is missing" for name in sorted(block.required - names)]
    for name, parts in nested.items():
        for part in parts if name in block.blocks else ():
            found += _problems(f"{path}.{name}", block.blocks[name], part)
    return found


def _nested(body: Mapping[str, Any]) -> list[tuple[str, list[Any]]]:
    """The blocks in a body, plain and dynamic."""
    plain = [
        (name, value) for name, value in body.items() if name != "dynamic" and _is_block(value)
    ]
    dynamic = [
        (name.strip('"'), part["content"])
        for entry in body.get("dynamic", [])
        for name, part in entry.items()
    ]
    return plain + dynamic


def _is_block(value: object) -> bool:
    return isinstance(value, list) and bool(value) and "__is_block__" in value[0]
