# `make demo` and `make test` need Python 3.11-3.13 and make; everything else is set up here.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PHOTOS ?=
WITH_DEV := demo job cloud functions catalog

.PHONY: demo test test-stack test-rest check lint types template bench bench-e2e bench-rivals requirements clean

# make demo PHOTOS=folder: the stack of template.yaml on this machine, and pictures dropped into it
demo: $(VENV)/.demo
	@rm -rf .demo
	@$(if $(PHOTOS),,$(BIN)/python -m benchmarks.pictures .demo/photos)
	@$(BIN)/python -m local_cloud.demo "$(or $(PHOTOS),.demo/photos)" .demo

# the tests of the whole stack mostly wait: they run beside the others
STACK_TESTS := tests/test_pipeline.py tests/test_erasure_pipeline.py tests/test_deploy.py

test: $(VENV)/.dev
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target test-stack test-rest

test-stack: $(VENV)/.dev
	$(BIN)/python -m pytest $(STACK_TESTS)

test-rest: $(VENV)/.dev
	$(BIN)/python -m pytest $(STACK_TESTS:%=--ignore=%)

check: lint types template test

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.dev
	$(BIN)/mypy

# the stack's template, by three linters; exceptions stand in it, each with its reason
template: $(VENV)/.dev .lint/sam/.done .lint/checkov/.done
	$(BIN)/cfn-lint template.yaml
	SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=eu-west-1 .lint/sam/bin/sam validate --lint --template template.yaml
	.lint/checkov/bin/checkov --file template.yaml --framework cloudformation --compact --quiet --skip-download

# make bench PHOTOS=folder: against the bare kernel and against Spark ML; some fifteen minutes
bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.run $(if $(PHOTOS),--photos "$(PHOTOS)")

# 22,688 small pictures the whole way through the local cloud, a CSV of a million rows, an erasure
bench-e2e: $(VENV)/.dev
	$(BIN)/python -m benchmarks.csv_export
	$(BIN)/python -m benchmarks.end_to_end
	$(BIN)/python -m benchmarks.erasure

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

.lint/%/.done: requirements/lint-%.txt
	$(PYTHON) -m venv .lint/$*
	.lint/$*/bin/pip install --quiet --no-deps --require-hashes -r $<
	touch $@

# after a change of a requirements/*.in: needs `uv`
requirements:
	mkdir -p build
	cd requirements && for name in dev $(WITH_DEV) executors rivals lint-sam lint-checkov; do \
	  uv pip compile $$name.in -o $$name.txt --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-annotate --custom-compile-command "make requirements" \
	    $$(case " $(WITH_DEV) " in *" $$name "*) echo "-c dev.txt";; esac) \
	    $$(case $$name in executors) \
	      sed '/^numpy==/,/[^\\]$$/d' dev.txt > ../build/but-numpy.txt; \
	      echo "-c ../build/but-numpy.txt --no-emit-package sympy --no-emit-package mpmath";; esac) \
	    || exit 1; done

clean:
	rm -rf $(VENV) .demo .bench .lint build
