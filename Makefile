# Every verb sets itself up: Python 3.11 or newer and make are all a machine needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the verbs
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/.runtime: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "phitrail needs Python 3.11 or newer; set PYTHON=…"; exit 2; }
	@echo "setting up $(VENV) (about a minute, once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.runtime
	@echo "setting up the checks"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

.PHONY: install
install: $(VENV)/.runtime ## Set up .venv with the phitrail command

.PHONY: demo
demo: $(VENV)/.runtime ## Run a synthetic hospital through the whole product and show it (ARGS=--once to stop after the summary)
	@$(BIN)/phitrail demo $(ARGS)

.PHONY: test
test: lint ## Lint, types, import contracts and the whole suite
	@$(BIN)/python -m pytest -q -n 2 $(ARGS)

.PHONY: e2e
e2e: $(VENV)/.dev ## The whole product against real peers: served nodes, kill -9, a real Postfix where one is installed
	@$(BIN)/python -m pytest -q -rs tests/e2e $(ARGS)

.PHONY: lint
lint: $(VENV)/.dev ## Lint, format, types and import contracts only
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

.PHONY: conformance
conformance: $(VENV)/.dev ## Compare the parsers with the answer keys of the sample logs, format by format
	@$(BIN)/python -m tests.conformance

.PHONY: bench
bench: $(VENV)/.dev ## Ratios of the hot paths, measured in one run
	@$(BIN)/python -m benchmarks

.PHONY: evaluate
evaluate: $(VENV)/.dev ## Detection on labelled hospitals of our own, against baselines (ARGS="--seeds 1,2 --scale moderate")
	@$(BIN)/python -m benchmarks.evaluation $(ARGS)

.PHONY: lock
lock: ## Resolve the dependencies anew into the hash-locked requirements files (needs uv on the PATH)
	uv pip compile -q pyproject.toml --group build --universal --generate-hashes --no-emit-index-url --no-annotate --no-header -o requirements.txt
	uv pip compile -q pyproject.toml --group dev --universal --generate-hashes --no-emit-index-url --no-annotate --no-header -o requirements-dev.txt
