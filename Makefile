# `make demo` and `make test` need Python 3.11-3.13 and make; everything else is set up here.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PHOTOS ?=

.PHONY: demo test check lint types bench bench-rivals requirements clean

demo: $(VENV)/.demo
	@rm -rf .demo
	@$(if $(PHOTOS),,$(BIN)/python -m benchmarks.pictures .demo/photos)
	$(BIN)/darkroom run "$(or $(PHOTOS),.demo/photos)" --out .demo/results --plot

test: $(VENV)/.dev
	$(BIN)/python -m pytest

check: lint types test

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.dev
	$(BIN)/mypy

# make bench PHOTOS=folder: against the bare kernel and against Spark ML; some fifteen minutes
bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.run $(if $(PHOTOS),--photos "$(PHOTOS)")

# make bench-rivals PHOTOS=folder: against Daft and Ray Data, in an environment of their own
bench-rivals: $(VENV)/.dev .bench/rivals/.done
	$(BIN)/python -m benchmarks.rivals $(if $(PHOTOS),--photos "$(PHOTOS)")

$(VENV)/.demo: requirements/demo.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes -r requirements/demo.txt
	$(BIN)/pip install --quiet --no-deps --editable .
	$(BIN)/darkroom model
	$(BIN)/darkroom warmup
	touch $@

$(VENV)/.dev: $(VENV)/.demo requirements/dev.txt
	$(BIN)/pip install --quiet --require-hashes -r requirements/dev.txt
	touch $@

.bench/rivals/.done: requirements/rivals.txt
	$(PYTHON) -m venv .bench/rivals
	.bench/rivals/bin/pip install --quiet --require-hashes -r requirements/rivals.txt
	touch $@

# after a change of a requirements/*.in: needs `uv`
requirements:
	cd requirements && for name in dev job demo rivals; do \
	  uv pip compile $$name.in -o $$name.txt --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-annotate --custom-compile-command "make requirements" \
	    $$(case $$name in job|demo) echo "-c dev.txt";; esac) || exit 1; done

clean:
	rm -rf $(VENV) .demo .bench
