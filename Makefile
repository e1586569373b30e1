# provmat: `make` builds, `make demo` shows it, `make test` proves it, `make help` lists the rest.
#
# Everything built goes to build/FLAVOR (release, debug, asan, tsan, valgrind, coverage, fuzz, faults); sources are found by wildcard,
# nothing is registered by hand. The variables people change: FLAVOR, CC, CXX, V=1 (show commands), RDKAFKA=latest (link the newest librdkafka statically),
# ONLY=common/log (unit tests of one folder), PREFIX and DESTDIR (install), DEPS=no (install nothing, check nothing).

FLAVOR ?= release
RDKAFKA ?= system
PREFIX ?= /usr/local
DEPS ?= yes
VERSION := 0.1.0
SONAME := libprovmat.so.0

ifeq ($(origin CC),default)
CC := $(if $(filter fuzz,$(FLAVOR)),clang,gcc)
endif
ifeq ($(origin CXX),default)
CXX := $(if $(findstring clang,$(CC)),clang++,g++)
endif
ifeq ($(filter -j%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 2)
endif
MAKEFLAGS += --no-print-directory --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:

Q := $(if $(V),,@)
NAME := $(FLAVOR)$(if $(filter latest,$(RDKAFKA)),-rdkafka-latest)
B := build/$(NAME)
OBJCOPY ?= objcopy
export PROVMAT_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/provmat

include mk/deps.mk mk/flags.mk

# ---- what there is -------------------------------------------------------------------------------------------------------------------
sources = $(sort $(foreach d,$(1),$(shell find $(d) -name '*.c' -o -name '*.cc' 2>/dev/null)))
objects = $(addprefix $(B)/obj/,$(addsuffix .o,$(1)))

CORE_OBJS := $(call objects,$(call sources,common producer consumer query provstore))
CLI_OBJS := $(call objects,$(call sources,cli))
MAIN_OBJ := $(filter %/cli/main.c.o,$(CLI_OBJS))
UNIT_OBJS := $(call objects,$(if $(ONLY),$(call sources,$(addprefix tests/unit/,$(ONLY)) tests/support),$(call sources,tests/unit tests/contract tests/support)))
PLAIN_OBJS := $(if $(PLAIN),$(call objects,tests/plain/plain.c))
THREADS_OBJ := $(if $(filter tsan,$(FLAVOR)),$(call objects,tests/plain/threads.c))
BENCH_SRCS := $(wildcard bench/*.c)
BENCH_BINS := $(BENCH_SRCS:%.c=$(B)/%)
TEST_TOOLS := $(patsubst %.c,$(B)/%,$(wildcard tests/tools/*.c))
FUZZ_TARGETS := $(patsubst %.c,$(B)/%,$(wildcard tests/fuzz/*.c))
FUZZ_OBJS := $(call objects,tests/fuzz/support/fuzz.c tests/fuzz/support/reveal.c $(if $(filter fuzz,$(FLAVOR)),,tests/fuzz/support/replay.c) tests/support/events.c)
UNIT := $(B)/unit$(if $(ONLY),-$(subst /,-,$(ONLY)))

# ---- build ---------------------------------------------------------------------------------------------------------------------------
.PHONY: all program unit release debug FORCE
all: program
	$(Q)ln -sfn $(NAME)/provmat build/provmat

program: $(B)/provmat
unit: $(UNIT)
release debug:
	$(Q)$(MAKE) FLAVOR=$@ $(if $(filter release,$@),all,program)

$(B)/provmat: $(or $(MAIN_OBJ),cli/main.c) $(THREADS_OBJ) $(B)/libprovmat-cli.a $(B)/libprovmat-core.a
	@echo "  LINK  $@"
	$(Q)$(CXX) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(B)/libprovmat-core.a: $(CORE_OBJS)
$(B)/libprovmat-cli.a: $(filter-out $(MAIN_OBJ),$(CLI_OBJS))
$(B)/libprovmat-%.a:
	@echo "  AR    $@"
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# The library: the calls of its two headers, what they need of all the rest, and no name of it but provmat_*.
.PHONY: library
library: $(B)/$(SONAME) $(B)/libprovmat.a
LIBRARY_OBJ := $(call objects,producer/provmat.c provstore/provmat_store.c)
LIBRARY_LIBS = $(filter-out -lsmartcols,$(LIBS))

$(B)/$(SONAME): $(LIBRARY_OBJ) producer/provmat.map $(B)/libprovmat-core.a
	@echo "  LINK  $@"
	$(Q)$(CXX) $(filter-out -pie,$(LDFLAGS_ALL)) -shared -Wl,-soname,$(SONAME) -Wl,--version-script=producer/provmat.map -Wl,--exclude-libs,ALL \
	    -Wl,-z,nodelete -Wl,-z,defs -Wl,--as-needed -o $@ $(LIBRARY_OBJ) $(B)/libprovmat-core.a $(LIBRARY_LIBS)
	$(Q)ln -sfn $(SONAME) $(B)/libprovmat.so

$(B)/libprovmat.a: $(LIBRARY_OBJ) $(B)/libprovmat-core.a
	@echo "  AR    $@"
	$(Q)$(LD) -r -o $(B)/libprovmat.o $^
	$(Q)$(OBJCOPY) --wildcard --keep-global-symbol='provmat_*' $(B)/libprovmat.o
	$(Q)rm -f $@ && $(AR) rcs $@ $(B)/libprovmat.o

$(UNIT): $(UNIT_OBJS) $(PLAIN_OBJS) $(THREADS_OBJ) $(B)/libprovmat-cli.a $(B)/libprovmat-core.a
	@echo "  LINK  $@"
	$(Q)$(CXX) $(LDFLAGS_ALL) -o $@ $^ $(LIBS) $(CRITERION_LIBS)

$(BENCH_BINS) $(TEST_TOOLS): $(B)/%: $(B)/obj/%.c.o $(THREADS_OBJ) $(B)/libprovmat-core.a
	@echo "  LINK  $@"
	$(Q)mkdir -p $(@D) && $(CXX) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

# With libFuzzer as its main in FLAVOR=fuzz, else with one that replays the corpus.
$(FUZZ_TARGETS): $(B)/%: $(B)/obj/%.c.o $(FUZZ_OBJS) $(B)/libprovmat-cli.a $(B)/libprovmat-core.a
	@echo "  LINK  $@"
	$(Q)mkdir -p $(@D) && $(CXX) $(LDFLAGS_ALL) $(LD_FUZZ_MAIN) -o $@ $^ $(LIBS)

$(B)/fuzz-seeds: $(B)/obj/tests/fuzz/support/seeds.c.o $(filter-out %/replay.c.o,$(FUZZ_OBJS)) $(B)/libprovmat-core.a
	@echo "  LINK  $@"
	$(Q)$(CXX) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(B)/obj/%.c.o: %.c $(B)/flags
	@echo "  CC    $<"
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(B)/obj/%.cc.o: %.cc $(B)/flags
	@echo "  CXX   $<"
	$(Q)mkdir -p $(@D) && $(CXX) $(CXXFLAGS_ALL) -MMD -MP -c -o $@ $<

# The schemas are compiled in by the assembler, which names no dependencies.
$(B)/obj/common/event/schema.c.o: $(wildcard schemas/*.avsc)

# Another compiler or another flag rebuilds; the same ones do not.
$(B)/flags: FORCE
	$(Q)mkdir -p $(@D) && echo '$(CC) $(CFLAGS_ALL) $(CXX) $(CXXFLAGS_ALL) $(LDFLAGS_ALL) $(LIBS)' > $@.new
	$(Q)if cmp -s $@ $@.new; then rm -f $@.new; else mv $@.new $@; fi
FORCE:

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

include mk/python.mk mk/run.mk mk/install.mk
