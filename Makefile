# culprit: one makefile, not recursive. Products go to build/ (the program: build/culprit); variants (sanitizers, static,
# fuzzing) to build/<variant>/. `make help` lists what can be made. Missing packages are installed first (scripts/deps.sh).

VERSION = 0.1.0
prefix = /usr/local
DESTDIR =
bindir = $(prefix)/bin
datadir = $(prefix)/share
mandir = $(datadir)/man
docdir = $(datadir)/doc/culprit
includedir = $(prefix)/include
plugindir = $(prefix)/lib/culprit/plugins
unitdir = $(prefix)/lib/systemd/system
bashdir = $(datadir)/bash-completion/completions
zshdir = $(datadir)/zsh/site-functions
fishdir = $(datadir)/fish/vendor_completions.d

ifeq ($(origin CC),default)
CC = gcc
endif
#= V=1                 show the commands
V = 0
Q = $(if $(filter 1,$V),,@)
#= SANITIZE=LIST       address,undefined or thread: a variant of its own, in build/san-LIST/
SANITIZE =
#= STATIC=1            one static binary, without plug-ins: build/static/culprit
STATIC =
#= WERROR=1            warnings are errors (as in `make test`)
WERROR =
#= BPF=0               without what is loaded into the kernel: no clang, bpftool and libbpf needed
BPF = 1
#= DEPS=0              don't look for missing packages, don't install them
DEPS = 1
#= prefix=DIR DESTDIR=DIR   where `make install` puts things: DESTDIR/prefix, by default /usr/local
# FUZZ=1: the fuzz targets' variant (clang, libFuzzer).
FUZZ =
# PLAIN_COPY=1: ring readers that copy without atomics; exists to show that the thread sanitizer test can fail.
PLAIN_COPY =

comma := ,
variant := $(if $(FUZZ),fuzz)$(if $(SANITIZE),san-$(subst $(comma),-,$(SANITIZE)))$(if $(PLAIN_COPY),-plain)$(if $(STATIC),static)
B := build$(if $(variant),/$(variant))
O := $(B)/obj

.PHONY: all
all: $(B)/culprit ## build the program: build/culprit
.DELETE_ON_ERROR:

# --- what is needed to build -------------------------------------------------------------------------------------
# build/deps.mk is included, so make makes it before all else (installing what is missing) and then starts over, which
# evaluates pkg-config again. Goals that build nothing don't ask.
goals := $(or $(MAKECMDGOALS),all)
ifneq ($(filter-out help clean uninstall dist,$(goals)),)
test_goals = test test-fresh test-screens unit objects fuzz fuzz-build test-build soak scenarios
deps_groups := build $(if $(filter $(test_goals),$(goals)),test) $(if $(filter bench,$(goals)),bench) \
	$(if $(filter deb,$(goals))$(if $(filter test,$(goals)),$(wildcard /etc/debian_version)),deb)
build/deps.mk: FORCE
	@if [ '$(DEPS)' = 0 ]; then mkdir -p build && [ -e $@ ] || : > $@; else sh scripts/deps.sh $(deps_groups); fi
include build/deps.mk
endif
FORCE:
# For a make that a recipe calls: as many jobs as there are CPUs, where nobody has said how many.
in_parallel = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(or $(shell nproc 2>/dev/null),2))

PKGS = ncursesw jansson libzstd $(if $(filter 0,$(BPF)),,libbpf) $(if $(STATIC),libdw) libelf liblzma
pkg_cflags := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
pkg_libs := $(shell pkg-config $(if $(STATIC),--static) --libs $(PKGS) 2>/dev/null)

CFLAGS = -O2 -g
cc = $(if $(FUZZ),clang,$(CC))
sanitize = $(if $(FUZZ),address$(comma)undefined,$(SANITIZE))
base_cflags = -std=gnu11 -Wall -Wextra -Wshadow -Wvla -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes \
	-Wno-missing-field-initializers -fno-strict-aliasing -fno-math-errno -fno-trapping-math -fvisibility=hidden -ffunction-sections -pthread -D_GNU_SOURCE \
	-DCULPRIT_VERSION='"$(VERSION)"' \
	$(if $(sanitize),-fsanitize=$(sanitize) -fno-omit-frame-pointer -fno-sanitize-recover=undefined) \
	$(if $(FUZZ),-fsanitize=fuzzer-no-link -DCULPRIT_FUZZ=1) \
	$(if $(STATIC),-DCULPRIT_STATIC=1) $(if $(PLAIN_COPY),-DRING_PLAIN_COPY=1) $(if $(filter 0,$(BPF)),-DCULPRIT_NO_BPF=1)
ldflags = -pthread $(if $(sanitize),-fsanitize=$(sanitize)) $(if $(STATIC),-static) $(LDFLAGS)
# What the loader looks names up by is needed once, at the start, and not again by every first call.
bind_now = -Wl,-z,relro,-z,now
libs = $(pkg_libs) -liberty $(if $(STATIC),,-ldl) -Wl,--as-needed -lm

# A folder sees only what it may know: the wrong include does not compile.
inc_include = -Iinclude
inc_core = -Iinclude -Icore
inc_collectors = -Iinclude -Icollectors -isystem build/bpf
inc_tui = -Iinclude -Icore -Itui $(pkg_cflags)
inc_cli = -Iinclude -Icore -Itui -Icollectors -Icli
inc_tests = -Iinclude -Icore -Itui -Icollectors -Icli -Itests -Itests/bench $(pkg_cflags) -DTEST_BUILD='"$(B)"'

core_src := $(wildcard core/*.c)
# A collector with programs in the kernel is X.bpf.c (them), X.h (what both sides share) and X.c. With BPF=0 its X.c, and
# what only such collectors need (bpf*.c), is not compiled.
bpf_src := $(wildcard collectors/*.bpf.c)
bpf_names := $(patsubst collectors/%.bpf.c,%,$(bpf_src))
bpf_only := $(wildcard collectors/bpf*.c) $(foreach n,$(bpf_names),$(wildcard collectors/$n.c collectors/$n_*.c))
collectors_src := $(filter-out %.bpf.c $(if $(filter 0,$(BPF)),$(bpf_only)),$(wildcard collectors/*.c))
tui_src := $(wildcard tui/*.c)
cli_src := $(wildcard cli/*.c)
obj = $(patsubst %.c,$(O)/%.o,$1)

# --- compiling ---------------------------------------------------------------------------------------------------
# What the flags were: a change rebuilds. -Werror counts only when it is added: what was built with it has no warnings,
# so that `make test` after `make` builds once more and `make` after it doesn't.
flags = $(cc) $(CFLAGS) $(base_cflags) $(ldflags)
$(O)/flags: FORCE
	@mkdir -p $(@D); \
	{ [ -n '$(WERROR)' ] || ! grep -qxF -e '$(flags)' $@ 2>/dev/null; } && \
	! { grep -qxF -e '$(flags)' $@ && grep -qx 'werror' $@; } 2>/dev/null && \
	printf '%s\n' '$(flags)' $(if $(WERROR),werror) > $@ || :

define compile_rule
$(O)/$1/%.o: $1/%.c $(O)/flags
	@mkdir -p $$(@D)
	$$(if $$(Q),@echo '  CC      $$<')
	$$(Q)$$(cc) $$(CFLAGS) $$(base_cflags) $$(if $$(WERROR),-Werror) $(2) -MMD -MP -c -o $$@ $$<
endef
# --- programs for the kernel -------------------------------------------------------------------------------------
# X.bpf.c -> build/bpf/X.bpf.o (without debug sections, but with BTF) -> build/bpf/X.skel.h, the same for all variants.
# clang runs under a limit: version 14 can eat all memory there is.
ifneq ($(BPF),0)
bpf_arch := $(shell uname -m | sed 's/x86_64/x86/;s/aarch64/arm64/;s/ppc64le/powerpc/;s/s390x/s390/;s/riscv64/riscv/')
llvm_strip := $(firstword $(wildcard $(shell command -v llvm-strip) /usr/bin/llvm-strip-* /usr/lib/llvm-*/bin/llvm-strip))
bpftool := $(firstword $(wildcard /usr/sbin/bpftool /usr/lib/linux-tools/*/bpftool) bpftool)
bpf_cflags := -O2 -g -target bpf -mcpu=v3 -Wall -Wextra -Wno-unused-parameter -Wno-missing-declarations -Werror -D__TARGET_ARCH_$(bpf_arch) \
	-Iinclude -Icollectors -idirafter /usr/include/$(shell $(CC) -print-multiarch 2>/dev/null)
bpf_skeletons := $(patsubst %,build/bpf/%.skel.h,$(bpf_names)) build/bpf/syscall_names.h build/bpf/type_names.h
build/bpf/%.bpf.o: collectors/%.bpf.c
	@mkdir -p $(@D)
	$(if $(Q),@echo '  BPF     $<')
	$(Q)ulimit -v 4000000; clang $(bpf_cflags) -MMD -MP -c -o $@ $<
	$(Q)$(llvm_strip) -g $@
# The same for arm64, whatever this is: tests/bpf_arm64_test.sh looks at them.
build/bpf-arm64/%.bpf.o: collectors/%.bpf.c
	@mkdir -p $(@D)
	$(if $(Q),@echo '  BPF     $< (arm64)')
	$(Q)ulimit -v 4000000; clang $(subst _ARCH_$(bpf_arch),_ARCH_arm64,$(bpf_cflags)) -MMD -MP -c -o $@ $<
build/bpf/%.skel.h: build/bpf/%.bpf.o
	$(Q)$(bpftool) gen skeleton $< name $*_bpf > $@
# The names of types in all programs, sorted by byte: what of the kernel's types they may ask for.
build/bpf/type_names.h: $(bpf_names:%=build/bpf/%.bpf.o)
	$(Q){ echo 'static const char *const type_names[] = {'; \
	for o in $^; do $(bpftool) btf dump file $$o format raw; done | \
		sed -n "s/^\[[0-9]*\] \(STRUCT\|UNION\|ENUM\|ENUM64\|TYPEDEF\) '\([A-Za-z_0-9]*\)'.*/\2/p" | \
		sed 's/___.*//' | LC_ALL=C sort -u | sed 's/.*/\t"&",/'; echo '};'; } > $@
# The names of system calls of this architecture, as [N] = "name" lines.
build/bpf/syscall_names.h: Makefile
	@mkdir -p $(@D)
	$(Q)echo '#include <sys/syscall.h>' | $(CC) -dM -E - | \
		sed -n 's/^#define __NR_\([a-z0-9_]*\) \([0-9]*\)$$/\t[\2] = "\1",/p' > $@
# System headers, as which they are included, are not in .d files; so all depend on all of them.
$(call obj,$(filter-out %.bpf.c,$(bpf_only))): $(bpf_skeletons)
.PRECIOUS: build/bpf/%.bpf.o
endif

$(eval $(call compile_rule,core,$(inc_core)))
# Only this one knows the prefix.
$(O)/core/prefix.o: private base_cflags += -DCULPRIT_PREFIX='"$(prefix)"'
$(O)/core/prefix.o: $(O)/prefix
$(O)/prefix: FORCE
	@mkdir -p $(@D); echo '$(prefix)' | cmp -s - $@ || echo '$(prefix)' > $@
$(eval $(call compile_rule,collectors,$(inc_collectors)))
$(eval $(call compile_rule,tui,$(inc_tui)))
$(eval $(call compile_rule,cli,$(inc_cli)))
$(eval $(call compile_rule,tests,$(inc_tests)))

# CORE_ONLY=1: for tests of core alone in a variant that nothing else is run in; a third of the files.
$(B)/libculprit.a: $(call obj,$(core_src) $(if $(CORE_ONLY),,$(collectors_src) $(tui_src) $(filter-out cli/main.c,$(cli_src))))
	$(if $(Q),@echo '  AR      $@')
	$(Q)rm -f $@; ar rcs $@ $^

# What runs all the time lies together, so that the rest need not be in memory (scripts/hot_code.sh makes the list anew).
hot_code := $(if $(FUZZ)$(sanitize),,scripts/hot_code.ld)
$(B)/culprit: $(call obj,cli/main.c) $(B)/libculprit.a $(hot_code)
	$(if $(Q),@echo '  LD      $@')
	$(Q)$(cc) $(ldflags) $(bind_now) -o $@ $(filter-out %.ld,$^) $(libs) $(hot_code:%=-Wl,-T,%)

# Every file compiles, linked or not.
.PHONY: objects
objects: $(call obj,$(core_src) $(collectors_src) $(tui_src) $(cli_src) \
	$(wildcard tests/unit/*.c tests/screens/*.c tests/kernel/*.c tests/support/*.c))

.PHONY: run
run: ## build it and open the console (ARGS='replay file' for other verbs)
	+@$(MAKE) --no-print-directory $(in_parallel) all
	@exec $(B)/culprit $(ARGS)

# --- tests -------------------------------------------------------------------------------------------------------
# tests/unit/test_X.c, tests/screens/test_X.c (libvterm too) and tests/kernel/test_X.c (real kernel, mostly root) each
# become a cmocka binary; tests/support/*.c is linked into all of them; tests/plugins/X.c becomes build/plugins/X.so,
# compiled with include/ alone, as a stranger would. tests/*.sh and tests/*.py end with `N passed, N failed[, N skipped]`.
unit_tests := $(patsubst tests/unit/%.c,$(B)/tests/%,$(wildcard tests/unit/test_*.c))
screen_tests := $(patsubst tests/screens/%.c,$(B)/screens/%,$(wildcard tests/screens/test_*.c))
kernel_bpf_tests := $(foreach n,bpf $(bpf_names),$(wildcard tests/kernel/test_$n.c tests/kernel/test_$n_*.c))
kernel_tests := $(patsubst tests/kernel/%.c,$(B)/kernel/%,$(filter-out $(if $(filter 0,$(BPF)),$(kernel_bpf_tests)),$(wildcard tests/kernel/test_*.c)))
plugins := $(if $(STATIC),,$(patsubst tests/plugins/%.c,$(B)/plugins/%.so,$(wildcard tests/plugins/*.c)))
support := $(if $(CORE_ONLY),,$(call obj,$(wildcard tests/support/*.c)))

define test_rule
$(B)/$1/test_%: $(O)/tests/$2/test_%.o $4 $(support) $(B)/libculprit.a
	@mkdir -p $$(@D)
	$$(if $$(Q),@echo '  LD      $$@')
	$$(Q)$$(cc) $$(ldflags) -o $$@ $$^ $$(libs) $3 -lcmocka
endef
$(eval $(call test_rule,tests,unit,-ldw))
$(eval $(call test_rule,screens,screens,-lvterm -lutil,$(call obj,$(filter-out tests/screens/test_%,$(wildcard tests/screens/*.c)))))
$(eval $(call test_rule,kernel,kernel))
$(B)/plugins/%.so: tests/plugins/%.c $(O)/flags
	@mkdir -p $(@D)
	$(if $(Q),@echo '  PLUGIN  $@')
	$(Q)$(cc) $(CFLAGS) $(base_cflags) $(if $(WERROR),-Werror) -Iinclude -MMD -MP -fPIC -shared -o $@ $<
	$(Q)chmod go-w $@ $(@D)
.PRECIOUS: $(O)/%.o

# Everything the test driver runs in one variant; soak and bench too, so that they don't rot.
soak_tests := $(patsubst tests/soak/%.c,$(B)/soak/%,$(wildcard tests/soak/soak_*.c))
.PHONY: test-build
test-build: $(unit_tests) $(screen_tests) $(kernel_tests) $(plugins) $(B)/culprit $(B)/tables_md \
	$(soak_tests) $(B)/bench/spawn $(B)/bench/forks

# docs/TABLES.md is made from the schemas; tests/tables_test.sh compares.
$(eval $(call compile_rule,scripts,$(inc_cli)))
$(B)/tables_md: $(call obj,scripts/tables_md.c) $(B)/libculprit.a
	$(Q)$(cc) $(ldflags) -o $@ $^ $(libs)
.PHONY: tables-doc
tables-doc: $(B)/tables_md ## write docs/TABLES.md from the schemas
	$(Q)$(B)/tables_md > docs/TABLES.md

.PHONY: screens-doc
screens-doc: $(B)/culprit ## make the pictures of the README from the recording docs/screens/box.culprit
	$(Q)python3 scripts/screens.py --culprit $(B)/culprit

.PHONY: test
test: ## every test: unit, screens, sanitizers, fuzz, layers, scripts; last line: N passed, N failed, N skipped
	+@CC='$(CC)' MAKE='$(MAKE)' tests/run

.PHONY: unit
unit: $(unit_tests) $(plugins) ## the unit tests of this variant (SANITIZE=...)
	$(Q)failed=; for t in $(unit_tests); do $$t || failed="$$failed $$t"; done; \
	[ -z "$$failed" ] || { echo "failed:$$failed"; exit 1; }

.PHONY: test-screens
test-screens: $(screen_tests) $(plugins) $(B)/culprit ## screens against their goldens (UPDATE=1 writes them anew)
	+@UPDATE='$(UPDATE)' MAKE='$(MAKE)' tests/run screens

.PHONY: asan
asan: ## the console under address and undefined sanitizers: build/san-address-undefined/culprit
	+@$(MAKE) --no-print-directory SANITIZE=address,undefined all

.PHONY: fuzz fuzz-build
fuzz: ## every fuzz target for FUZZ_SECONDS (10) each, from the kept corpus
	+@MAKE='$(MAKE)' tests/run fuzz
fuzz_tests := $(patsubst tests/fuzz/%.c,$(B)/%,$(wildcard tests/fuzz/fuzz_*.c))
ifneq ($(FUZZ),)
fuzz-build: $(fuzz_tests)
$(B)/fuzz_%: $(O)/tests/fuzz/fuzz_%.o $(support) $(B)/libculprit.a
	$(if $(Q),@echo '  LD      $@')
	$(Q)$(cc) $(ldflags) -fsanitize=fuzzer -o $@ $^ $(libs) -lcmocka
endif

.PHONY: check-layers layer-objects
layer-objects: $(call obj,$(core_src) $(collectors_src) $(tui_src) $(cli_src))
check-layers: ## prove that no layer knows what it may not
	+@$(MAKE) --no-print-directory $(in_parallel) layer-objects
	$(Q)CC='$(CC)' CURSES='$(pkg_cflags)' sh scripts/check_layers.sh . $(O)

.PHONY: test-fresh
test-fresh: ## make run and make test in a fresh Debian with nothing but make (root, network, minutes)
	$(Q)FRESH=1 bash tests/fresh_debian.sh

# --- measuring ---------------------------------------------------------------------------------------------------
.PHONY: bench
bench_programs := spawn statpass forks bench_made bench_day
bench: $(B)/culprit $(addprefix $(B)/bench/,$(bench_programs)) $(B)/plugins/scale.so ## cost beside htop, btop, atop, top, as ratios, against the budgets (BENCH=record: one part)
	$(Q)tests/bench/run $(BENCH)

$(B)/bench/spawn $(B)/bench/statpass $(B)/bench/forks: $(B)/bench/%: $(O)/tests/bench/%.o
	@mkdir -p $(@D)
	$(Q)$(cc) $(ldflags) -o $@ $^

# Parts of it alone: make build/bench/bench_task && build/bench/bench_task -p 10000
$(B)/bench/bench_%: $(O)/tests/bench/bench_%.o $(call obj,$(addprefix tests/support/,frame_recorder.c fixture_host.c check.c) tests/bench/made_recording.c) \
		$(B)/libculprit.a
	@mkdir -p $(@D)
	$(Q)$(cc) $(ldflags) -o $@ $^ $(libs)

$(B)/soak/soak_%: $(O)/tests/soak/soak_%.o $(O)/tests/bench/made_recording.o $(B)/libculprit.a
	@mkdir -p $(@D)
	$(if $(Q),@echo '  LD      $@')
	$(Q)$(cc) $(ldflags) -o $@ $^ $(libs)

.PHONY: soak
soak: $(soak_tests) $(B)/culprit $(B)/bench/forks asan ## long runs: hours of ticks, memory must stay flat (SOAK=6: hours of ticks); 10 minutes of random keys
	$(Q)SOAK='$(SOAK)' B='$(B)' tests/soak/run

.PHONY: scenarios
scenarios: $(B)/culprit ## real trouble, made and diagnosed (later)
	@[ -x tests/scenarios/run ] && exec tests/scenarios/run || echo 'no scenarios yet'

# --- installing --------------------------------------------------------------------------------------------------
# What is installed.
program = $(B)/culprit
.PHONY: install
install: $(program) ## binary, man page, completions, systemd unit, themes, plug-in folder, headers for plug-ins, docs
	install -d $(DESTDIR)$(bindir) $(DESTDIR)$(mandir)/man1 $(DESTDIR)$(datadir)/culprit/themes $(DESTDIR)$(docdir) \
		$(DESTDIR)$(plugindir) $(DESTDIR)$(includedir)/culprit $(DESTDIR)$(unitdir) \
		$(DESTDIR)$(bashdir) $(DESTDIR)$(zshdir) $(DESTDIR)$(fishdir)
	install -m 755 $(program) $(DESTDIR)$(bindir)/culprit
	install -m 644 docs/culprit.1 $(DESTDIR)$(mandir)/man1/culprit.1
	install -m 644 README.md LICENSE $(wildcard docs/*.md) $(DESTDIR)$(docdir)
	install -m 644 include/culprit/*.h $(DESTDIR)$(includedir)/culprit
	sed 's|@bindir@|$(bindir)|' scripts/culprit.service.in > $(B)/culprit.service
	install -m 644 $(B)/culprit.service $(DESTDIR)$(unitdir)/culprit.service
	set -e; for shell in bash zsh fish; do $(program) completion $$shell > $(B)/completion.$$shell; done
	install -m 644 $(B)/completion.bash $(DESTDIR)$(bashdir)/culprit
	install -m 644 $(B)/completion.zsh $(DESTDIR)$(zshdir)/_culprit
	install -m 644 $(B)/completion.fish $(DESTDIR)$(fishdir)/culprit.fish
	$(if $(wildcard themes/*),install -m 644 $(wildcard themes/*) $(DESTDIR)$(datadir)/culprit/themes)

.PHONY: uninstall
uninstall: ## remove what install put there; plug-ins of others stay
	rm -f $(DESTDIR)$(bindir)/culprit $(DESTDIR)$(mandir)/man1/culprit.1 $(DESTDIR)$(unitdir)/culprit.service \
		$(DESTDIR)$(bashdir)/culprit $(DESTDIR)$(zshdir)/_culprit $(DESTDIR)$(fishdir)/culprit.fish
	rm -rf $(DESTDIR)$(datadir)/culprit $(DESTDIR)$(docdir) $(DESTDIR)$(includedir)/culprit
	-rmdir $(DESTDIR)$(plugindir) $(DESTDIR)$(prefix)/lib/culprit 2>/dev/null

# The prefix of a package is another: the program is linked with it, and nothing else is compiled for it.
deb := build/culprit_$(VERSION)_$(shell dpkg --print-architecture 2>/dev/null || uname -m).deb
$(B)/deb/prefix.o: core/prefix.c core/prefix.h $(O)/flags
	@mkdir -p $(@D)
	$(Q)$(cc) $(CFLAGS) $(base_cflags) $(inc_core) -DCULPRIT_PREFIX='"/usr"' -c -o $@ $<
$(B)/deb/culprit: $(call obj,cli/main.c) $(B)/deb/prefix.o $(B)/libculprit.a $(hot_code)
	$(if $(Q),@echo '  LD      $@')
	$(Q)$(cc) $(ldflags) $(bind_now) -o $@ $(filter-out %.ld,$^) $(libs) $(hot_code:%=-Wl,-T,%)
.PHONY: deb
deb: $(B)/deb/culprit ## a Debian package: build/culprit_VERSION_ARCH.deb
	$(Q)rm -rf $(B)/deb/root
	$(Q)$(MAKE) --no-print-directory -s install program=$(B)/deb/culprit DESTDIR=$(B)/deb/root bindir=/usr/bin datadir=/usr/share \
		includedir=/usr/include plugindir=/usr/lib/culprit/plugins unitdir=/lib/systemd/system zshdir=/usr/share/zsh/vendor-completions
	$(Q)sh scripts/deb.sh $(VERSION) $(B)/deb/root $(deb)

# --- the rest ----------------------------------------------------------------------------------------------------
.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 24
	@echo; sed -n 's/^#= /  /p' Makefile

.PHONY: clean
clean: ## remove build/
	$(Q)rm -rf build

-include $(shell find build -name '*.d' -type f 2>/dev/null)
