# Everything runs in .venv, which is made once and again only when pyproject.toml or constraints.txt change.
#   make demo    the main job on shipped samples          make check   lint, format and types
#   make test    the test suite                           make bench   time and memory
#   make soak SEED=1 COUNT=200   the long repetitions

PYTHON ?= python3
SEED ?= 0
COUNT ?= 200
ARGS ?=

BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: venv demo test check soak bench
.DEFAULT_GOAL := test

venv: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: $(PYTHON) is older than Python 3.11; name a newer one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -e '.[dev]' -c constraints.txt
	@touch $@

demo: $(STAMP)
	$(BIN)/fewshot demo $(ARGS)

# One process for each core, a file of tests to each in turn; more threads than that would only wait.
test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

soak: $(STAMP)
	SOAK_SEED=$(SEED) SOAK_COUNT=$(COUNT) $(BIN)/python -m pytest -m soak $(ARGS)

# The ordinary options leave tests/benchmarks out, so they are replaced here.
bench: $(STAMP)
	$(BIN)/python -m pytest -o addopts='--import-mode=importlib --strict-markers' --benchmark-only tests/benchmarks $(ARGS)
