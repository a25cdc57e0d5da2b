# The environment lives in .venv. Each stamp in it says what is installed there, and goes stale when pyproject.toml changes.
#
#   PYTHON=python3.12             the interpreter that .venv is made with (3.11 or newer)
#   TORCH_INDEX=URL               where a new .venv takes torch and torchvision from, both: the small CPU builds (see the README)
#   LAB_ARGS="--no-browser ..."   more words for JupyterLab
#   PYTEST_ARGS="-k spec ..."     more words for pytest

PYTHON ?= python3
TORCH_INDEX ?=
LAB_ARGS ?=
PYTEST_ARGS ?=

VENV := .venv
BIN  := $(VENV)/bin

# pytest's exit code where PYTEST_ARGS picked none of these tests.
NONE_PICKED := test $$? -eq 5
NBVAL := -p tests.nbval_patience --nbval-lax --nbval-current-env --nbval-sanitize-with tests/nbval.cfg

.DEFAULT_GOAL := help
.PHONY: help lab test bench lessons

help: ## List these commands.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

lab: $(VENV)/.lab ## Create the environment if need be, and open JupyterLab on the lessons.
	@echo "lab: opening JupyterLab on notebooks/ (Ctrl-C twice ends it)"
	@$(BIN)/python -m jupyterlab notebooks $(LAB_ARGS)

test: $(VENV)/.test ## Run every test: style, import contracts, units, claims, the browser, and all notebooks.
	@echo "test: style, import contracts, units, claims, the browser, then every notebook"
	@$(BIN)/ruff check
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m pytest --ignore tests/browser --numprocesses auto --dist loadfile $(PYTEST_ARGS) || $(NONE_PICKED)
	@$(BIN)/python -m pytest tests/browser $(PYTEST_ARGS) || $(NONE_PICKED)
	@$(BIN)/python -m pytest $(NBVAL) notebooks

bench: $(VENV)/.test ## Measure how long things take; wants an idle machine.
	@echo "bench: measuring; keep the machine idle"
	@$(BIN)/python -m pytest tests/benchmarks -m benchmark -s $(PYTEST_ARGS)

lessons: $(VENV)/.test ## Run the lessons and refresh the pictures they keep for readers with no kernel.
	@echo "lessons: running every notebook and refreshing its pictures"
	@$(BIN)/python .ci/lessons.py

$(VENV)/.lab: pyproject.toml | $(BIN)/python
	@echo "lab: installing reslab and what it needs into $(VENV) (once; minutes, gigabytes without TORCH_INDEX)"
	@$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.test: pyproject.toml | $(BIN)/python
	@echo "test: installing reslab and its test tools into $(VENV) (once; minutes, gigabytes without TORCH_INDEX)"
	@$(BIN)/python -m pip install --quiet --editable '.[test]'
	@touch $@ $(VENV)/.lab

# torch and torchvision come from one source or do not work together, so they go in first; pip then finds them there and takes no others.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "reslab needs Python 3.11 or newer, and '$(PYTHON)' is not: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@echo "$(VENV): creating it with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear $(VENV) || \
	  { rm -rf $(VENV); echo "'$(PYTHON)' cannot create environments; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@test -z "$(TORCH_INDEX)" || $(BIN)/python -m pip install --quiet --index-url "$(TORCH_INDEX)" torch torchvision || \
	  { rm -rf $(VENV); exit 1; }
