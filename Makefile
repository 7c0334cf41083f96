# culprit: one makefile, not recursive. Products go to build/ (the program: build/culprit); variants (sanitizers, static)
# to build/<variant>/. `make help` lists what can be made.

VERSION = 0.1.0
prefix = /usr/local
DESTDIR =

CC = gcc
V = 0
Q = $(if $(filter 1,$V),,@)

# SANITIZE=address,undefined | thread: a variant of its own
SANITIZE =
# STATIC=1: one static binary, without plug-ins
STATIC =
# WERROR=1: warnings are errors (CI)
WERROR =
# PLAIN_COPY=1: ring readers that copy without atomics; exists to show that the thread sanitizer test can fail
PLAIN_COPY =

comma := ,
variant := $(if $(SANITIZE),san-$(subst $(comma),-,$(SANITIZE)))$(if $(PLAIN_COPY),-plain)$(if $(STATIC),static)
B := build$(if $(variant),/$(variant))
O := $(B)/obj

PKGS = ncursesw jansson libzstd
pkg_cflags := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
pkg_libs = $(shell pkg-config $(if $(STATIC),--static) --libs $(PKGS) 2>/dev/null)

CFLAGS = -O2 -g
base_cflags = -std=gnu11 -Wall -Wextra -Wshadow -Wvla -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes \
	-Wno-missing-field-initializers -fno-strict-aliasing -fvisibility=hidden -pthread -D_GNU_SOURCE \
	-DCULPRIT_VERSION='"$(VERSION)"' -DCULPRIT_PREFIX='"$(prefix)"' $(if $(WERROR),-Werror) \
	$(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=undefined) \
	$(if $(STATIC),-DCULPRIT_STATIC=1) $(if $(PLAIN_COPY),-DRING_PLAIN_COPY=1)
ldflags = -pthread $(if $(SANITIZE),-fsanitize=$(SANITIZE)) $(if $(STATIC),-static) $(LDFLAGS)
libs = $(pkg_libs) $(if $(STATIC),,-ldl) -lm

# A folder sees only what it may know: the wrong include does not compile.
inc_core = -Iinclude -Icore
inc_collectors = -Iinclude -Icollectors
inc_tui = -Iinclude -Icore -Itui $(pkg_cflags)
inc_cli = -Iinclude -Icore -Itui -Icollectors -Icli
inc_tests = -Iinclude -Icore -Itui -Icollectors -Icli -Itests $(pkg_cflags)

core_src := $(wildcard core/*.c)
collectors_src := $(wildcard collectors/*.c)
tui_src := $(wildcard tui/*.c)
cli_src := $(wildcard cli/*.c)
obj = $(patsubst %.c,$(O)/%.o,$1)

.PHONY: all
all: $(B)/culprit
.DELETE_ON_ERROR:

# What the flags were: a change rebuilds.
$(O)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(CFLAGS) $(base_cflags) $(ldflags)' | cmp -s - $@ || echo '$(CC) $(CFLAGS) $(base_cflags) $(ldflags)' > $@
FORCE:

define compile_rule
$(O)/$1/%.o: $1/%.c $(O)/flags
	@mkdir -p $$(@D)
	$$(if $$(Q),@echo '  CC      $$<')
	$$(Q)$$(CC) $$(CFLAGS) $$(base_cflags) $(2) -MMD -MP -c -o $$@ $$<
endef
$(eval $(call compile_rule,core,$(inc_core)))
$(eval $(call compile_rule,collectors,$(inc_collectors)))
$(eval $(call compile_rule,tui,$(inc_tui)))
$(eval $(call compile_rule,cli,$(inc_cli)))
$(eval $(call compile_rule,tests,$(inc_tests)))

$(B)/libculprit.a: $(call obj,$(core_src) $(collectors_src) $(tui_src) $(filter-out cli/main.c,$(cli_src)))
	$(if $(Q),@echo '  AR      $@')
	$(Q)rm -f $@; ar rcs $@ $^

$(B)/culprit: $(call obj,cli/main.c) $(B)/libculprit.a
	$(if $(Q),@echo '  LD      $@')
	$(Q)$(CC) $(ldflags) -o $@ $^ $(libs)

# Every file compiles, linked or not.
.PHONY: objects
objects: $(call obj,$(core_src) $(collectors_src) $(tui_src) $(cli_src) $(wildcard tests/unit/*.c))

# --- tests -------------------------------------------------------------------------------------------------------
unit_tests := $(patsubst tests/unit/%.c,$(B)/tests/%,$(wildcard tests/unit/test_*.c))
$(B)/tests/%: $(O)/tests/unit/%.o $(B)/libculprit.a
	@mkdir -p $(@D)
	$(if $(Q),@echo '  LD      $@')
	$(Q)$(CC) $(ldflags) -o $@ $^ $(libs) -lcmocka
.PRECIOUS: $(O)/%.o

.PHONY: unit
unit: $(unit_tests) ## build and run the unit tests of this variant
	$(Q)fail=0; for t in $^; do $$t || fail=1; done; exit $$fail

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 24

.PHONY: clean
clean: ## remove build/
	$(Q)rm -rf build

-include $(shell find build -name '*.d' 2>/dev/null)
