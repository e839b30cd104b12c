# Works on a fresh machine with nothing but Python 3.11+ and make. `make help` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
MANIFEST := pyproject.toml Makefile
PYTEST_ARGS ?=

.PHONY: help demo test check fmt bench soak docs clean

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "holdfast needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(BIN)/python $(MANIFEST)
	$(PIP) --editable '.[demo]'
	@touch $@

$(VENV)/.check: $(BIN)/python $(MANIFEST)
	$(PIP) --editable '.[check,demo,test]'
	@touch $@

$(VENV)/.test: $(BIN)/python $(MANIFEST)
	$(PIP) 'torch==2.13.0'
	$(PIP) --editable '.[demo,test,frameworks]'
	@touch $@

demo: $(VENV)/.demo  ## train a small model, then scan, plan, prune, undo and prune again
	@$(BIN)/holdfast demo

test: $(VENV)/.test  ## every test, real frameworks included
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: $(VENV)/.check  ## lint, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: $(VENV)/.check  ## format the code and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.test  ## side by side with the peers, as ratios
	$(BIN)/python benchmarks/bench.py $(BENCH_ARGS)

soak: $(VENV)/.test  ## trainers, pruners and readers killed at random, for SOAK_SECONDS (default 600)
	SOAK_SECONDS=$${SOAK_SECONDS:-600} $(BIN)/python -m pytest -s tests/crash/test_soak.py --timeout=0

docs: $(VENV)/.test  ## check that the documents show what the program prints
	$(BIN)/python -m pytest tests/docs

clean:  ## remove the environment and what the tools left
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
