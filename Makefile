# Everything runs in a virtual environment of its own, installed from the lock file.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export PYTHONPATH := function:infra

.PHONY: demo test bench check package lock schema clean

demo: $(VENV)/installed  ## the main job, on this machine: two minutes of a platform team's day
	@$(BIN)/python -m demo

test: $(VENV)/installed  ## all tests
	$(BIN)/pytest --cov --cov-report=term
	$(BIN)/coverage report --include='function/acr_refresher/core/*' --fail-under=100

bench: $(VENV)/installed  ## what a run costs, against the floor: a table and build/bench.json
	@$(BIN)/python -m bench

check: $(VENV)/installed  ## ruff, mypy strict, the import contracts, the lock files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	infra/lock --check

package: $(VENV)/installed  ## the dependencies for the function's runtime, into function/python
	infra/package

lock: $(VENV)/installed  ## bring the lock files up to requirements*.in
	infra/lock

.PHONY: mutants
mutants: $(VENV)/installed  ## make faults in the decisions, and print those that no unit test notices (30 minutes)
	@nice -n 10 $(BIN)/python -m mutants

schema: $(VENV)/installed  ## write the JSON Schema of config.yaml for editors
	bin/acr-refresher schema >function/config.schema.json

# The lock file is whole. Without --no-deps pip resolves extras (coverage[toml]) anew, and stops at the
# first release that is newer than the lock file.
$(VENV)/installed: requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "$(PYTHON) has to be Python 3.10 or newer; make PYTHON=python3.12 takes another" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.txt
	touch $@

clean:
	rm -rf $(VENV) build .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis
