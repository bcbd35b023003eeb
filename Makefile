# One command for each habit; CI runs the same ones (.ci/run).
# A stamp in .venv is newer than pyproject.toml while that installation is up to date, so a second call starts at
# once. It is touched last: an installation that was broken off is done again.

PYTHON ?= python3
RUN_ARGS ?= --iterations 8
TEST_ARGS ?=
BENCH_ARGS ?=
QUICK ?=

VENV := .venv
BIN := $(VENV)/bin
WITH_PEERS := .[dev,bench]
# a process a core; the tests of a file share one, and what they set up
PYTEST = $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test slow lint types docs bench dist clean

help:  ## this list
	@echo 'Usage: make TARGET [PYTHON=python3.12]'
	@awk -F ':.*##  *' '/^[a-z]+:.*## /{printf "  %-6s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

run: $(VENV)/.run  ## search for a network on digits; options in RUN_ARGS="--data DIR"
	@$(BIN)/lemonade-es run $(RUN_ARGS)

test: $(VENV)/.dev  ## the tests but the slow ones; a choice of them in TEST_ARGS="tests/rules -k overfit"
	@$(PYTEST) -m 'not slow' $(TEST_ARGS)

slow: $(VENV)/.dev  ## the slow tests: whole searches, processes killed on purpose, 10,000 cases, attacks
	@$(PYTEST) -m slow $(TEST_ARGS)

lint: $(VENV)/.dev  ## style, formatting, and who may import whom
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

types: $(VENV)/.dev  ## mypy, strict
	@$(BIN)/mypy

docs: $(VENV)/.dev  ## check the documents
	@$(BIN)/python -m pytest tests/project/test_documents.py $(wildcard tests/docs)

bench: $(VENV)/.bench  ## the benchmarks, with peers; a short form with QUICK=1, more in BENCH_ARGS="--photos DIR"
	@$(BIN)/python -m benchmarks $(if $(filter-out 0,$(QUICK)),--quick) $(BENCH_ARGS)

# setuptools adds what an old egg-info lists, so an old one would ship files that are gone.
dist: $(VENV)/.dev  ## sdist and wheel in dist/
	@rm -rf dist build src/*.egg-info
	@$(BIN)/python -m build

clean:  ## remove what was built, not .venv
	@rm -rf dist build src/*.egg-info htmlcov .coverage
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -path ./$(VENV) -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +

# It must run on Pythons that are too old for us.
define CHECK_PYTHON
import sys
if sys.version_info < (3, 11):
    sys.exit("%s is Python %d.%d; lemonade-es needs 3.11 or newer: add PYTHON=/path/to/a/newer/python to make"
             % ((sys.executable,) + tuple(sys.version_info[:2])))
try:
    import ensurepip, venv
except ImportError:
    sys.exit("%s has no venv module; install it (Debian and Ubuntu: apt install python%d.%d-venv), then repeat"
             % ((sys.executable,) + tuple(sys.version_info[:2])))
endef

# A .venv without a working pip was broken off while it was made, or its Python is gone.
define install
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { \
		command -v $(PYTHON) >/dev/null || \
			{ echo '$(PYTHON) is not here; install Python 3.11 or newer, or name one with PYTHON=' >&2; exit 1; }; \
		$(PYTHON) -c "$$CHECK_PYTHON" && $(PYTHON) -m venv --clear $(VENV); }
	@echo 'installing $(1) into $(VENV): about 6 GB, most of it PyTorch, on the first time'
	@PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install -e '$(1)'
endef

$(VENV)/.run $(VENV)/.dev $(VENV)/.bench: export CHECK_PYTHON := $(CHECK_PYTHON)

$(VENV)/.run: pyproject.toml
	$(call install,.)
	@touch $@

$(VENV)/.dev: pyproject.toml
	$(call install,.[dev])
	@touch $(VENV)/.run $@

$(VENV)/.bench: pyproject.toml $(VENV)/.dev
	$(call install,$(WITH_PEERS))
	@touch $@
