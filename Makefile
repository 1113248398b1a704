# The only door, for people and for CI: bare `make` lists what there is.
PYTHON ?= python3
export PYTHONUNBUFFERED = 1
VENV := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help setup run demo test lint fmt bench golden up down logs

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

setup:  ## fetch what run, demo and test need (they call it themselves)
	@command -v $(PYTHON) >/dev/null || { echo "setup: $(PYTHON) is not here: install Python 3.11 or newer." >&2; exit 1; }
	@$(PYTHON) -m dev.setup

run: setup  ## start the whole platform on this machine and stay up, without Docker
	@$(VENV) -m dev run

demo: setup  ## two prescriptions from clinic to pharmacy, one in each dialect, told step by step
	@$(VENV) -m dev demo

test: setup  ## all tests: unit, service, journey, crash (`make test ARGS="-k words"` for some)
	@$(VENV) -m pytest tests $(ARGS)

lint: setup  ## style, types and the direction of imports
	@$(VENV) -m ruff check
	@$(VENV) -m ruff format --check
	@$(VENV) -m mypy
	@.venv/bin/lint-imports

fmt: setup  ## lay the code out
	@$(VENV) -m ruff check --fix
	@$(VENV) -m ruff format

bench: setup  ## the numbers of DESIGN beside their baselines
	@$(VENV) -m tests.benchmarks

golden: setup  ## write again what outsiders depend on; the diff is the review
	@$(VENV) -m contracts.golden
	@$(VENV) -m dev.wiring
	@$(VENV) -m dev.state_page

up:  ## the same platform in containers (`make up ARGS="--scale prescription=3"`)
	@docker compose up --build --detach $(ARGS)
	@$(PYTHON) -m dev.containers

down:  ## stop the containers and keep their data
	@docker compose down

logs:  ## follow the containers' logs
	@docker compose logs --follow --tail 100
