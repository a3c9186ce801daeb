# Everything runs in a virtual environment of its own, installed from the lock file.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/pytest -q -n 3 --dist loadfile
export PYTHONPATH := function:infra
export PYTHON

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test test-runtime test-kubernetes fuzz bench mutants check package lock schema clean tools

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/installed  ## play two minutes of a platform team's day on a local cloud
	@$(BIN)/python -m demo

test: tools $(VENV)/installed  ## run all tests
	$(PYTEST) --cov --cov-report=
	@echo "Coverage of the function: $$($(BIN)/coverage report --format=total) %; of its core, which has to be 100 %:"
	@$(BIN)/coverage report --include='function/acr_refresher/core/*' --fail-under=100

test-runtime: tools $(VENV)/installed  ## the same for what runs in the function: with PYTHON=... VENV=...
	$(PYTEST) tests/unit tests/adapters tests/e2e tests/fuzz

fuzz: $(VENV)/installed  ## try many odd events, configurations, kubeconfigs and answers
	$(PYTEST) tests/fuzz --hypothesis-profile=fuzz

test-kubernetes: tools $(VENV)/installed  ## run what uses API servers: with KUBEBUILDER_ASSETS=...
	$(PYTEST) tests/contract tests/adapters/kube tests/e2e

bench: $(VENV)/installed  ## measure what a run costs; the table also goes to build/bench.json
	@$(BIN)/python -m bench

mutants: $(VENV)/installed  ## print small faults in the decisions that no unit test notices
	@nice -n 10 $(BIN)/python -m mutants

check: $(VENV)/installed  ## run ruff, mypy strict, the import contracts and the lock check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	infra/lock --check

package: $(VENV)/installed  ## build the function's dependencies into function/python
	infra/package

lock: $(VENV)/installed  ## update the lock files to requirements*.in
	infra/lock

schema: $(VENV)/installed  ## write the JSON Schema of config.yaml for editors
	bin/acr-refresher schema >function/config.schema.json

clean:  ## delete everything that these targets made, except function/python
	rm -rf $(VENV) build .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis

# The Debian packages of `make test`; what the others need is a part of that.
tools:
	@infra/setup test

# The lock file is complete. Without --no-deps pip resolves extras (coverage[toml]) again, and stops
# at the first release that is newer than the lock file.
$(VENV)/installed: requirements-dev.txt
	@infra/setup demo
	@echo "Installing the Python packages of requirements-dev.txt into $(VENV) (a download of about 120 MB) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.txt
	@touch $@
