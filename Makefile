# The vocabulary of this project: people and .ci/run use the same targets.
# Everything is made below .venv, target and .build; the stamps in .build make a second call cost nothing.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

BIN := .venv/bin
STAMPS := .build
# A debug build of the core would be slow and hide that in every number it gives.
RUST_SOURCES := Cargo.toml Cargo.lock rust/Cargo.toml $(shell find rust/src -name '*.rs' 2>/dev/null)
PYTHON_FOLDERS := python tests tools benchmarks examples
# Workers, each with a PostgreSQL of its own: two for each of two cores, since most tests wait for a clock or a browser.
TEST_WORKERS ?= 4
TESTS ?= tests
# A worker that crashes ends the run, which says in which test it was; with another one in its place it may wait for ever.
PYTEST = $(BIN)/pytest -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder --max-worker-restart 0
# What needs a PostgreSQL and nothing else of the system: no program of Debian's, no /proc.
PORTABLE_TESTS := tests/library tests/types tests/tables tests/examples tests/cli
ROWS ?= 1000000
BENCH ?=
PROOF ?=
LOAD ?=
FUZZ_SECONDS ?= 60

export ROWS

# A stamp says nothing about what somebody removed by hand.
$(if $(wildcard $(BIN)/python),,$(shell rm -f $(STAMPS)/venv))
$(if $(wildcard python/polyglot_export/_core.abi3.so),,$(shell rm -f $(STAMPS)/core))

.PHONY: help
help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

# --- installation ------------------------------------------------------------------------------------------------

.PHONY: install
install: $(STAMPS)/core $(STAMPS)/dev ## Make .venv with everything in it, the core in release mode

PIP_INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all:

# What the demo needs, and what builds the core. Lint and tests need more, which comes on top of it.
$(STAMPS)/venv: requirements-demo.txt tools/check-tools.sh
	@tools/check-tools.sh python
	@mkdir -p $(STAMPS)
	$$(tools/check-tools.sh --python) -m venv --clear .venv
	$(PIP_INSTALL) -r requirements-demo.txt
	@touch $@

$(STAMPS)/dev: $(STAMPS)/venv requirements-dev.txt
	$(PIP_INSTALL) -r requirements-dev.txt
	@touch $@

# The compiled module is placed into python/, where the installed package (editable) and mypy find it. maturin installs the
# package with its dependencies; off line, since the lock has brought them all. (With uv: an older pip knows no groups.)
MATURIN := VIRTUAL_ENV=$(CURDIR)/.venv UV_OFFLINE=1 UV_NO_INDEX=1 $(BIN)/maturin develop --release --locked --quiet

$(STAMPS)/core: $(STAMPS)/venv $(RUST_SOURCES) pyproject.toml
	@tools/check-tools.sh rust
	$(MATURIN) --uv --group build
	$(BIN)/python -m compileall -q python
	@touch $@

.PHONY: system
system:
	@tools/system-packages.sh

# Two parts of the installation that can be made side by side (.ci/run): the second one alone changes .venv. What is
# compiled here `install` finds compiled.
.PHONY: compile
compile: $(STAMPS)/venv
	@tools/check-tools.sh rust
	$(MATURIN) --skip-install

.PHONY: packages
packages: $(STAMPS)/dev

# Node.js with npm, other people's clients in .build/clients, and Azurite; quick when nothing has changed.
.PHONY: test-clients
test-clients: system
	@tests/clients/install.sh
	@tests/fixtures/azurite/install.sh

# --- use ---------------------------------------------------------------------------------------------------------

.PHONY: demo
demo: $(STAMPS)/core ## Fill a table in a PostgreSQL of its own, export it over HTTP in every format (ROWS=1000000)
	@$(BIN)/polyglot demo --rows "$(ROWS)"

.PHONY: serve
serve: $(STAMPS)/core ## The demo's database and service, kept running until Ctrl-C (ROWS=1000000)
	@$(BIN)/polyglot demo --rows "$(ROWS)" --keep

.PHONY: bench
bench: install ## Each format, dumps, and every peer that can be had beside psql \copy, into docs/ (BENCH='--rows 2000000 --pairs 5')
	@benchmarks/peers/install.sh
	@$(BIN)/python -m benchmarks.suite --write $(BENCH)
	@$(BIN)/python -m benchmarks.dumps --peers
	@$(BIN)/python -m benchmarks.one_moment

.PHONY: proof
proof: install system ## The service in a memory cgroup of 256 MB: every format, many clients, attacks; dumps (PROOF='--rows 10000000')
	@$(BIN)/python -m benchmarks.cgroup $(PROOF)
	@$(BIN)/python -m benchmarks.confined_dumps --page docs/proofs.md $(PROOF)
	@$(BIN)/python -m benchmarks.hostile --page docs/proofs.md
	@$(BIN)/python -m benchmarks.fair --page docs/proofs.md

.PHONY: load
load: install ## Ten minutes of 200 clients at random, kills and attacks included, in the same cgroup (LOAD='--minutes 1')
	@$(BIN)/python -m benchmarks.load $(LOAD)

.PHONY: clients
clients: install ## What every client sees of a cut, directly and behind proxies: the table of docs/reference/faults.md
	@tools/system-packages.sh clients
	@tests/clients/install.sh all
	@$(BIN)/python -m tests.clients.measure
	@$(BIN)/python -m tests.faults.table

.PHONY: readers
readers: install ## What every reader of Parquet makes of every type: the table of docs/formats/parquet.md. Installs 2.1 GB
	@tests/readers/install.sh
	@$(BIN)/python -m tests.readers.measure
	@$(BIN)/python -m tests.readers.table

.PHONY: screenshots
screenshots: install ## The pictures of the page in docs/images
	@tools/system-packages.sh tests
	@$(BIN)/python -m tests.page.screenshots

.PHONY: servers
servers: install ## Which web servers show a cut of an ExportResponse: the table of docs/reference/web-servers.md
	@tools/system-packages.sh tests
	@$(BIN)/python -m tests.integrations.measure
	@$(BIN)/python -m tests.integrations.table

# --- checks ------------------------------------------------------------------------------------------------------

.PHONY: test
test: test-python test-rust ## Every test, against a real PostgreSQL (POLYGLOT_TEST_POSTGRES chooses one)

.PHONY: test-rust
test-rust: ## The tests of the core alone
	@tools/check-tools.sh rust
	cargo test --locked --quiet

.PHONY: test-python
test-python: install system test-clients ## The tests of library, command line and service (TESTS=tests/types)
	$(PYTEST) $(TESTS)

.PHONY: test-portable
test-portable: install ## The tests that need only a PostgreSQL, as they run on macOS
	$(PYTEST) $(PORTABLE_TESTS)

.PHONY: lint
lint: install lint-python lint-deploy lint-workflows lint-rust ## Every check that needs no database

.PHONY: lint-types
lint-types: $(STAMPS)/dev
	$(BIN)/mypy

.PHONY: lint-python
lint-python: $(STAMPS)/core $(STAMPS)/dev lint-types
	$(BIN)/ruff check $(PYTHON_FOLDERS)
	$(BIN)/ruff format --check $(PYTHON_FOLDERS)
	PYTHONPATH=python $(BIN)/python -m mypy.stubtest polyglot_export._core --mypy-config-file tools/stubtest.ini \
		--allowlist tools/stubtest-allowlist.txt
	$(BIN)/lint-imports --no-cache --no-logo pyproject.toml
	$(BIN)/vulture
	$(BIN)/python tools/check_docs.py
	$(BIN)/python tools/check_rust.py
	$(BIN)/python tools/check_version.py
	$(BIN)/python -m tools.cli_reference --check
	$(BIN)/python -m tools.manifest_schema --check
	$(BIN)/python -m tools.audit_schema --check
	$(BIN)/python -m tools.configuration_reference --check
	$(BIN)/python -m tests.faults.table --check
	$(BIN)/python -m tests.readers.table --check
	$(BIN)/python -m tests.integrations.table --check
	$(BIN)/python -m tools.generate_xml_names --check

.PHONY: lint-deploy
lint-deploy: $(STAMPS)/dev
	$(BIN)/python tools/lint_deploy.py

# Off line: what zizmor would ask the network for is whether a pinned commit still belongs to its action.
.PHONY: lint-workflows
lint-workflows: $(STAMPS)/dev
	$(BIN)/actionlint
	$(BIN)/zizmor --offline --no-progress --quiet .github
	$(BIN)/yamllint --strict .github

.PHONY: lint-rust
lint-rust: $(STAMPS)/venv
	@tools/check-tools.sh rust rustfmt clippy
	cargo fmt --check
	cargo fmt --check --manifest-path benchmarks/replay/Cargo.toml
	$(BIN)/python tools/rust_circles.py
	cargo clippy --locked --all-targets --quiet -- -D warnings
	cargo clippy --locked --all-targets --quiet --manifest-path benchmarks/replay/Cargo.toml -- -D warnings

.PHONY: format
format: $(STAMPS)/dev ## Format Python and Rust
	$(BIN)/ruff check --fix-only --quiet $(PYTHON_FOLDERS)
	$(BIN)/ruff format $(PYTHON_FOLDERS)
	cargo fmt
	cargo fmt --manifest-path benchmarks/replay/Cargo.toml

.PHONY: fuzz
fuzz: ## A minute of damaged bytes for decoders, wire messages and encoders (FUZZ_SECONDS=60)
	@tools/check-tools.sh rust
	POLYGLOT_FUZZ_SECONDS=$(FUZZ_SECONDS) cargo test --locked --quiet --test fuzz -- --nocapture

.PHONY: test-slow
test-slow: install ## The property tests at length, an hour or so (Hypothesis and proptest)
	PROPTEST_CASES=20000 cargo test --locked --quiet
	HYPOTHESIS_PROFILE=slow $(PYTEST) --timeout 3600 -m "not memory" $(TESTS)

.PHONY: docs
docs: install ## Write the generated pages anew and check that every link leads somewhere
	$(BIN)/python -m tools.cli_reference
	$(BIN)/python -m tools.manifest_schema
	$(BIN)/python -m tools.audit_schema
	$(BIN)/python -m tools.configuration_reference
	$(BIN)/python -m tests.faults.table
	$(BIN)/python -m tests.readers.table
	$(BIN)/python -m tests.integrations.table
	$(BIN)/python -m tests.types.table
	$(BIN)/python tools/check_docs.py

.PHONY: lock
lock: $(STAMPS)/venv ## Resolve the newest allowed versions into requirements*.txt and Cargo.lock
	tools/lock.sh
	cargo update --workspace

.PHONY: clean
clean: ## Remove everything that these targets made
	rm -rf .venv target benchmarks/replay/target .build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find python tests tools benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -f python/polyglot_export/_core*.so
