# `make demo` and `make test` need Python 3.11-3.13 and make; everything else is set up here.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PHOTOS ?=
# what Chalice's command line needs, and its module in Lambda does not
CHALICE_CLI := ansicon blessed click colorama editor inquirer jinxed pip pyyaml readchar runs \
  setuptools wcwidth wheel xmod
WITH_DEV := demo job cloud functions catalog api small_job

# with it, every Python process of a test would compile all that it imports
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-all test-quick-stack test-quick-rest test-quick-functions test-own-clouds test-all-stack test-long-rest faults chaos images check lint types template bench bench-e2e bench-lanes bench-page bench-photos bench-rivals bench-scale slides requirements page clean

# make demo PHOTOS=folder: the stack of template.yaml on this machine, and pictures dropped into it
demo: $(VENV)/.demo
	@rm -rf .demo
	@$(if $(PHOTOS),,$(BIN)/python -m benchmarks.pictures .demo/photos)
	@$(BIN)/python -m cli.demo "$(or $(PHOTOS),.demo/photos)" .demo

# what a newcomer needs to trust the code; `make check` has the rest
test: $(VENV)/.dev
	@$(call tests,quick,3,-m "not long")

test-all: $(VENV)/.dev
	@$(call tests,all,3)

# $(call tests,set,groups at once,options): groups beside each other, as on a stack tests mostly wait;
# and then whether what they have asked AWS for is what the template's roles are allowed
tests = rm -rf $(NOTES) && mkdir -p $(NOTES) && $(BIN)/python -m tests.left_out begin \
  && $(MAKE) --no-print-directory --jobs $(2) --output-sync=target $(GROUPS_$(1):%=test-%) \
  && $(BIN)/python -m pytest $(ROLES) $(3) && $(BIN)/python -m tests.left_out tell
ROLES := tests/permissions/test_roles.py
NOTES := $(CURDIR)/build/notes
test test-all: export DARKROOM_NOTES = $(NOTES)

GROUPS_quick := quick-stack quick-rest quick-functions
GROUPS_all := own-clouds all-stack long-rest quick-rest quick-functions
test-quick-stack: MARKED = stack and not long
test-quick-rest test-quick-functions: MARKED = not stack and not long
test-quick-rest: OF = --ignore=tests/functions
test-quick-functions: OF = tests/functions
test-own-clouds: MARKED = own_cloud
test-all-stack: MARKED = stack
test-long-rest: MARKED = long and not stack and not own_cloud
test-quick-stack test-quick-rest test-quick-functions test-own-clouds test-all-stack test-long-rest: $(VENV)/.dev
	@$(BIN)/python -m pytest -m "$(MARKED)" --ignore=$(ROLES) $(OF)

# a fault after every AWS call instead of every seventh; some five minutes
faults: $(VENV)/.dev
	DARKROOM_EVERY_FAULT=1 $(BIN)/python -m pytest tests/functions/faults/test_faults.py \
	  tests/functions/erasure/test_erasure_faults.py

# a bad day, whole: kills, full disks, poison, links, websites, each at every point and with every
# name; some fifteen minutes (`make check` takes a part of the points)
chaos: $(VENV)/.dev
	DARKROOM_EVERY_FAULT=1 DARKROOM_ALL_CHAOS=1 $(BIN)/python -m pytest tests/chaos --durations=10

# the job on images like EMR's, with the oldest and the newest packages; some three minutes
images: $(VENV)/.dev
	$(BIN)/python -m pytest tests/emr_serverless_job/on_images.py

check: lint
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target types template
	@$(MAKE) --no-print-directory test-all

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

# 1, 10 and 100 batches at once: jobs, seconds, money
bench-lanes: $(VENV)/.dev
	$(BIN)/python -m benchmarks.lanes

# finding among 100,000 images, and the map of 100,000 points (needs Chromium)
bench-page: $(VENV)/.dev
	$(BIN)/python -m benchmarks.explore
	$(BIN)/python -m benchmarks.page

# a long history and a large corpus; some ten minutes, 6 GB of memory
bench-scale: $(VENV)/.dev
	$(BIN)/python -m benchmarks.scale

# make bench-rivals PHOTOS=folder: against Daft and Ray Data, in an environment of their own
bench-rivals: $(VENV)/.dev .bench/rivals/.done
	$(BIN)/python -m benchmarks.rivals $(if $(PHOTOS),--photos "$(PHOTOS)")

# make bench-photos PHOTOS=folder: the same on photographs of 12 megapixels; how far to decode them;
# other formats, and memory
bench-photos: $(VENV)/.dev .bench/rivals/.done
	$(BIN)/python -m benchmarks.rivals --large --images 600 $(if $(PHOTOS),--photos "$(PHOTOS)")
	$(BIN)/python -m benchmarks.decoding $(if $(PHOTOS),--photos "$(PHOTOS)")
	$(BIN)/python -m benchmarks.formats $(if $(PHOTOS),--photos "$(PHOTOS)")

# $(call install,environment,requirements): by uv, several times as fast; by pip where uv finds nothing
install = $(1)/bin/pip install --quiet --require-hashes -r requirements/uv.txt \
  && $(1)/bin/uv pip install --quiet --python $(1)/bin/python --no-deps --require-hashes -r requirements/$(2).txt \
  || $(1)/bin/pip install --quiet --no-deps --require-hashes -r requirements/$(2).txt

$(VENV)/.demo: requirements/demo.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(call install,$(VENV),demo)
	$(BIN)/pip install --quiet --no-deps --editable .
	$(BIN)/darkroom model
	$(BIN)/darkroom warmup
	touch $@

$(VENV)/.dev: $(VENV)/.demo requirements/dev.txt
	$(call install,$(VENV),dev)
	touch $@

.bench/rivals/.done: requirements/rivals.txt
	$(PYTHON) -m venv .bench/rivals
	.bench/rivals/bin/pip install --quiet --require-hashes -r requirements/rivals.txt
	touch $@

.lint/%/.done: requirements/lint-%.txt
	$(PYTHON) -m venv .lint/$*
	$(call install,.lint/$*,lint-$*)
	touch $@

# presentation/ as HTML, PDF and PPTX, in French and English (needs `npm` and Chromium)
slides: $(VENV)/.dev build/slides/.done
	$(BIN)/python -m presentation.build build/slides

build/slides/.done: presentation/package-lock.json
	mkdir -p build/slides && cp presentation/package.json presentation/package-lock.json build/slides
	cd build/slides && PUPPETEER_SKIP_DOWNLOAD=1 npm ci --no-fund --no-audit
	touch $@

# after a change of a requirements/*.in: needs `uv`
requirements:
	cd requirements && for name in dev $(WITH_DEV) executors rivals lint-sam lint-checkov uv; do \
	  uv pip compile $$name.in -o $$name.txt --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-annotate --custom-compile-command "make requirements" \
	    $$(case " $(WITH_DEV) " in *" $$name "*) echo "-c dev.txt";; esac) \
	    $$(case $$name in api) \
	      echo "$(CHALICE_CLI:%=--no-emit-package %)";; esac) \
	    $$(case $$name in small_job) echo "--no-emit-package sympy --no-emit-package mpmath";; esac) \
	    $$(case $$name in executors) \
	      echo "-c dev.txt --no-emit-package numpy --no-emit-package sympy --no-emit-package mpmath";; \
	      esac) \
	    || exit 1; done

# after a change of requirements/page: needs `npm` 11
page:
	mkdir -p build/page && cp requirements/page/* build/page
	cd build/page && npm install --omit-lockfile-registry-resolved --no-fund --no-audit
	cp build/page/package-lock.json requirements/page
	cd build/page && npx esbuild vendor.js --bundle --minify --format=esm --legal-comments=none \
	  --outfile=../../functions/page/vendor.js
	cd build/page/node_modules && for name in d3-*/LICENSE kdbush/LICENSE; do \
	  echo "== $$name"; cat $$name; echo; done > ../../../functions/page/vendor.txt

clean:
	rm -rf $(VENV) .demo .bench .lint build
