.DEFAULT_GOAL := help
.PHONY: help run test migrate psql reset lint format docs check bench lock clean
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
# The first Python on the path that is new enough; `make PYTHON=python3.13 run` chooses another.
PYTHON ?= $(firstword $(foreach p,python3 python3.14 python3.13 python3.12 python3.11,\
    $(shell $(p) -c 'import sys; sys.version_info >= (3, 11) and print("$(p)")' 2>/dev/null)) python3.11)
ARGS ?=

help: ## Print this list
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | awk -F '\t' '{printf "  make %-9s %s\n", $$1, $$2}'

run: $(VENV)/installed ## Serve with demo data on http://127.0.0.1:8000 (embedded PostgreSQL, or DATABASE_URL)
	@$(BIN)/parley serve --demo $(ARGS)

test: $(VENV)/installed ## Run the tests (ARGS='-k name' passes options to pytest)
	@$(BIN)/pytest $(ARGS)

migrate: $(VENV)/installed ## Bring the database up to date (ARGS=--status shows what would be done)
	@$(BIN)/parley migrate $(ARGS)

psql: $(VENV)/installed ## Open psql on the database in use
	@$(BIN)/parley psql $(ARGS)

reset: $(VENV)/installed ## Stop the embedded server and delete its data
	@$(BIN)/parley reset $(ARGS)

lint: $(VENV)/installed ## Check style, types, layers and migrations
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/squawk migrations/*.sql
	@$(BIN)/python docs/generate.py --check

format: $(VENV)/installed ## Format the Python code
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

docs: $(VENV)/installed ## Write the reference and tables made from the sources
	@$(BIN)/python docs/generate.py

check: lint test ## Everything CI runs on the embedded server

bench: $(VENV)/installed ## Measure (see bench/README.md)
	@$(BIN)/python -m bench $(ARGS)

bench-%: $(VENV)/installed
	@$(BIN)/python -m bench $* $(ARGS)

lock: $(VENV)/installed ## Resolve the newest allowed versions into requirements.lock
	@$(BIN)/pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --upgrade \
	    --no-annotate --no-header --no-emit-index-url pyproject.toml --output-file requirements.lock

clean: ## Remove the virtual environment and caches; the data folder stays
	@rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/installed: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit("Parley needs Python 3.11 or newer: make PYTHON=... " if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) ..."; $(BIN)/pip install -qq --disable-pip-version-check -r requirements.lock
	@$(BIN)/pip install -qq --disable-pip-version-check --no-deps --editable . && touch $@
