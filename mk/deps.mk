# What is missing is installed before anything is compiled: the check runs while this file is read, so that pkg-config finds what came.
# It costs one dpkg-query. DEPS=no leaves it out; so does `make -n`, and so do the targets that compile nothing.

NO_DEPS_GOALS := help clean deps kafka-down registry-down
GOALS := $(or $(MAKECMDGOALS),all)
NEEDS := $(if $(filter-out $(NO_DEPS_GOALS),$(GOALS)),build)
ifneq ($(filter test test-python python wheel bench-python test-long test-faults asan asan-unit tsan valgrind coverage unit,$(GOALS)),)
NEEDS := test $(filter valgrind,$(GOALS))
else ifneq ($(filter bench,$(GOALS)),)
NEEDS := bench
else ifneq ($(filter kafka-up registry-up demo-kafka,$(GOALS)),)
NEEDS := kafka
else ifneq ($(filter fuzz fuzz-minimise,$(GOALS)),)
NEEDS := fuzz
else ifneq ($(filter lint,$(GOALS)),)
NEEDS := lint
endif

ifeq ($(DEPS)-$(findstring n,$(firstword -$(MAKEFLAGS))),yes-)
ifneq ($(NEEDS),)
ifneq ($(shell tools/deps $(NEEDS) >&2 || echo failed),)
$(error dependencies are missing)
endif
endif
endif
export DEPS := no
