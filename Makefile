# How this project is run, tested and checked: the one truth. `just` only adds other names.
#
# Everything is installed into .venv, from requirements/ with every hash checked; a stamp there is
# newer than what it was made from, so a second `make run` installs nothing and starts at once.

# The first of these that runs and is new enough; `make PYTHON=/path/to/python3` chooses another.
PYTHON ?=
PYTHONS := $(or $(PYTHON),python3.11 python3.12 python3.13 python3.14 python3)
OLDEST := 3.11

VENV := .venv
BIN := $(VENV)/bin
RUN_READY := $(VENV)/.run-ready
TEST_READY := $(VENV)/.test-ready
BENCH_READY := $(VENV)/.bench-ready

POD ?= examples/hello.yaml
ARGS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

##@ Use

.PHONY: help
help: ## List these targets
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z][a-z0-9-]*:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "POD=other.yaml chooses what 'make run' runs; ARGS='-k name -x' goes to pytest."

.PHONY: build
build: $(RUN_READY) ## Install Krustlet and all it needs into .venv

.PHONY: run
run: $(RUN_READY) ## Run a WebAssembly pod here, without a cluster
	@$(BIN)/krustlet run $(POD)

##@ Change

.PHONY: test
test: $(TEST_READY) ## Run all tests; the first time, build the control plane they run against
	@$(BIN)/python -m tests.support.guests
	@$(BIN)/python -m tests.support.controlplane
	@$(BIN)/python -m pytest $(ARGS)

.PHONY: test-e2e
test-e2e: $(TEST_READY) ## Run only the tests against the control plane
	@$(BIN)/python -m tests.support.guests
	@$(BIN)/python -m tests.support.controlplane
	@$(BIN)/python -m pytest tests/e2e $(ARGS)

.PHONY: test-unit
test-unit: $(TEST_READY) ## Run the tests that need no sockets, children or guests: seconds
	@$(BIN)/python -m pytest tests/unit $(ARGS)

.PHONY: check
check: $(TEST_READY) ## Check format, lint, types and which room imports which
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

.PHONY: fmt
fmt: $(TEST_READY) ## Format, and mend what lint can mend by itself
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

.PHONY: bench
bench: $(BENCH_READY) ## Measure every figure that the documentation names
	@$(BIN)/python benchmarks/run.py $(ARGS)

.PHONY: cluster
cluster: $(TEST_READY) ## Run a Kubernetes control plane and a registry until Ctrl-C, to try a node
	@$(BIN)/python -m tests.support.controlplane
	@$(BIN)/python -m tests.support.run_cluster

##@ Keep

.PHONY: lock
lock: ## Pin what pyproject.toml asks for (needs uv; ARGS=--upgrade for newer releases)
	@command -v uv >/dev/null || { echo "make lock needs uv: pipx install uv" >&2; exit 1; }
	$(call compile,pyproject.toml,run)
	$(call compile,--group build --constraints requirements/run.txt,build)
	$(call compile,--group test $(SAME),test)
	$(call compile,--group go,go)
	$(call compile,--group bench $(SAME) --constraints requirements/test.txt,bench)

.PHONY: clean
clean: ## Remove .venv and all caches of this tree
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# One environment holds them all, so what one file pins the others pin the same.
SAME := --constraints requirements/run.txt --constraints requirements/build.txt

# 1: what is asked for, 2: the file it is pinned in; universal: one file for every platform and every
# Python from the oldest on.
compile = uv pip compile $(1) --output-file requirements/$(2).txt --quiet --generate-hashes \
	--universal --python-version $(OLDEST) --custom-compile-command "make lock" $(ARGS)

$(BIN)/python:
	@python=; for candidate in $(PYTHONS); do \
	  if "$$candidate" -c 'import sys; sys.exit(sys.version_info[:2] < tuple(map(int, "$(OLDEST)".split("."))))' 2>/dev/null; \
	  then python=$$candidate; break; fi; done; \
	if [ -z "$$python" ]; then \
	  echo "Krustlet needs Python $(OLDEST) or newer; none of these is one: $(PYTHONS)." >&2; \
	  echo "Install one, or name it: make PYTHON=/path/to/python3" >&2; exit 1; fi; \
	echo "Making $(VENV) with $$python"; rm -rf $(VENV); \
	if command -v uv >/dev/null; then uv venv --quiet --no-project --python "$$python" $(VENV); \
	else "$$python" -m venv $(VENV); fi || { rm -rf $(VENV); exit 1; }

# uv where there is one, as it is faster; else pip, which the environment may lack if uv made it.
install = if command -v uv >/dev/null; \
	then uv pip install --quiet --compile-bytecode --python $(BIN)/python $(1); \
	else { $(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null; } \
	  && $(BIN)/python -m pip install --quiet --disable-pip-version-check $(1); fi
locked = --require-hashes $(foreach name,$(1),-r requirements/$(name).txt)

$(RUN_READY): requirements/run.txt requirements/build.txt pyproject.toml | $(BIN)/python
	@echo "Installing what Krustlet needs to run"
	@$(call install,$(call locked,run build))
	@$(call install,--no-deps --no-build-isolation --editable .)
	@touch $@

$(TEST_READY): requirements/test.txt $(RUN_READY)
	@echo "Installing what the tests need"
	@$(call install,$(call locked,test))
	@touch $@

$(BENCH_READY): requirements/bench.txt $(RUN_READY)
	@echo "Installing what the benchmarks need"
	@$(call install,$(call locked,bench))
	@touch $@
