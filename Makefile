# The same verbs on a laptop and in CI. Everything is installed into $(VENV); nothing else on the machine is touched.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
PACKAGES := ruiji_cli ruiji_client ruiji_console ruiji_demo ruiji_encoder ruiji_encoding ruiji_evaluation ruiji_events \
            ruiji_experiments ruiji_loadtest ruiji_server ruiji_triton
KERNELS := hatch_build.py $(wildcard server/src/ruiji_server/kernels/kernels.*)
CODE := hatch_build.py benchmarks cli client console demo encoder_export encoding evaluation events experiments loadtest server tests triton_models

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint types protos check-protos experiment loadtest bench drill demo-encoder lock clean

help: ## Show what can be made.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/serving.stamp ## From pictures to similar items on this machine, in under three minutes.
	$(BIN)/ruiji demo

test: $(VENV)/development.stamp ## Install what tests need and run them.
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile $(PYTEST_ARGS)

lint: $(VENV)/development.stamp ## Check style, architecture and the contract.
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/lint-imports
	$(BIN)/buf lint

types: $(VENV)/development.stamp ## Check types.
	$(BIN)/mypy $(PACKAGES:%=-p %) -p benchmarks

protos: $(VENV)/stubs/stamp ## Generate the client's stubs from the protos.
	protos/generate $(VENV)/stubs/bin/python

check-protos: $(VENV)/stubs/stamp ## Fail if the committed stubs are not those of the protos.
	rm -rf $(VENV)/stubs/generated && mkdir -p $(VENV)/stubs/generated
	protos/generate $(VENV)/stubs/bin/python $(VENV)/stubs/generated
	diff -r $(VENV)/stubs/generated/ruiji/v1 client/src/ruiji/v1 --exclude=__pycache__ --exclude=py.typed

experiment: $(VENV)/development.stamp ## A whole A/B test with simulated shoppers on this machine, in under five minutes.
	$(BIN)/ruiji experiment demo

loadtest: $(VENV)/development.stamp ## Load a server on the demo's data, by Locust and by an open loop.
	test -d demo-output/data || $(BIN)/ruiji demo
	$(BIN)/ruiji loadtest --data demo-output/data

bench: $(VENV)/comparison/stamp ## Measure Ruiji beside what a team would build instead (200,000 items).
	$(BIN)/python -m benchmarks.comparison --items 200000 --prepare-only
	$(BIN)/python -m benchmarks.comparison --items 200000 --rounds 3 --out benchmarks/results/comparison-200k.md

drill: $(VENV)/development.stamp ## Kill parts of a running installation hundreds of times and look for what is lost.
	$(BIN)/python -m tests.drills.run --kills 300 --seed 1 --store both --workers 2 --report drill.md

demo-encoder: $(VENV)/development.stamp ## Train the encoder that ships with the demo (an hour).
	$(BIN)/ruiji encoder make-demo

lock: $(UV) ## Resolve constraints.txt anew.
	echo '--editable ./client' | $(UV) pip compile pyproject.toml - --all-extras --upgrade --python $(BIN)/python \
	    --no-emit-package torch --no-emit-package ruiji-client --no-header --no-annotate --output-file constraints.txt

clean: ## Remove everything that was made.
	rm -rf $(VENV) demo-output ruiji-data triton_models/repository dist

$(UV):
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.8

# What serving needs; no torch.
# Refreshed, because what was built before in this place may have gone from here, and compiled kernels with it.
$(VENV)/serving.stamp: $(UV) pyproject.toml client/pyproject.toml constraints.txt $(KERNELS)
	$(UV) pip install --quiet --refresh-package ruiji --python $(BIN)/python --constraint constraints.txt \
	    --editable ./client --editable '.[server,triton,demo,console]'
	touch $@

# torch comes first and alone, through pip, which takes a CPU build where the machine offers one.
$(VENV)/development.stamp: $(VENV)/serving.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch==2.13.0
	$(UV) pip install --quiet --refresh-package ruiji --python $(BIN)/python --constraint constraints.txt \
	    --editable ./client --editable '.[server,triton,demo,console,encoder,evaluation,experiments,s3,loadtest,openvino,postgresql,dev]'
	touch $@

# The other systems need other packages than Ruiji does.
$(VENV)/comparison/stamp: $(VENV)/development.stamp benchmarks/requirements-comparison.txt
	$(UV) venv --quiet --clear --python $(BIN)/python $(VENV)/comparison
	$(UV) pip install --quiet --python $(VENV)/comparison/bin/python --requirement benchmarks/requirements-comparison.txt
	touch $@

# The generator lives apart: it needs older packages than everything else.
$(VENV)/stubs/stamp: $(UV) protos/generator-requirements.txt
	$(PYTHON) -m venv $(VENV)/stubs
	$(UV) pip install --quiet --python $(VENV)/stubs/bin/python --requirement protos/generator-requirements.txt
	touch $@
