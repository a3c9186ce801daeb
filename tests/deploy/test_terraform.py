"""The modules of infra/terraform fit together, and use the policies of infra/ram."""

from __future__ import annotations

import re

import pytest

from deploy.alicloud import META_ARGUMENTS, problems
from deploy.hcl import TERRAFORM, Module, read_module
from deploy.serverless_devs import REPOSITORY

FOLDERS = [TERRAFORM, *sorted(path for path in (TERRAFORM / "modules").iterdir() if path.is_dir())]
RAM = REPOSITORY / "infra" / "ram"


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def module(request: pytest.FixtureRequest) -> Module:
    return read_module(request.param)


def test_every_variable_is_declared_and_used(module: Module) -> None:
    used = {name.partition(".")[0] for name in module.references("var")}
    assert used == set(module.named("variable"))


def test_every_local_value_is_declared_and_used(module: Module) -> None:
    assert {name.partition(".")[0] for name in module.references("local")} == module.locals()


def test_every_variable_and_output_has_a_description(module: Module) -> None:
    for kind in ("variable", "output"):
        for name, body in module.named(kind).items():
            assert body.get("description"), name


def test_resources_have_arguments_that_the_provider_knows(module: Module) -> None:
    found = [problem for kind, body in module.resources() for problem in problems(kind, body)]
    assert found == []


def test_templates_exist_and_get_exactly_their_placeholders(module: Module) -> None:
    for file, variables in module.templates():
        placeholders = set(re.findall(r"\$\{(\w+)\}", file.read_text(encoding="utf-8")))
        assert variables == placeholders, file.name


def test_calls_pass_what_the_called_module_declares() -> None:
    for name, call in read_module(TERRAFORM).named("module").items():
        called = read_module(TERRAFORM / call["source"].strip('"'))
        given = {key for key in call if not key.startswith("__")} - META_ARGUMENTS - {"source"}
        variables = called.named("variable")
        required = {key for key, body in variables.items() if "default" not in body}
        assert required <= given <= set(variables), name


def test_outputs_of_modules_exist() -> None:
    root = read_module(TERRAFORM)
    calls = root.named("module")
    for reference in root.references("module"):
        name, _, output = reference.partition(".")
        called = read_module(TERRAFORM / calls[name]["source"].strip('"'))
        assert not output or output in called.named("output"), reference


def test_every_policy_belongs_to_a_role_of_some_module() -> None:
    read = {file for folder in FOLDERS for file, _ in read_module(folder).templates()}
    assert {file for file in read if file.parent == RAM} == set(RAM.glob("*.json"))


FAULTS = {
    "an unknown argument": ({"role_nmae": '"x"'}, "alicloud_ram_role.role_nmae is unknown"),
    "an unknown block": ({"tagz": [{"__is_block__": True}]}, "alicloud_ram_role.tagz is unknown"),
}


@pytest.mark.parametrize(("body", "words"), FAULTS.values(), ids=FAULTS)
def test_a_faulty_resource_is_found(body: dict[str, object], words: str) -> None:
    assert problems("alicloud_ram_role", body) == [words]


def test_a_faulty_dynamic_block_is_found() -> None:
    field = {"content": [{"tpye": '"text"', "__is_block__": True}]}
    body = {"project": '"p"', "logstore": '"l"', "dynamic": [{'"field_search"': field}]}
    assert problems("alicloud_log_store_index", body) == [
        "alicloud_log_store_index.field_search.tpye is unknown",
        "alicloud_log_store_index.field_search.name is missing",
    ]


def test_an_unknown_resource_is_found() -> None:
    assert problems("alicloud_ram_rolle", {}) == [
        "alicloud_ram_rolle is no resource of the documentation"
    ]
