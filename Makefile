# Heliograph: the two commands are `make run` and `make test`; `make help` lists the rest.

CMD    ?= python3 examples/login.py
ARGS   ?=
PREFIX ?= /usr/local
JOBS   ?= $(shell nproc)

RELEASE := build/release
DEV     := build/dev
# On a terminal ninja counts in one line; in a log it would be a line a file.
QUIET   := $$([ -t 1 ] || echo -- --quiet)

.DEFAULT_GOAL := help
.PHONY: help setup build dev probes run test test-quick bench stress fuzz fmt lint schemathesis package test-package install clean screenshots

help: ## this list
	@echo "Heliograph: a live profiler for Python. Two commands to know:"
	@echo "  make run                      build, profile examples/login.py, open or print its page"
	@echo "  make run CMD=\"python3 app.py\"  the same with your program"
	@echo "  make test                     build and run every test"
	@echo "and the rest:"
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | \
		awk -F'|' '{printf "%-32s%s\n", $$1, $$2}'

setup:
	@.ci/setup.sh build

$(RELEASE)/build.ninja $(DEV)/build.ninja: build/%/build.ninja: CMakeLists.txt CMakePresets.json
	@echo "heliograph: configuring $*"
	@cmake --preset $* $(CMAKE_ARGS) > build/configure-$*.log 2>&1 || { cat build/configure-$*.log; exit 1; }

build: setup ## build/release/heliograph and its agent
	@mkdir -p build
	@$(MAKE) --no-print-directory CMAKE_ARGS="-DHELIOGRAPH_TESTS=OFF $(CMAKE_ARGS)" $(RELEASE)/build.ninja
	@echo "heliograph: building $(RELEASE)"
	@cmake --build $(RELEASE) -j $(JOBS) $(QUIET)

dev: ## build/dev, with sanitizers and tests
	@.ci/setup.sh test
	@mkdir -p build
	@$(MAKE) --no-print-directory $(DEV)/build.ninja
	@echo "heliograph: building $(DEV) (sanitized)"
	@cmake --build $(DEV) -j $(JOBS) $(QUIET)

# The page's type checker and the browser driver; again only when a lock file changes.
build/npm-%.stamp: %/package-lock.json
	@mkdir -p $(dir $@)
	@echo "heliograph: npm ci in $*"
	@cd $* && npm ci --silent --no-audit --no-fund
	@touch $@

run: build ## profile CMD and show it
	@$(RELEASE)/heliograph run $(ARGS) -- $(CMD)

# Probes that measure: tests and benchmarks run them from the release build.
probes: build
	@cmake --build $(RELEASE) -j $(JOBS) --target sampler_probe native_plain heap_probe $(QUIET)

test: build probes dev build/npm-frontend.stamp build/npm-tests/browser.stamp ## every suite; ends with "N passed, N failed, N skipped"
	@python3 tests/run_all.py --release $(RELEASE) --dev $(DEV)

test-quick: dev ## unit tests only
	@python3 tests/run_all.py --release $(RELEASE) --dev $(DEV) --only unit

bench: probes ## overhead on the target, collector CPU, import and query speed
	@.ci/setup.sh bench
	@python3 bench/run.py --release $(RELEASE)

bench-%: probes
	@.ci/setup.sh bench
	@python3 bench/run.py --release $(RELEASE) --only $*

stress: probes dev ## allocation tracking: either side killed 200 times at random (HELIOGRAPH_STRESS), and storms
	@HELIOGRAPH_STRESS=$${HELIOGRAPH_STRESS:-200} HELIOGRAPH_RELEASE=$(CURDIR)/$(RELEASE) HELIOGRAPH_DEV=$(CURDIR)/$(DEV) \
		python3 tests/integration/test_memory_stress.py

fuzz: ## every fuzz target for FUZZ_SECONDS (60) each
	@.ci/setup.sh fuzz
	@python3 tests/fuzz/run.py --seconds $(or $(FUZZ_SECONDS),60)

schemathesis: dev ## ask the API everything its openapi.json allows (minutes; schemathesis from PyPI)
	@python3 tests/schemathesis.py

fmt: ## format the C sources
	@.ci/setup.sh lint
	@git ls-files '*.c' '*.h' | xargs clang-format-14 -i

lint: dev build/npm-frontend.stamp ## formatting, clang-tidy, include arrows, TypeScript
	@.ci/setup.sh lint
	@.ci/lint.sh

screenshots: build ## the README's pictures, from a real profile
	@.ci/setup.sh test
	@node tests/browser/screenshots.mjs --heliograph $(RELEASE)/heliograph --out docs/pictures

package: build ## a .deb under build/
	@.ci/setup.sh package
	@cd $(RELEASE) && cpack -G DEB -B ..

test-package: build ## the .deb and the Dockerfile's steps in bare Debians (root, debootstrap)
	@.ci/setup.sh chroot
	@HELIOGRAPH_RELEASE=$(RELEASE) python3 -m unittest discover -v -s tests/packaging -p 'test_*.py'

install: build ## into PREFIX (/usr/local)
	@cmake --install $(RELEASE) --prefix $(PREFIX)

clean: ## remove build/
	@rm -rf build frontend/node_modules frontend/dist
