# Every target sets up what it needs; `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
DATA ?= data
DATA_DIR := $(abspath $(DATA))
export FALLRISK_DATA := $(DATA_DIR)
export DAGSTER_HOME := $(DATA_DIR)/dagster_home
# Arrow's jemalloc costs a thirtieth less CPU time than its mimalloc here, and 10 MB less at the peak.
export ARROW_DEFAULT_MEMORY_POOL := jemalloc
# A range run's events are stored so many at a time, not one by one.
export DAGSTER_EVENT_BATCH_SIZE := 500
# A process that cannot keep its byte code compiles Dagster anew at every start.
unexport PYTHONDONTWRITEBYTECODE
BIN := .venv/bin
PATIENTS ?= 5
DAYS ?= 2
RATE_HZ ?= 50
SEED ?= 7
START ?= 2026-01-05
NOTEBOOKS ?= --inplace
BENCH_AWS ?= s3 streams

.PHONY: help install demo demo-aws notebooks test dev dev-aws simulate run status train train-no-show train-feedback public-set rescore models card sql bench bench-aws detect-bench alarm-burden lint types format lock dictionary fhir-validate quarantine-replay infra standins clean distclean home

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  \033[1m%-18s\033[0m %s\n", $$1, $$2}'

.venv/.installed: requirements.lock
	@test -d .venv || $(PYTHON) -m venv .venv
	@echo "Installing the locked dependencies into .venv …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	@$(BIN)/python -c "import pathlib, sysconfig; pathlib.Path(sysconfig.get_path('purelib'), 'fallrisk_assets.pth').write_text('$(CURDIR)\n')"
	@echo "Compiling the signal kernels once …"
	@$(BIN)/python -m fallrisk_assets.warm
	@touch $@

install: .venv/.installed ## Create .venv with the locked dependencies

home: .venv/.installed
	@mkdir -p $(DAGSTER_HOME)
	@cmp -s dagster.yaml $(DAGSTER_HOME)/dagster.yaml || cp dagster.yaml $(DAGSTER_HOME)/dagster.yaml

demo: home ## Simulate a cohort, materialise the whole graph, print what came out (PATIENTS= DAYS= RATE_HZ= SEED=)
	@$(BIN)/python -m fallrisk_assets.demo --patients $(PATIENTS) --days $(DAYS) --rate-hz $(RATE_HZ) --seed $(SEED) --start $(START)

# CDK has an environment of its own; without node its tests are skipped.
.venv-infra/.installed: requirements-infra.lock
	@test -d .venv-infra || $(PYTHON) -m venv .venv-infra
	@echo "Installing CDK and cfn-lint into .venv-infra …"
	@.venv-infra/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-infra.lock
	@touch $@

infra: .venv/.installed .venv-infra/.installed .venv-standins/.installed ## Make the templates of the deployment and judge them (docs/deploy.md deploys them)
	@$(BIN)/python -m pytest -q fallrisk_assets_tests/infra fallrisk_assets_tests/deploy

test: .venv/.installed $(if $(shell command -v node),.venv-infra/.installed) ## Run the whole test suite
	@$(BIN)/python -m pytest -n 2 --dist loadfile -q $(TESTS)

.venv-standins/.installed: requirements-standins.lock
	@test -d .venv-standins || $(PYTHON) -m venv .venv-standins
	@.venv-standins/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-standins.lock
	@touch $@

standins: .venv-standins/.installed ## Install what stands in for AWS's services; without it their tests are skipped

demo-aws: home ## Run one small cohort locally and on a stand-in of S3, and compare every table
	@$(BIN)/python -m fallrisk_assets.demo_aws $(DEMO_AWS)

dev-aws: export FALLRISK_DATA = $(DATA_DIR)/aws-demo/aws
dev-aws: export DAGSTER_HOME = $(DATA_DIR)/aws-demo/aws/dagster_home
dev-aws: home ## Open the Dagster UI on what make demo-aws left on the stand-in, which stops with the UI
	@$(BIN)/python -m simulator.aws $(DATA_DIR)/aws-demo/standin $(abspath $(BIN))/dagster dev -w workspace.yaml

dev: home ## Open the Dagster UI with sensors and schedules ready to switch on
	@$(BIN)/dagster dev -w workspace.yaml

simulate: home ## Keep dropping files, so that you can watch sensors start runs
	@$(BIN)/python -m simulator live --out $(DATA_DIR)/landing --truth $(DATA_DIR)/truth $(SIMULATE)

run: home ## Execute the jobs for DAY=2026-01-05, or FROM=2026-01-05 TO=2026-01-06
	@$(BIN)/python -m fallrisk_assets.run $(if $(DAY),--from $(DAY) --to $(DAY),--from $(FROM) --to $(TO))

status: home ## Print last good hour per table, backlog, disk and outbox age; fails when something is stale
	@$(BIN)/python -m fallrisk_assets.status $(STATUS)

train: home ## Train the fall detector on recordings and judge it; it scores once promoted (SOURCE= DAY=)
	@$(BIN)/python -m fallrisk_assets.models train $(if $(SOURCE),--source $(SOURCE)) $(if $(DAY),--day $(DAY))

train-no-show: home ## Train the no-show model on the clinic's appointments, or on SET=file.csv, and judge it (DAY=)
	@$(BIN)/python -m fallrisk_assets.clinic.no_show train $(if $(SET),--set $(SET)) $(if $(DAY),--day $(DAY))

train-feedback: home ## Train the models of comments on SET=labelled.csv, or on simulated text, and judge them (DAY=)
	@$(BIN)/python -m fallrisk_assets.clinic.feedback_text train $(if $(SET),--set $(SET)) $(if $(DAY),--day $(DAY))

public-set: home ## Run the clinic's whole path on the public no-show set, or a file like it, in a folder of its own (FILE=)
	@test -n "$(FILE)" || { echo "usage: make public-set FILE=file.csv"; exit 2; }
	@$(BIN)/python -m fallrisk_assets.public_set $(FILE)

rescore: home ## Score published hours by another detector's version, beside them (VERSION= FROM= TO=)
	@$(BIN)/python -m fallrisk_assets.models rescore $(VERSION) --from $(FROM) --to $(TO)

models: home ## List versions of every model and which is in use (more: python -m fallrisk_assets.models --help)
	@$(BIN)/python -m fallrisk_assets.models list

card: .venv/.installed ## Write docs/model_card.md from the artefacts that ship
	@$(BIN)/python -m fallrisk_assets.models card --out docs/model_card.md

sql: .venv/.installed ## Query a read-only snapshot of the warehouse
	@$(BIN)/python -m fallrisk_assets.warehouse.sql

bench: home ## Measure against the peers, side by side; results go to docs/benchmarks.md
	@$(BIN)/python -m fallrisk_assets_tests.bench $(BENCH)

bench-aws: home .venv-standins/.installed ## Measure the lake on S3 beside local disk, and streams (BENCH_AWS=s3 for the first alone)
	@$(BIN)/python -m fallrisk_assets_tests.bench $(BENCH_AWS) --devices 1 8

detect-bench: .venv/.installed ## Judge the fall detector and three baselines on a data set (SOURCE=folder DATASET=umafall, … or simulator)
	@test -n "$(SOURCE)" -a -n "$(DATASET)" || { echo "usage: make detect-bench SOURCE=folder DATASET=name [POSITION=waist] [TRAIN_SOURCE=UMAFall's folder]"; exit 2; }
	@$(BIN)/python -m fallrisk_assets.risk.benchmark --source $(SOURCE) --dataset $(DATASET) $(if $(POSITION),--position $(POSITION)) $(if $(TRAIN_SOURCE),--train-source $(TRAIN_SOURCE))

alarm-burden: .venv/.installed ## Count false alarms a patient-week of simulated wear (BURDEN="--patients 48 --days 21")
	@$(BIN)/python -m fallrisk_assets.risk.alarm_burden $(BURDEN)

fhir-validate: .venv/.installed ## Run two independent FHIR validators over the demo's bundles
	@$(BIN)/python -m fallrisk_assets.fhir.validate --install $(DATA_DIR)/reports/fhir

quarantine-replay: home ## Process quarantined rows again after a rule was mended (REASON= FROM= TO=)
	@$(BIN)/python -m fallrisk_assets.quarantine replay $(if $(REASON),--reason $(REASON)) $(if $(FROM),--from $(FROM)) $(if $(TO),--to $(TO))

notebooks: .venv/.installed ## Execute docs/notebooks on what make demo left (DATA=)
	@$(BIN)/jupyter execute $(NOTEBOOKS) --NotebookClient.record_timing=False docs/notebooks/*.ipynb

lint: .venv/.installed ## Check format, style and types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy fallrisk_assets simulator

format: .venv/.installed ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: .venv/.installed ## Resolve the dependencies anew into requirements.lock
	@$(BIN)/uv pip compile pyproject.toml --extra dev --extra server --extra streams --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet -o requirements.lock
	@$(BIN)/uv pip compile pyproject.toml --extra server --extra streams --constraint requirements.lock --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet -o deploy/requirements.lock
	@$(BIN)/uv pip compile requirements-bench.in --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet -o requirements-bench.lock
	@$(BIN)/uv pip compile requirements-infra.in --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet -o requirements-infra.lock
	@$(BIN)/uv pip compile requirements-standins.in --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet -o requirements-standins.lock

dictionary: .venv/.installed ## Write docs/data_dictionary.md from the contracts
	@$(BIN)/python -m fallrisk_assets.dictionary

clean: ## Remove generated data, keep the environment
	@find $(DATA_DIR) -mindepth 1 -maxdepth 1 ! -name sample -exec rm -rf {} +

distclean: clean ## Remove the environments too
	@rm -rf .venv .venv-fhir .venv-bench .venv-infra .venv-standins .mypy_cache .ruff_cache .pytest_cache .hypothesis
