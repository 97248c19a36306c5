# SPDX-License-Identifier: Apache-2.0
# The one door to everything: `make run` and `make test` need nothing but make and git on Debian 12, the rest builds on them.
# Configuring and compiling is CMake's and Ninja's part; each kind of build has a directory of its own.
#
#   make run         build and start the demo (http://127.0.0.1:8080); ARGS="--port 9000"
#   make test        build everything and run every test
#   make build       the release binary, build/limpet
#   make check       licence lines, format, floors, names, clang-tidy
#   make asan        the tests under AddressSanitizer and UndefinedBehaviorSanitizer; likewise make tsan
#   make sim         10,000 seeds of the simulated world (tests/sim); SEEDS=N for another number
#   make fuzz        every fuzz target for FUZZ_SECONDS
#   make bench       measure; make bench-gate fails where a bound is broken
#   make install     into DESTDIR and PREFIX
#   UNITY=OFF       compile file by file: longer in all, shorter after a change
#   make clean       remove all build directories

PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
DESTDIR ?=
UNITY ?= ON
JOBS ?= $(shell nproc)
TEST_JOBS ?= 3
FUZZ_SECONDS ?= 60
SEEDS ?= 10000
ARGS ?=

CONFIGURE = cmake -S . -G Ninja -DCMAKE_UNITY_BUILD=$(UNITY)
CTEST = ctest --output-on-failure -j $(TEST_JOBS)
SANITIZED = -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="-O1 -g1" -DLIMPET_TESTS=ON

export ASAN_OPTIONS ?= detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:check_initialization_order=1:exitcode=99
export UBSAN_OPTIONS ?= print_stacktrace=1:halt_on_error=1
export TSAN_OPTIONS ?= halt_on_error=1:second_deadlock_stack=1:history_size=4:exitcode=99

.DEFAULT_GOAL := build
.PHONY: run test build check asan tsan sim fuzz bench bench-gate install clean packages-build packages-test packages-check \
        packages-fuzz packages-bench configure-tests

run: build
	exec build/limpet demo $(ARGS)

# Tests stay configured where they are already; a bare machine need not install what only they use.
build: packages-build
	@test -f build/CMakeCache.txt || $(CONFIGURE) -B build -DCMAKE_BUILD_TYPE=Release -DLIMPET_TESTS=OFF
	cmake --build build -j $(JOBS) --target limpet

configure-tests: packages-test
	@$(CONFIGURE) -B build -DCMAKE_BUILD_TYPE=Release -DLIMPET_TESTS=ON

test: configure-tests
	cmake --build build -j $(JOBS)
	$(CTEST) --test-dir build

check: packages-check
	@$(CONFIGURE) -B build-check -DCMAKE_UNITY_BUILD=OFF -DLIMPET_TESTS=OFF
	scripts/check.sh build-check

asan: packages-test
	@$(CONFIGURE) -B build-asan $(SANITIZED) -DLIMPET_SANITIZE=address
	cmake --build build-asan -j $(JOBS)
	$(CTEST) --test-dir build-asan -LE heavy

tsan: packages-test
	@$(CONFIGURE) -B build-tsan $(SANITIZED) -DLIMPET_SANITIZE=thread
	cmake --build build-tsan -j $(JOBS)
	$(CTEST) --test-dir build-tsan -LE heavy

sim: configure-tests
	cmake --build build -j $(JOBS) --target limpet-sim
	build/limpet-sim --seeds 1-$(SEEDS)

fuzz: packages-build packages-fuzz
	@$(CONFIGURE) -B build-fuzz $(SANITIZED) -DLIMPET_SANITIZE=address -DLIMPET_FUZZ=ON -DCMAKE_C_COMPILER=clang \
	  -DCMAKE_CXX_COMPILER=clang++
	cmake --build build-fuzz -j $(JOBS) --target fuzzers
	scripts/fuzz.sh build-fuzz $(FUZZ_SECONDS)

bench: packages-bench configure-tests
	cmake --build build -j $(JOBS)
	tests/bench/run build

bench-gate: packages-bench configure-tests
	cmake --build build -j $(JOBS)
	tests/bench/run build --gate

install:
	@test -x build/limpet || { echo "make install: run make build first" >&2; exit 66; }
	install -D -m 755 build/limpet $(DESTDIR)$(PREFIX)/bin/limpet
	install -D -m 644 conf/limpet.toml $(DESTDIR)$(SYSCONFDIR)/limpet/limpet.toml.example
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed -e 's|/usr/local/bin|$(PREFIX)/bin|' -e 's|/etc/limpet|$(SYSCONFDIR)/limpet|' conf/limpet.service \
	  >$(DESTDIR)$(PREFIX)/lib/systemd/system/limpet.service

clean:
	rm -rf build build-asan build-check build-tsan build-fuzz

packages-build:
	@scripts/install-packages.sh build

packages-test:
	@scripts/install-packages.sh build test
	@scripts/install-npm.sh

packages-check:
	@scripts/install-packages.sh build test check

packages-fuzz:
	@scripts/install-packages.sh fuzz

packages-bench:
	@scripts/install-packages.sh bench
