# The environment is in .venv. Its stamp files say what is installed; they are out of date when pyproject.toml changes.
#
#   PYTHON=python3.12             the interpreter that .venv is made with (3.11 or newer)
#   TORCH_INDEX=URL               the index of torch and torchvision for a new environment; without it,
#                                 .ci/torch_index.py chooses: PyTorch's small CPU build where there is no GPU
#   LAB_ARGS="--no-browser ..."   more words for JupyterLab
#   PYTEST_ARGS="-k spec ..."     more words for pytest

PYTHON ?= python3
TORCH_INDEX ?=
LAB_ARGS ?=
PYTEST_ARGS ?=

VENV := .venv
BIN  := $(VENV)/bin
FLOOR := .venv-floor
# Python compiles a module when it is first imported; pip would compile all 19,000 files, which takes a minute.
INSTALL := -m pip install --no-compile

# pytest's exit code where PYTEST_ARGS picked none of these tests.
NONE_PICKED := test $$? -eq 5
# Tests of what pandas reads, writes and joins.
FRAMES := tests/test_runs.py tests/test_cli.py tests/test_store*.py tests/test_capture.py tests/datasets
# One process per core, and a file's tests in one process. conftest.py and nbval_plugin.py put the longest files first.
SHARED := --numprocesses auto --dist loadfile --no-loadscope-reorder
# Tests that a library's version breaks first: what is read, written, watched, trained and shown.
QUICK := tests/test_capture.py tests/test_capture_models.py tests/test_runs.py tests/test_runs_damage.py \
  tests/test_store*.py tests/test_specs_fields.py \
  tests/train/test_train_own_models.py tests/train/test_train_refused_models.py \
  tests/explorers/test_explorers.py tests/explorers/test_explorers_live.py tests/explorers/test_explorers_cells.py \
  tests/explorers/test_explorers_question.py
NBVAL := -p tests.nbval_plugin --nbval-lax --nbval-current-env --nbval-sanitize-with tests/nbval.cfg

.DEFAULT_GOAL := help
.PHONY: help lab test test-floor test-floor-quick bench lessons badges

help: ## List these commands.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' Makefile

lab: $(VENV)/.lab ## Create the environment if need be, and open JupyterLab on the lessons.
	@echo "lab: opening JupyterLab on notebooks/ (Ctrl-C twice ends it)"
	@$(BIN)/python -m jupyterlab notebooks $(LAB_ARGS)

test: $(VENV)/.test ## Run every test: style, import contracts, units, claims, all notebooks, and the browser.
	@echo "test: style, import contracts, units and claims, then every notebook and the browser"
	@$(BIN)/ruff check
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m pytest --ignore tests/browser $(SHARED) $(PYTEST_ARGS) || $(NONE_PICKED)
	@$(BIN)/python -m pytest $(NBVAL) notebooks tests/browser $(SHARED) $(PYTEST_ARGS) || $(NONE_PICKED)

test-floor: $(FLOOR)/.test ## Run unit tests and two lessons with the oldest versions allowed, which are Colab's.
	@echo "test-floor: units with pandas 2.2, then frames with pandas 3.0, then lessons 01 and 04"
	@$(FLOOR)/bin/python $(INSTALL) --quiet --constraint tests/floor.txt pandas
	@$(FLOOR)/bin/python -m pytest --ignore tests/browser $(SHARED) -m "not claims and not benchmark" $(PYTEST_ARGS)
	@$(FLOOR)/bin/python $(INSTALL) --quiet 'pandas==3.0.*'
	@$(FLOOR)/bin/python -m pytest $(FRAMES) $(PYTEST_ARGS)
	@$(FLOOR)/bin/python -m pytest $(NBVAL) notebooks/01_degradation.ipynb notebooks/04_activations.ipynb

test-floor-quick: $(FLOOR)/.test ## The first part of test-floor, in minutes: captures, files, trainings and explorers.
	@echo "test-floor-quick: what a library's version breaks first"
	@$(FLOOR)/bin/python $(INSTALL) --quiet --constraint tests/floor.txt pandas
	@$(FLOOR)/bin/python -m pytest $(QUICK) $(SHARED) -m "not claims and not benchmark" $(PYTEST_ARGS)

bench: $(VENV)/.test ## Measure how long things take; wants an idle machine.
	@echo "bench: measuring; keep the machine idle"
	@$(BIN)/python -m pytest tests/benchmarks -m benchmark -s $(PYTEST_ARGS)

lessons: $(VENV)/.test ## Run the lessons and refresh the pictures they keep for readers with no kernel.
	@echo "lessons: running every notebook and refreshing its pictures"
	@$(BIN)/python .ci/lessons.py

badges: ## Print the badges that open your fork's lessons in Colab and in Binder.
	@$(PYTHON) .ci/badges.py

$(VENV)/.lab: pyproject.toml | $(BIN)/python
	@echo "lab: installing reslab and what it needs into $(VENV) (once; minutes); pip says how far it is"
	@$(BIN)/python $(INSTALL) --editable .
	@touch $@

$(VENV)/.test: pyproject.toml | $(BIN)/python
	@echo "test: installing reslab and its test tools into $(VENV) (once; minutes); pip says how far it is"
	@$(BIN)/python $(INSTALL) --editable '.[test]'
	@touch $@ $(VENV)/.lab

$(FLOOR)/.test: pyproject.toml tests/floor.txt
	@echo "test-floor: creating $(FLOOR) with the versions of tests/floor.txt (once; minutes, gigabytes)"
	@$(PYTHON) -m venv --clear $(FLOOR)
	@index=$$($(PYTHON) .ci/torch_index.py "$(TORCH_INDEX)") && \
	  { test -z "$$index" || $(FLOOR)/bin/python $(INSTALL) \
	    --constraint tests/floor.txt --index-url "$$index" torch torchvision; }
	@$(FLOOR)/bin/python $(INSTALL) --constraint tests/floor.txt --editable '.[test]'
	@touch $@

# torch and torchvision from different sources do not work together, so both are installed first; pip then keeps them.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "reslab needs Python 3.11 or newer, and '$(PYTHON)' is not: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; \
	    exit 1; }
	@echo "$(VENV): creating it with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear $(VENV) || \
	  { rm -rf $(VENV); exec >&2; \
	    echo "'$(PYTHON)' cannot create environments; on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@index=$$($(PYTHON) .ci/torch_index.py "$(TORCH_INDEX)") && \
	  { test -z "$$index" || $(BIN)/python $(INSTALL) --index-url "$$index" torch torchvision; } || \
	  { rm -rf $(VENV); exit 1; }
