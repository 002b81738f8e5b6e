# Each target sets up what it needs in .venv by itself. PYTHON chooses the interpreter, VENV the folder.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

.PHONY: demo test check bench reliability docs format clean help

help:  ## these lines
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

demo: $(VENV)/.demo  ## typed records in a real Kinto server, step by step
	$(BIN)/python docs/examples/countries.py

test: $(VENV)/.test  ## the tests, with every example of README, docs and docstrings
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile $(ARGS)

check: $(VENV)/.check  ## lint, format, mypy, pyright and the completeness of the public types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/mypy --config-file tests/typing/plugin.ini
	$(BIN)/pyright --pythonpath $(BIN)/python
	PYTHONPATH=. $(BIN)/pyright --pythonpath $(BIN)/python --ignoreexternal --verifytypes kinto_models

bench: $(VENV)/.bench  ## what it costs, beside kinto-http.py; writes docs/performance.md
	$(BIN)/python -m tests.benchmarks

reliability: $(VENV)/.reliability  ## whether what is reported as saved is saved; all, or ARGS="exchange law"
	$(BIN)/python -m tests.reliability $(ARGS)

docs: $(VENV)/.docs  ## the documentation, into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

format: $(VENV)/.check  ## put the code in order
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:  ## remove what the targets made
	rm -rf $(VENV) site .mypy_cache .pytest_cache .ruff_cache .hypothesis

# One stamp for each dependency group; dependency groups need a recent pip.
$(VENV)/.%: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group $*
	@touch $@

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
