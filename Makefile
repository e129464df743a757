# Two commands for a newcomer: `make run` and `make test`. Both set up what they need.
PYTHON ?= python3
VENV := .venv
WORKERS ?= 6
BIN := $(VENV)/bin
UV := $(BIN)/uv

.PHONY: help run test check lint types floors bench soak audit lock clean setup setup-dev claude images mcp pdf

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1	\2/p' Makefile | expand -t 16

run: setup claude ## set up what is missing and start the bridge
	@$(BIN)/python -m bridge

# More workers than cores: many tests wait for processes. Compiled once here, the sources are not compiled again
# by each worker and each process that a test starts, wherever the environment forbids to keep bytecode.
test: export PYTHONDONTWRITEBYTECODE =
test: setup-dev ## set up what is missing and run all tests
	@$(BIN)/python -m compileall -q -j 0 -x '/\.venv/|/test_' .
	@$(BIN)/python -m tests.rewritten
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -o faulthandler_timeout=600 -q $(PYTEST_FLAGS)

check: lint types floors test ## what the gate runs: lint, types, import floors, tests

lint: setup-dev ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup-dev ## mypy, strict
	$(BIN)/mypy

floors: setup-dev ## which package may import which
	$(BIN)/lint-imports

bench: setup-dev ## print the figures of docs/benchmarks.md (minutes)
	$(BIN)/python -m tests.bench

soak: setup-dev ## long fault runs (many hours)
	$(BIN)/python -m pytest -m soak --timeout 7200

audit: setup-dev ## known holes in dependencies, and their licences
	$(UV) tool run pip-audit --require-hashes --disable-pip -r requirements/run.txt
	$(BIN)/python scripts/licences.py

setup: $(VENV)/run.stamp ## only set up what `make run` needs
setup-dev: $(VENV)/dev.stamp

# Even the demo model is asked through the claude program: who has none gets one that only the bridge uses.
claude: setup ## load Claude Code into .venv, if it is not installed
	@command -v claude >/dev/null || [ -n "$$CLAUDE_COMMAND" ] || grep -qs '^ *CLAUDE_COMMAND *=.' .env \
	  || $(MAKE) --silent $(VENV)/claude.stamp

$(VENV)/claude.stamp: requirements/cli.txt $(VENV)/run.stamp
	@echo "Claude Code is not installed here. Loading its program into $(VENV) (about 170 MB) …"
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --require-hashes -r requirements/cli.txt
	@ln -sf "$$($(BIN)/python -c 'from sessions.claude.locate import find_command; print(*find_command("", {"PATH": ""}))')" $(BIN)/claude
	@touch $@

mcp: setup ## let agents outside use the bridge over MCP (the extra `mcp`)
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/mcp.txt

pdf: setup ## let sessions be exported as PDF (the extra `pdf`)
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/pdf.txt

images: setup ## let Claude see HEIC and large pictures (the extra `images`)
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/images.txt

$(UV):
	@echo "Setting up: a virtual environment in $(VENV) …"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; try: make PYTHON=python3.12 …")'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements/uv.txt

$(VENV)/run.stamp: requirements/run.txt requirements/build.txt pyproject.toml | $(UV)
	@echo "Setting up: dependencies, each checked against its hash …"
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/build.txt -r requirements/run.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt $(VENV)/run.stamp
	@echo "Setting up: development tools and the Claude CLI that the tests run (about 170 MB) …"
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@touch $@

lock: | $(UV) ## renew the locks of the dependencies
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements/run.txt
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --group dev -c requirements/run.txt -o requirements/dev.txt
	echo 'claude-agent-sdk' | $(UV) pip compile --quiet --universal --python-version 3.11 --no-deps --generate-hashes --no-emit-index-url --no-header -c requirements/dev.txt - -o requirements/cli.txt
	printf 'pillow\npillow-heif\n' | $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -c requirements/dev.txt - -o requirements/images.txt
	echo 'typst' | $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -c requirements/dev.txt - -o requirements/pdf.txt
	echo 'mcp' | $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -c requirements/dev.txt - -o requirements/mcp.txt
	printf 'hatchling\neditables\n' | $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header - -o requirements/build.txt
	echo 'uv' | $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header - -o requirements/uv.txt

clean: ## remove what was set up and cached
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
