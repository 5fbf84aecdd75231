# Every target works as the first command on a fresh clone: it sets up what it needs, once.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.setup-done
# Twice as many as the two cores it is timed on: most of a daemon's test is waiting. Each worker
# begins with one part, so that most fixtures are set up once, and helps out at the end.
WORKERS := -n 4 --dist worksteal
# Quick tests wait for little, and each worker must collect all of them first.
QUICK_WORKERS := -n 3 --dist worksteal
PYTEST_ARGS ?=
ARGS ?=
SEEDS ?= 200
FROM ?= 0
ONLY ?=
# Python keeps what it compiled, whatever the caller set: a test run starts a thousand of them.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test check simulate soak bench contracts reducers lock clean
.PHONY: lint style imports types manifest
.DEFAULT_GOAL := help

help:
	@echo "make setup      install everything this clone needs, into .venv and .tools"
	@echo "make demo       daemons on a local chain: channels on chain and over a hub, then audits"
	@echo "make check      style, types, architecture, contracts manifest, quick tests"
	@echo "make test       every test"
	@echo "make simulate   nodes on failing disks, wires and chains, seeded: SEEDS=200 FROM=0 ONLY="
	@echo "make contracts  compile the contracts again and compare with what is committed"
	@echo "make reducers   compile the shipped reducers again and compare with what is committed"
	@echo "make bench      payments, appends and replay per second, beside their limits"
	@echo "make soak       the long tests: kills, faults and damaged logs, many times"
	@echo "make clean      remove everything that make made"

$(READY): requirements.lock pyproject.toml scripts/setup.py
	@$(PYTHON) scripts/setup.py

setup: $(READY)
	@echo "ready: make demo"

demo: $(READY)
	@$(BIN)/tally demo $(ARGS)

lint: style imports

style: $(READY)
	@echo "== ruff" && $(BIN)/ruff check .

imports: $(READY)
	@echo "== import-linter" && $(BIN)/lint-imports

types: $(READY)
	@echo "== mypy" && $(BIN)/mypy

manifest: $(READY)
	@echo "== contracts manifest" && $(BIN)/python scripts/contracts.py --manifest

# At the same time, each with its words together; all of them speak before one that failed ends it.
check: $(READY)
	@$(MAKE) --no-print-directory -j 4 -k --output-sync=target types imports style manifest
	@echo "== quick tests" && $(BIN)/python -m pytest -q $(QUICK_WORKERS) -m "not e2e and not slow" $(PYTEST_ARGS)

test: $(READY)
	@$(BIN)/python -m pytest -q $(WORKERS) $(PYTEST_ARGS)

simulate: $(READY)
	@$(BIN)/python -m tests.simulation.simulator --seeds $(SEEDS) --from $(FROM) --only "$(ONLY)" $(ARGS)

soak: $(READY)
	@$(BIN)/python scripts/soak.py $(ARGS)

bench: $(READY)
	@$(BIN)/python scripts/bench.py $(ARGS)

contracts: $(READY)
	@$(BIN)/python scripts/contracts.py --check

reducers: $(READY)
	@$(BIN)/python scripts/reducers.py --check

# Writes requirements.lock anew from pyproject.toml, with the hashes of every wheel.
lock: $(READY)
	@$(BIN)/python scripts/lock.py

clean:
	rm -rf .venv .tools build dist .coverage coverage.json .import_linter_cache
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
