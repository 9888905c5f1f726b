# Everything runs in .venv, which is made on first use; nothing needs installing beforehand but
# Python 3.11 and make. torch comes pinned through constraints.txt, in pip's build environment too.
PYTHON ?= python3
BIN := .venv/bin
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1
SOURCES := pyproject.toml constraints.txt setup.py $(wildcard csrc/*.cpp csrc/*.h csrc/loops/*.h)

.PHONY: study quick test triton lint format docs clean

## study: measure what normalization does for a CNN on digits (under 10 minutes on 2 cores, setting up included)
study: $(BIN)/.installed
	$(BIN)/normkit study --out studies/digits

## quick: the same in about a minute, with few seeds
quick: $(BIN)/.installed
	$(BIN)/normkit study --budget quick --out studies/digits-quick

## test: linters, types, arrows and tests, on all processors, one thread each
test: lint
	OMP_NUM_THREADS=1 $(BIN)/pytest -n logical tests/contract
	OMP_NUM_THREADS=1 $(BIN)/pytest -n logical --dist loadfile --ignore tests/contract

## triton: the tests of the kernels once more, of those for GPUs, on the CPU in Triton's interpreter
triton: $(BIN)/.installed-dev
	NORMKIT_KERNELS=interpreter TORCHINDUCTOR_CACHE_DIR=build/inductor-triton OMP_NUM_THREADS=1 \
	  $(BIN)/pytest -n logical tests/kernels

lint: $(BIN)/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(BIN)/.installed-dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

## docs: rebuild what the documentation takes from the code, from a study and from the benchmarks
docs: $(BIN)/.installed-dev
	$(BIN)/python docs/build.py
	$(BIN)/python benchmarks/tables.py

$(BIN)/python:
	$(PYTHON) -m venv .venv

$(BIN)/.installed: $(BIN)/python $(SOURCES)
	$(BIN)/pip install --quiet --editable .
	touch $@

$(BIN)/.installed-dev: $(BIN)/python $(SOURCES)
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $(BIN)/.installed $@

clean:
	rm -rf .venv build src/normkit/kernels/*.so .pytest_cache .mypy_cache .ruff_cache src/*.egg-info
