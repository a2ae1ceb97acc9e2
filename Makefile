# Verbs of this repository; `make help` lists them. Everything is installed into .venv; nothing else is needed but
# Python 3.11 or newer.

SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ARGS ?=

.PHONY: help setup run test lint types bench bench-large torture docs clean

help: ## List the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(STAMP) ## Make .venv with Gater and all its tools

$(STAMP): pyproject.toml scripts/make-venv
	@scripts/make-venv $(VENV) $(PYTHON)
	@touch $@

run: setup ## Start a node on SQLite in ./data with the greenhouse demo (ARGS="--seconds 5" to end by itself)
	@$(BIN)/gater demo $(ARGS)

test: setup lint types ## Run everything: linters, types, import arrows, and the whole test suite
	@$(BIN)/python -m pytest $(or $(ARGS),-n 2 --dist worksteal --ignore=tests/load)
	@$(if $(ARGS),,$(BIN)/python -m pytest tests/load)

lint: setup ## Check style and the direction of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-logo

types: setup ## Check types (mypy --strict; the examples with pyright, too)
	@$(BIN)/mypy
	@$(BIN)/mypy examples
	@$(BIN)/pyright

bench: setup ## Measure Gater beside its peers and print the budget table (ARGS="--only P1,P4 --json FILE")
	@$(BIN)/python -m bench $(ARGS)

bench-large: setup ## Measure growth up to 10 million events and a million streams (an hour or so)
	@$(BIN)/python -m bench --large $(ARGS)

torture: setup ## Kill, fill and damage stores under load for a long time (ARGS="--kills 200")
	@$(BIN)/python -m tests.torture $(ARGS)

docs: setup ## Write the generated pages of docs/reference anew
	@$(BIN)/python -m scripts.generate_docs

clean: ## Remove what the verbs have made, but for ./data
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist reports
