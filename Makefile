# Two commands do everything, set-up included: make demo, make test.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
SOURCES := pipelines translate filters shards tests benchmarks tools examples

.PHONY: demo test lint types imports unit format clean

demo: .venv/.run
	$(BIN)/captionloom demo --overwrite

test: lint types imports unit

lint: .venv/.dev
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)

types: .venv/.dev
	$(BIN)/mypy

imports: .venv/.dev
	$(BIN)/lint-imports

unit: .venv/.dev .venv/.readers
	$(BIN)/python -m pytest -q -n auto

format: .venv/.dev
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

.venv/.run: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("captionloom needs Python 3.11 or later") if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

.venv/.dev: .venv/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

# open_clip and torchvision for tests/readers, in a folder of their own: beside transformers, a torchvision that was made
# for another torch than the one installed breaks it.
.venv/.readers: tests/readers/requirements.txt .venv/.dev
	rm -rf .venv/readers
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target .venv/readers -r $<
	touch $@

clean:
	rm -rf .venv demo-run build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
