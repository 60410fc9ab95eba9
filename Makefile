# Two commands: `make reproduce` and `make test`. Each target sets up what it needs in .venv.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt
CONFIG ?= config/config.yaml
RUN = $(shell sed -n 's/^run: *\([^ ]*\).*/\1/p' $(CONFIG))
SNAKEMAKE := $(BIN)/snakemake
# `make --quiet reproduce` writes no progress, for logs.
QUIET = $(if $(findstring s,$(filter-out -%,$(firstword $(MAKEFLAGS)))),--quiet)
# Seconds that `make fuzz` takes for each reader.
SECONDS ?= 600
# MLflow opens in its view of language models unless the address asks for the other one.
UI := http://127.0.0.1:5000/\#/?workflowType=machine_learning

export MLFLOW_DISABLE_TELEMETRY := true
# Starts the UI in half the time; nothing here runs jobs on the server.
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION := false

# Both targets start many processes: they read what the first of them has compiled.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help reproduce record verify atlas report ui test faults fuzz lint bench

help:
	@echo "make reproduce   every table and figure of the default run (CONFIG=config/imagenette.yaml: of another)"
	@echo "                 make --quiet reproduce leaves the progress out"
	@echo "make test        the test suite        make lint    style, types, layers, workflow"
	@echo "make atlas       the run's pages in your browser (CONFIG=config/imagenette.yaml: of another)"
	@echo "make report      report.html           make ui      MLflow on 127.0.0.1:5000"
	@echo "make record      the run with DVC      make bench   our cost beside the published procedure's"
	@echo "make faults      what bad inputs, kills, a full disk and damaged files get: N tried, N good"
	@echo "make fuzz        the readers with random content, ten minutes each (SECONDS=60: one)"
	@echo "make verify      does the run bear out what the documents say, and which numbers differ from the committed ones?"

reproduce: .venv/installed
	@$(BIN)/python -m conceptrast.plan.config_lines $(CONFIG)
	@$(SNAKEMAKE) --logger conceptrast $(QUIET) --configfile $(CONFIG)
	@echo "tables: results/$(RUN)/tables/"
	@echo "atlas:  results/$(RUN)/atlas/index.html (make atlas$(if $(filter-out config/config.yaml,$(CONFIG)), CONFIG=$(CONFIG)) opens it)"
	@echo "report: make report$(if $(filter-out config/config.yaml,$(CONFIG)), CONFIG=$(CONFIG)) (writes report.html)"
	@echo "MLflow: make ui ($(UI))"
	@$(BIN)/python -m conceptrast.atlas --answers $(CONFIG)
	@$(BIN)/conceptrast verify $(RUN) --summary

verify: .venv/installed
	@$(BIN)/conceptrast verify $(RUN)

atlas: .venv/installed
	@$(BIN)/python -m conceptrast.atlas $(CONFIG)

record: .venv/installed
	@$(BIN)/python -m conceptrast.plan.record $(CONFIG)

report: .venv/installed
	@$(SNAKEMAKE) --report $(CURDIR)/report.html --configfile $(CONFIG)

ui: .venv/installed
	@$(BIN)/mlflow ui --host 127.0.0.1 --port 5000 --backend-store-uri sqlite:///mlflow.db

test: .venv/installed-dev
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --max-worker-restart 0

faults: .venv/installed-dev
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults --jobs 2

fuzz: .venv/installed-dev
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults --fuzz $(SECONDS) --jobs 2

lint: .venv/installed-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/snakefmt --check Snakefile workflow
	@$(SNAKEMAKE) --lint
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

bench: .venv/installed-dev
	@$(BIN)/python -m benchmarks

.venv/installed: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing into .venv (some minutes, once)"
	@$(PIP) -e .
	@touch $@

.venv/installed-dev: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing into .venv, with what tests need (some minutes, once)"
	@$(PIP) -e '.[dev,s3]'
	@touch $@ .venv/installed
