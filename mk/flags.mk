# Compiler and linker flags of each FLAVOR. CFLAGS, CXXFLAGS, LDFLAGS and CPPFLAGS of the caller come last, so they win.

PKGS := avro-c lmdb libcjson libb2 libcrypto smartcols libcurl $(if $(filter latest,$(RDKAFKA)),,rdkafka)
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
LIBS := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lm -lpthread
# Lanes that Criterion cannot run in have a runner of our own (tests/plain).
PLAIN := $(filter tsan valgrind,$(FLAVOR))
CRITERION_LIBS := $(if $(PLAIN),,$(or $(shell pkg-config --libs criterion 2>/dev/null),-lcriterion))

# Other optimizers warn of other things: with flags of the caller's own a warning is only a warning.
WARN := -Wall -Wextra $(if $(filter undefined,$(origin CFLAGS)),-Werror)
HARDEN := -fstack-protector-strong -fstack-clash-protection -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
SANITIZE_asan := -fsanitize=address,undefined -fno-sanitize-recover=all
SANITIZE_tsan := -fsanitize=thread
SANITIZE_fuzz := -fsanitize=address,undefined -fno-sanitize-recover=all

FLAGS_release := -O2 -g $(HARDEN)
FLAGS_debug := -O0 -g3
FLAGS_asan := -O1 -g -fno-omit-frame-pointer $(SANITIZE_asan)
FLAGS_tsan := -O1 -g -fno-omit-frame-pointer $(SANITIZE_tsan)
FLAGS_fuzz := -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link $(SANITIZE_fuzz)
FLAGS_valgrind := -O1 -g
FLAGS_faults := -O1 -g -DPM_FAULTS
FLAGS_coverage := -O0 -g --coverage
LD_release := -pie -Wl,-z,relro,-z,now,-z,noexecstack
# gcc's shared libubsan beside libasan ignores log_path, so its reports would not become files.
LD_asan := $(SANITIZE_asan) $(if $(findstring clang,$(CC)),,-static-libasan -static-libubsan)
LD_tsan := $(SANITIZE_tsan)
LD_fuzz := $(SANITIZE_fuzz)
LD_FUZZ_MAIN := $(if $(filter fuzz,$(FLAVOR)),-fsanitize=fuzzer)
LD_coverage := --coverage
ifeq ($(FLAGS_$(FLAVOR)),)
$(error FLAVOR=$(FLAVOR) is unknown; there are release, debug, asan, tsan, valgrind, coverage, fuzz and faults)
endif

# The newest librdkafka comes as a static library out of the cache folder (tools/librdkafka-latest builds it there once).
ifeq ($(RDKAFKA),latest)
RDKAFKA_DIR := $(shell tools/librdkafka-latest)
ifeq ($(RDKAFKA_DIR),)
$(error could not build the newest librdkafka; tools/librdkafka-latest says why)
endif
PKG_CFLAGS := -I$(RDKAFKA_DIR)/include $(PKG_CFLAGS)
LIBS := $(RDKAFKA_DIR)/lib/librdkafka.a $(LIBS) -lzstd -lssl -lcrypto -lz -ldl
else ifneq ($(RDKAFKA),system)
$(error RDKAFKA=$(RDKAFKA) is unknown; there are system and latest)
endif

# One set of objects for the program and for the library, which shows nothing but what provmat.h marks.
PIC := -fPIC -fvisibility=hidden

CPPFLAGS_ALL := -I. $(if $(PLAIN),-Itests/plain) -DPROVMAT_VERSION='"$(VERSION)"' $(PKG_CFLAGS) $(CPPFLAGS)
CFLAGS_ALL := -std=gnu11 $(PIC) $(FLAGS_$(FLAVOR)) $(WARN) $(CPPFLAGS_ALL) $(CFLAGS)
CXXFLAGS_ALL := -std=c++17 $(PIC) $(FLAGS_$(FLAVOR)) $(WARN) $(CPPFLAGS_ALL) $(CXXFLAGS)
LDFLAGS_ALL := $(LD_$(FLAVOR)) $(LDFLAGS)
