# The commands of the README and of .ci/run. Set-up lands in .venv and in one cache folder, results in build/.

GEBUS_CACHE ?= $(HOME)/.cache/gebus
DATA ?= ../shared/data
PYTHON ?= python3.11
BIN := .venv/bin
export GEBUS_CACHE
export PIP_CACHE_DIR := $(GEBUS_CACHE)/pip
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export CARGO_HOME := $(GEBUS_CACHE)/cargo
export CARGO_TARGET_DIR := $(GEBUS_CACHE)/target
export PATH := $(CURDIR)/.venv/bin:$(PATH)

KERNEL := $(shell find services/kernel -name '*.rs' -o -name '*.toml' -o -name '*.pyi' 2>/dev/null)
CHECKED := services connectors tests

.PHONY: help setup demo test lint bench fault clean constraints format

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 14

setup: .venv/.deps .venv/.kernel .venv/.packages  ## make .venv with everything in it

.venv/.deps: constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "gebus needs Python 3.11 as '$(PYTHON)': install it, or name it with PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "gebus needs Python 3.11, and '$(PYTHON)' is another version: name the right one with PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --require-hashes -r constraints.txt
	@touch $@

.venv/.kernel: .venv/.deps $(KERNEL)
	@command -v cargo >/dev/null || { echo "gebus compiles its kernel with Rust: install the stable toolchain (rustup) so that 'cargo' is on the PATH"; exit 1; }
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --force-reinstall ./services/kernel
	@touch $@

.venv/.packages: .venv/.deps services/pyproject.toml connectors/pyproject.toml
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e ./services -e ./connectors
	@touch $@

demo: setup  ## real data through the real Kafka: publish, deduplicate, route, mask, consume, account
	$(BIN)/gebus demo --data $(DATA) $(if $(KEEP),--keep) $(if $(JSON),--json)

test: setup  ## all tests; those that need a server bring it up themselves
	cd services/kernel && cargo test --quiet
	$(BIN)/gebus check
	$(BIN)/gebus test
	$(BIN)/pytest $(PYTEST)

lint: setup  ## formatting, types, layers, warnings
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/ruff format --check $(CHECKED)
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd services/kernel && cargo fmt --check && cargo clippy --quiet --all-targets -- -D warnings

bench: setup  ## the workloads beside their peers, results in build/bench; BENCH="w2 w3 --scale 0.02" is less
	$(BIN)/python -m tests.bench $(BENCH)

fault: setup  ## the kill matrix, hours of it; results and histories in build/fault; FAULT="CELL --events N --seeds 1 2"
	$(BIN)/python -m tests.fault $(FAULT)

format: setup  ## rewrite the sources in the project's format
	$(BIN)/ruff format $(CHECKED)
	$(BIN)/ruff check --fix $(CHECKED)
	cd services/kernel && cargo fmt

constraints: setup  ## requirements.in -> constraints.txt, with hashes and no index address
	$(BIN)/uv pip compile --quiet requirements.in --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -o constraints.txt

clean:  ## remove what set-up, stack and benches made here; the cache folder stays
	@for home in .gebus .gebus/demo; do if [ -x $(BIN)/gebus ] && [ -f $$home/stack.json ]; then GEBUS_HOME=$$home $(BIN)/gebus down; fi; done
	rm -rf .venv .gebus build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
