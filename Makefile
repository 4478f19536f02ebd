.DEFAULT_GOAL := help
.PHONY: help run test test-chatkit migrate psql reset lint format docs check bench lock clean
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
# The extra for ChatKit brings fifty packages: a virtual environment of its own, with OpenAI's tests in it.
CHATKIT := .venv-chatkit
# The first Python on the path that is new enough; `make PYTHON=python3.13 run` chooses another.
PYTHON ?= $(firstword $(foreach p,python3 python3.14 python3.13 python3.12 python3.11,\
    $(shell $(p) -c 'import sys; sys.version_info >= (3, 11) and print("$(p)")' 2>/dev/null)) python3.11)
ARGS ?=
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --upgrade --no-annotate --no-header \
    --no-emit-index-url

help: ## Print this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | awk -F '\t' '{printf "  make %-13s %s\n", $$1, $$2}'

run: $(VENV)/installed ## Serve with demo data on http://127.0.0.1:8000 (embedded PostgreSQL, or DATABASE_URL)
	@$(BIN)/parley serve --demo $(ARGS)

test: $(VENV)/installed ## Run the tests (ARGS='-k name' passes options to pytest)
	@$(BIN)/pytest $(ARGS)

test-chatkit: $(CHATKIT)/installed ## Check and test the extra for ChatKit, with OpenAI's own tests of a Store
	@$(CHATKIT)/bin/mypy --cache-dir $(CHATKIT)/mypy thin_api/chatkit/*.py tests/chatkit/*.py tests/chatkit/official/*/*.py
	@$(CHATKIT)/bin/pytest tests/chatkit $(ARGS)

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

lock: $(VENV)/installed ## Resolve the newest allowed versions into the two requirements.lock
	@$(BIN)/pip install --quiet uv
	@$(LOCK) --extra test --extra lint pyproject.toml --output-file requirements.lock
	@$(LOCK) --extra chatkit pyproject.toml tests/chatkit/requirements.in --output-file tests/chatkit/requirements.lock

clean: ## Remove the virtual environment and caches; the data folder stays
	@rm -rf $(VENV) $(CHATKIT) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/installed: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit("Parley needs Python 3.11 or newer: make PYTHON=... " if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) ..."; $(BIN)/pip install -qq --disable-pip-version-check -r requirements.lock
	@$(BIN)/pip install -qq --disable-pip-version-check --no-deps --editable . && touch $@

$(CHATKIT)/installed: pyproject.toml tests/chatkit/requirements.lock
	@test -x $(CHATKIT)/bin/python || $(PYTHON) -m venv $(CHATKIT)
	@echo "Installing into $(CHATKIT) ..."; $(CHATKIT)/bin/pip install -qq --disable-pip-version-check -r tests/chatkit/requirements.lock
	@$(CHATKIT)/bin/pip install -qq --disable-pip-version-check --no-deps --editable .
	@cd $(CHATKIT) && bin/pip download -qq --disable-pip-version-check --no-deps --no-binary :all: \
	    "$$(grep ^openai-chatkit== ../tests/chatkit/requirements.lock)" && tar xzf openai_chatkit-*.tar.gz && touch installed
