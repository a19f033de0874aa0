# Every target first sets up what it needs; if nothing is missing, that takes under a second.
#
#   make dev PORT=8787 STATE=DIR TENANTS=FILE.json NAMESPACE=DIR VARS="KEY=VALUE …" PAYMENTS=1
#
# Variables are passed in the environment without expansion: a $ in VARS stays a $.

.DEFAULT_GOAL := help
.SUFFIXES:

# Lines with + also run for make -n, which shall only print them.
ifneq (,$(findstring n,$(filter-out --%,$(firstword -$(MAKEFLAGS)))))
SHELL := true
endif

# Commands explain their failures. In question mode, make adds no "*** Error" to a line with + that
# ends with 1, and ends with 1 itself (docs/decisions/0039-make-adds-nothing-to-an-explained-failure.md).
MAKEFLAGS += --no-builtin-rules --no-print-directory --question
unexport MAKEFLAGS MFLAGS
export FAILS_WITH_1 := 1

override PORT := $(value PORT)
override STATE := $(value STATE)
override TENANTS := $(value TENANTS)
override NAMESPACE := $(value NAMESPACE)
override RUNTIME := $(value RUNTIME)
override SIZE := $(value SIZE)
override ONLY := $(value ONLY)
override VARS := $(value VARS)
override SEEDS := $(value SEEDS)
override SEED := $(value SEED)
override FROM := $(value FROM)
override MUTATIONS := $(value MUTATIONS)
override PAYMENTS := $(value PAYMENTS)
override REQUESTS := $(value REQUESTS)
override HISTORY := $(value HISTORY)
override API := $(value API)
override COUNT := $(value COUNT)
override METHOD := $(value METHOD)
override BODY := $(value BODY)
override URL := $(value URL)
export PORT STATE TENANTS NAMESPACE RUNTIME VARS SIZE ONLY SEEDS SEED FROM MUTATIONS
export REQUESTS PAYMENTS HISTORY API COUNT METHOD BODY URL

# Bytecode beside the sources would reload a running make dev.
export PYTHONPYCACHEPREFIX := $(CURDIR)/.clawr/bytecode

SETUP := sh dev/python.sh -m dev.setup
PYTHON := .venv/bin/python

.PHONY: help dev clawr demo pay test accept screenshots pack fuzz simulate budget check format bench plots clean

help: ## prints this list
	+@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

dev: ## runs the dispatcher under wrangler dev (PAYMENTS=1: with a local chain and facilitator)
	+@$(SETUP) $(if $(filter 1,$(PAYMENTS)),payments,run) && PYTHONPATH=src exec $(PYTHON) -m dev.launch

clawr: ## sets up the command clawr and prints its path
	+@$(SETUP) run && .venv/bin/clawr --help && echo "Run it as .venv/bin/clawr, or as clawr after: . .venv/bin/activate"

demo: ## sends 300 requests to the running dispatcher, then prints its snapshot (PORT=; HISTORY=30 first adds demo history)
	+@$(SETUP) run $(if $(HISTORY),&& PYTHONPATH=src $(PYTHON) -m dev.history) && exec $(PYTHON) -m dev.demo --url "http://localhost:$${PORT:-8787}"

pay: ## pays a priced API of the running dispatcher (API=rates/convert?amount=2 COUNT=1 METHOD= BODY= NETWORK=)
	+@$(SETUP) payments && exec $(PYTHON) -m dev.economy

test: ## runs all tests (RUNTIME=newest: what needs workerd, on npm's newest one)
	+@$(SETUP) browser && exec $(PYTHON) -m dev.test

accept: ## accepts new screenshots of the page, after an intended change
	+@$(SETUP) browser && exec env ACCEPT=1 $(PYTHON) -m dev.test tests/browser/test_page_pictures.py

screenshots: ## takes the README's screenshots of a running dispatcher's page (URL= or PORT=)
	+@$(SETUP) browser && exec $(PYTHON) -m dev.screenshots

pack: ## packs clawr and the local dispatch namespace into dist/, to install or publish them
	+@$(SETUP) tools && exec $(PYTHON) -m dev.packages

fuzz: ## fuzzes the API that the OpenAPI document describes (REQUESTS=10000 SEED=)
	+@$(SETUP) tools && PYTHONPATH=src exec $(PYTHON) -m tests.fuzz

simulate: ## simulates metering and payments under faults (SEEDS=2000 FROM=0 KIND=, one SEED=, or MUTATIONS=1)
	+@$(SETUP) tools && PYTHONPATH=src exec $(PYTHON) -m tests.simulation

budget: ## counts what each kind of request costs, compares it with the budget, and lowers the budget (docs/budget.md)
	+@$(SETUP) tools && PYTHONPATH=src exec $(PYTHON) -m bench.budget

check: ## checks formatting, lint, types, layers and house rules
	+@$(SETUP) tools && exec $(PYTHON) -m dev.check

format: ## formats the code and applies the automatic fixes of the linters
	+@$(SETUP) tools && exec $(PYTHON) -m dev.check --fix

bench: ## runs the benchmarks (SIZE=small or full, ONLY=any of requests,paid,profile,startup,soak,overload,designs,shard,snapshots,growth,explore,page)
	+@$(SETUP) browser && PYTHONPATH=src exec $(PYTHON) -m bench

plots: ## writes charts and tables of docs/performance.md from bench/results (also done by make bench)
	+@$(SETUP) tools && PYTHONPATH=src exec $(PYTHON) -m bench.report

clean: ## removes everything that set-up and runs created
	+@rm -rf .venv .venv-workers .clawr .wrangler node_modules python_modules
	+@rm -rf dev/economy/node/node_modules
	+@rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis dist
	+@find . -name __pycache__ -type d -prune -exec rm -rf {} +
