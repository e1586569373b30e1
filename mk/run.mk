# What runs rather than builds: tests, lanes, lint, demos, servers.

.PHONY: test test-python test-long test-faults asan tsan coverage lint fmt bench bench-emit bench-store demo demo-kafka deps kafka-up kafka-down registry-up registry-down help clean
TEST_ARGS = $(if $(PYTEST),-- $(PYTEST))

# The recipes print the program's last line last: nothing may follow it.
test: $(B)/provmat library $(B)/unit $(TEST_TOOLS) $(FUZZ_TARGETS) $(if $(PYTEST),,python)
	$(Q)tools/test --build $(B) $(if $(PYTEST),,--python $(PY)/venv/bin/python) $(TEST_ARGS)

# The Python package alone; its environment has no part in PYTEST.
test-python: $(B)/provmat python
	$(Q)tools/test --build $(B) --no-unit --no-program --python $(PY)/venv/bin/python

# The program with planned faults in it is killed at each of them, at random times, and together with a broker.
test-faults:
	$(Q)$(MAKE) FLAVOR=faults faults-suite
.PHONY: faults-suite
faults-suite: $(B)/provmat $(TEST_TOOLS)
	$(Q)tools/test --build $(B) --no-unit --seconds $(if $(PROVMAT_KILLS),3600,540) -- $(or $(PYTEST),tests/faults)

# What takes too long for every day: many more seeds of the simulation, many more flipped bits, every failed allocation, many more kills.
test-long: $(B)/unit $(B)/provmat
	$(Q)PROVMAT_SEEDS=$(or $(SEEDS),10000) $(B)/unit -j2 --filter 'simulation/*'
	$(Q)PROVMAT_FLIPS=$(or $(FLIPS),10000) $(B)/unit -j2 --filter 'damage/*'
	$(Q)PROVMAT_ALLOCATIONS=all tools/test --build $(B) --no-unit --seconds 7200 -- tests/cli/test_no_memory.py
	$(Q)PROVMAT_KILLS=$(or $(KILLS),2000) PROVMAT_BROKER_KILLS=$(or $(BROKER_KILLS),100) $(MAKE) test-faults

# A planted bug must be caught before the silence of the suite counts (tests/canary).
asan:
	$(Q)$(MAKE) FLAVOR=asan asan-suite
.PHONY: asan-suite asan-unit
asan-suite: $(B)/provmat $(B)/unit $(TEST_TOOLS) $(FUZZ_TARGETS) $(B)/canary
	$(Q)tools/test --build $(B) --lane asan --canary $(B)/canary --seconds 3600 $(TEST_ARGS)
asan-unit:
	$(Q)$(MAKE) FLAVOR=asan asan-unit-suite
.PHONY: asan-unit-suite
asan-unit-suite: $(B)/provmat $(B)/unit $(TEST_TOOLS) $(B)/canary
	$(Q)tools/test --build $(B) --lane asan --canary $(B)/canary --no-program

# The unit tests; under ThreadSanitizer also the program where its threads meet: broker, pipeline, copy. More of it would only wait longer
# for the same code.
TSAN_TESTS := $(addprefix tests/cli/,test_kafka.py::test_real_data test_kafka.py::test_records_that_cannot_be_applied \
    test_snapshot.py::test_while_it_is_written_to test_bad_machines.py::test_writer_that_was_killed)
tsan valgrind:
	$(Q)$(MAKE) FLAVOR=$@ $@-suite
.PHONY: tsan-suite valgrind-suite valgrind
tsan-suite: $(B)/provmat $(B)/unit $(TEST_TOOLS) $(B)/canary
	$(Q)tools/test --build $(B) --lane tsan --canary $(B)/canary -- $(or $(PYTEST),$(TSAN_TESTS))
valgrind-suite: $(B)/provmat $(B)/unit $(B)/canary
	$(Q)tools/test --build $(B) --lane valgrind --canary $(B)/canary --no-program

$(B)/canary: $(B)/obj/tests/canary/canary.c.o $(PLAIN_OBJS)
	@echo "  LINK  $@"
	$(Q)$(CXX) $(LDFLAGS_ALL) -o $@ $^ $(CRITERION_LIBS)

# TIME seconds of the clock in all; ONLY one target. `make fuzz-minimise` puts the best of what was found into tests/fuzz/corpus.
.PHONY: fuzz fuzz-minimise fuzz-run fuzz-minimise-run
fuzz fuzz-minimise:
	$(Q)$(MAKE) FLAVOR=fuzz $@-run
fuzz-run: $(FUZZ_TARGETS)
	$(Q)tools/fuzz --build $(B) --time $(or $(TIME),60) $(if $(ONLY),--only $(ONLY))
fuzz-minimise-run: $(FUZZ_TARGETS) $(B)/fuzz-seeds
	$(Q)$(B)/fuzz-seeds $(B)/seeds <examples/week/events.ndjson
	$(Q)tools/fuzz --build $(B) --minimise $(if $(ONLY),--only $(ONLY))

coverage:
	$(Q)$(MAKE) FLAVOR=coverage coverage-suite
.PHONY: coverage-suite
coverage-suite: $(B)/provmat $(B)/unit $(TEST_TOOLS) $(FUZZ_TARGETS)
	$(Q)find $(B)/obj -name '*.gcda' -delete
	$(Q)tools/test --build $(B) --seconds 1800 $(TEST_ARGS); status=$$?; tools/coverage $(B) && exit $$status

lint:
	$(Q)tools/lint

FMT_SRCS = $(shell git ls-files '*.c' '*.h' '*.cc' 2>/dev/null)
fmt:
	$(Q)tools/deps fmt
	$(Q)clang-format -i --style=file $(FMT_SRCS)

bench: all $(BENCH_BINS)
	$(Q)bench/run $(if $(SIZE),--size $(SIZE)) $(BENCH)

.PHONY: bench-python
bench-python: python
	$(Q)$(PY)/venv/bin/python python/bench.py $(CALLS)

bench-emit: all $(BENCH_BINS)
	$(Q)bench/emit $(BENCH)

bench-store: all $(BENCH_BINS)
	$(Q)bench/store $(BENCH)

demo: all
	$(Q)PROVMAT=build/provmat examples/demo

demo-kafka: all
	$(Q)PROVMAT=build/provmat examples/demo --kafka

deps:
	$(Q)tools/deps $(GROUP)

kafka-up registry-up:
	$(Q)tools/$@ $(if $(PORT),-p $(PORT))
kafka-down registry-down:
	$(Q)tools/$@

clean:
	$(Q)for d in kafka registry; do if [ -d build/$$d ]; then tools/$$d-down -q -d build/$$d; fi; done
	$(Q)rm -rf build

define HELP
make                  the program, build/provmat
make demo             the story of examples/week on the embedded log: who computed, who reused, what nobody claims
make demo-kafka       the same through a real broker
make test             every test, on a real broker; RDKAFKA=latest: with the newest librdkafka; PYTEST=...: arguments for pytest
make test-python      the tests of the Python package alone; make python builds it into build/python/venv
make test-faults      the program killed at every planned fault and 200 times at random, and with it the broker
make test-long        10,000 seeds of the simulation, 20,000 flipped bits, failed allocations, 2,000 kills, 100 of the broker; SEEDS=N FLIPS=N KILLS=N ...
make asan             the tests under AddressSanitizer and UBSan, after planted bugs were caught; asan-unit: the unit tests alone
make tsan valgrind    the unit tests under ThreadSanitizer (and the program where its threads meet) and under valgrind; planted bugs first
make fuzz             every decoder against bytes that nobody meant, TIME=60 seconds in all, ONLY=record; fuzz-minimise: new corpora
make coverage         the tests, and the share of lines that they reach
make lint             the rules of the house: arrows between folders, headers, style
make fmt              clang-format over everything
make bench-python     what a call costs a job in Python
make bench-emit       what the library costs a job, and how fast events get through it into both logs
make bench-store      reading, adopting and checking a store of 100,000 results, beside plain Python and find; BENCH="--runs 9"
make bench            the benchmark; SIZE=10M for the size of the goals, BENCH="--only local" for parts
make unit ONLY=DIR    the unit test program of tests/unit/DIR alone
make library          libprovmat, shared and static; producer/provmat.h says what it does
make wheel            build/wheel/*.whl: the Python package with its libraries, checked in an environment of its own
make man completions  manual pages and shell completions, from the program's own table and the library's header
make dist             build/provmat-$(VERSION).tar.gz
make install          PREFIX=$(PREFIX), DESTDIR=
make deps             install what is missing; GROUP=build|kafka|test|bench|lint|fmt|fuzz|valgrind|rdkafka
make kafka-up         a real Kafka on 127.0.0.1, PORT=19092; make kafka-down ends it
make registry-up      a real schema registry, PORT=18081; make registry-down ends it
make clean            remove build/

FLAVOR=release|debug|asan|tsan|valgrind|coverage|fuzz|faults  RDKAFKA=latest  CC=clang  V=1  DEPS=no
endef
help:
	$(info $(HELP))
	@:
