# mailslot: mail by SMTP, with nothing resident. `make help` lists what there is to make.

# Where `make install` puts things; DESTDIR goes in front of it all.
PREFIX      ?= /usr/local
SBINDIR     ?= $(PREFIX)/sbin
MANDIR      ?= $(PREFIX)/share/man
EXAMPLEDIR  ?= $(PREFIX)/share/doc/mailslot/examples
UNITDIR     ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
CATALOGDIR  ?= $(PREFIX)/lib/systemd/catalog
BASHDIR     ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR      ?= $(PREFIX)/share/zsh/site-functions
SYSCONFDIR  ?= /etc
# The default of mail-root in mailslot.conf; what the units wait to be mounted.
MAILROOT    ?= /var/lib/mailslot

BUILD      ?= build
PKG_CONFIG ?= pkg-config
INSTALL    ?= install
PYTHON     ?= /usr/bin/python3

CFLAGS   ?= -O2 -g
WARNINGS  = -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
            -Wvla -Wformat=2 -Wundef -Wpointer-arith -Wcast-qual
HARDENING = -fPIE -fstack-protector-strong -fstack-clash-protection \
            $(if $(SANITIZE),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
COMPILE   = $(CC) -std=gnu17 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DMAILSLOT_SYSCONFDIR='"$(SYSCONFDIR)"' \
            -DMAILSLOT_MAIL_ROOT='"$(MAILROOT)"' \
            -I$(BUILD) $(FOR_IT) $(CPPFLAGS) $(CFLAGS) $(WARNINGS) $(HARDENING) $(SANITIZE)
LINK      = $(CC) $(CFLAGS) $(SANITIZE) -pie -Wl,-z,relro,-z,now,--as-needed $(LDFLAGS)

# The server starts anew for every connection, and every shared library costs at every start: libc is
# the only one. What few sessions need is loaded when they need it. The tools write with libcdb.
TOOL_LIBS   = -l:libcdb.a -lcrypt
RELAY_LIBS  = -lgnutls

TOOLS   = build user show check rotate sendmail
WORKER := $(wildcard smtpd/front/*.c smtpd/hand/*.c)
RELAY  := $(wildcard smtpd/relay/*.c)
SHARED := $(filter-out smtpd/main.c smtpd/confine/filter.c $(WORKER) $(RELAY),$(wildcard smtpd/*.c smtpd/*/*.c)) \
          $(wildcard tools/*/*.c)
UNIT   := $(wildcard tests/unit/test_*.c)
MAN    := $(wildcard smtpd/*.[578] tools/*.[578])

SERVER_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,smtpd/main.c $(filter smtpd/%,$(SHARED)))
WORKER_OBJECTS := $(WORKER:%.c=$(BUILD)/%.o)
RELAY_MAIN     := $(BUILD)/smtpd/relay/main.o $(BUILD)/smtpd/relay/wipe.o
RELAY_OBJECTS  := $(filter-out $(RELAY_MAIN),$(RELAY:%.c=$(BUILD)/%.o))
HOOK_OBJECTS   := $(WORKER:%.c=$(BUILD)/hook/%.o)

PROGRAMS   := $(BUILD)/mailslot-smtpd $(BUILD)/mailslot-relay $(TOOLS:%=$(BUILD)/mailslot-%)
HOOK       := $(BUILD)/mailslot-smtpd-hook
ARCHIVE    := $(BUILD)/libmailslot.a
UNIT_TESTS := $(UNIT:%.c=$(BUILD)/%)

#: all               build everything that is installed (the default)
all: $(PROGRAMS)

$(BUILD)/mailslot-smtpd: $(SERVER_OBJECTS) $(WORKER_OBJECTS)
	$(call say,LINK)
	@$(LINK) -o $@ $^

# The server with a back door into the confinement of front and hand, for the tests; never installed.
$(HOOK): $(SERVER_OBJECTS) $(HOOK_OBJECTS)
	$(call say,LINK)
	@$(LINK) -o $@ $^

# Almost every session of it has TLS.
$(BUILD)/mailslot-relay: $(RELAY_MAIN) $(ARCHIVE)
	$(call say,LINK)
	@$(LINK) -o $@ $^ $(RELAY_LIBS)

$(TOOLS:%=$(BUILD)/mailslot-%): $(BUILD)/mailslot-%: $(BUILD)/tools/%.o $(ARCHIVE)
	$(call say,LINK)
	@$(LINK) -o $@ $^ $(TOOL_LIBS)

$(UNIT_TESTS): %: %.o $(ARCHIVE)
	$(call say,LINK)
	@$(LINK) -o $@ $^ -lcmocka $(TOOL_LIBS)

# Everything but the main programs: what tools and unit tests pick from.
$(ARCHIVE): $(SHARED:%.c=$(BUILD)/%.o) $(WORKER_OBJECTS) $(RELAY_OBJECTS)
	$(call say,AR)
	@rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/%.o: %.c $(BUILD)/flags
	$(call say,CC)
	@$(COMPILE) $(WERROR) -MMD -MP -c -o $@ $<

$(BUILD)/hook/%.o: %.c $(BUILD)/flags
	$(call say,CC)
	@$(COMPILE) $(WERROR) -DMAILSLOT_TEST_HOOK -MMD -MP -c -o $@ $<

$(BUILD)/smtpd/base/systemd.o: FOR_IT = $(shell $(PKG_CONFIG) --cflags libsystemd)

# The seccomp filters are made now, not at each start: this program writes them as C arrays.
$(BUILD)/smtpd/confine/confine_worker.o: $(BUILD)/filter_worker.h
$(BUILD)/smtpd/confine/confine_back.o: $(BUILD)/filter_back.h

$(BUILD)/filter_%.h: $(BUILD)/make-filter
	$(call say,MAKE)
	@$< $* >$@.new && mv $@.new $@

$(BUILD)/make-filter: smtpd/confine/filter.c $(BUILD)/flags
	$(call say,CC)
	@$(subst --coverage,,$(COMPILE)) $(WERROR) -MMD -MP -MF $@.d -pie -o $@ $< $(shell $(PKG_CONFIG) --cflags --libs libseccomp)

# All is built anew when the flags have changed (-Werror makes no difference to what is built). The first
# build, and each with other flags, looks for what it needs first.
NEEDED = cdb.h crypt.h gnutls/abstract.h gsasl.h idn2.h seccomp.h systemd/sd-journal.h unicase.h xxhash.h

$(BUILD)/flags: export FLAGS = $(COMPILE) / $(LINK)
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo "$$FLAGS" | cmp -s - $@ || { { $(look_for_needed); } && echo "$$FLAGS" >$@; }

look_for_needed = printf '\#include <%s>\n' $(NEEDED) | $(CC) $(CPPFLAGS) -E - >/dev/null || \
    { echo 'Something that building needs is not installed: `make deps-build` installs it.' >&2; false; }

-include $(wildcard $(addprefix $(BUILD)/,*.d smtpd/*.d smtpd/*/*.d hook/smtpd/*/*.d tools/*.d tools/*/*.d \
                                          tests/unit/*.d tests/fuzz/*.d))

say = @mkdir -p $(@D) && printf '  %-5s %s\n' $1 $@

#: deps              install what building and testing need and this machine lacks (Debian, Ubuntu)
deps: deps-build deps-test
deps-build deps-test deps-world: deps-%:
	@tests/deps $*

#: run               a mail server to try out, in build/run/, until Ctrl-C (PORT=2525 TLS_PORT=4650)
run: deps-build
	@$(MAKE) --no-print-directory all
	@tools/run.sh $(BUILD) $(or $(PORT),2525) $(or $(TLS_PORT),4650)

#: check             build with -Werror and run all tests, then again with ASan and UBSan
check: deps
	@$(MAKE) --no-print-directory -j$(shell nproc) build-for-test WERROR=-Werror
	@$(MAKE) --no-print-directory test WERROR=-Werror
	@$(MAKE) --no-print-directory check-asan WERROR=-Werror

SANITIZED = BUILD=build/asan SANITIZE='-fsanitize=address,undefined -fno-sanitize-recover=all'

check-asan:
	@$(MAKE) --no-print-directory -j$(shell nproc) build-for-test $(SANITIZED)
	@$(MAKE) --no-print-directory test $(SANITIZED)

#: check-world       the tests with other mail systems, super-servers, readers and scanners; the fuzzers, briefly
check-world: deps deps-world
	@$(MAKE) --no-print-directory -j$(shell nproc) build-for-test WERROR=-Werror
	@$(MAKE) --no-print-directory test WERROR=-Werror MARKED=world

# Tests wait more than they work, so there are more of them at a time than processors: all at once on
# pytest-xdist, or one after the other without it. TEST_JOBS=0 is one after the other, too.
TEST_JOBS ?= $(shell $(PYTHON) -c 'import os, xdist; print(min(16, 3 * os.cpu_count()))' 2>/dev/null || echo 0)

# What `make check` runs; `make test MARKED=` runs all.
MARKED ?= not world

build-for-test: all $(HOOK) $(UNIT_TESTS)

#: test              all tests once, without installing anything or sanitizers
test: build-for-test
	@MAILSLOT_BUILD_DIR=$(abspath $(BUILD)) PYTHONDONTWRITEBYTECODE=1 \
	    $(PYTHON) -m pytest -q -rs -p no:cacheprovider $(addprefix -n,$(TEST_JOBS:0=)) -m "$(MARKED)" tests

#: check-systemd     the tests in a real systemd alone (root; systemd-container)
check-systemd: all
	@MAILSLOT_BUILD_DIR=$(abspath $(BUILD)) PYTHONDONTWRITEBYTECODE=1 \
	    $(PYTHON) -m pytest -q -rs -p no:cacheprovider $(wildcard tests/system/test_systemd*.py)

# Each compiled anew by clang, with what libFuzzer needs to see where an input leads.
FUZZERS := $(patsubst tests/fuzz/%.c,$(BUILD)/%,$(wildcard tests/fuzz/fuzz_*.c))
$(FUZZERS): $(BUILD)/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(ARCHIVE)
	$(call say,LINK)
	@$(LINK) -fsanitize=fuzzer -o $@ $^ $(TOOL_LIBS)

fuzzers: $(FUZZERS)

fuzzers-by-clang:
	@$(MAKE) --no-print-directory BUILD=build/fuzz CC=clang WERROR= fuzzers \
	    SANITIZE='-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all'

#: fuzz              all fuzzers, FUZZ_SECONDS each (60), or those in FUZZ_ONLY (data wall ...)
fuzz: deps-test deps-world fuzzers-by-clang
	@tests/fuzz/run build/fuzz $(or $(FUZZ_SECONDS),60) $(FUZZ_ONLY)

COVERED = BUILD=build/coverage CFLAGS='-O1 -g --coverage' \
          LDFLAGS='$(addprefix $(abspath build/coverage/tests)/,coverage.o unconfined.o) -Wl,--wrap=_exit,--wrap=confine_worker \
                   -Wl,--wrap=confine_back_paths,--wrap=confine_back_system_calls'

# Tests that kill programs or limit the size of their files spoil what was counted before.
SPOILERS = killed or short_writes or fails or file_size or cut_back or fuzz or confine or hook

#: coverage          lines and branches that the tests reach (some fail there: confinement is left out)
coverage: deps-test deps-world
	@rm -rf build/coverage
	@$(MAKE) --no-print-directory $(COVERED) build/coverage/tests/coverage.o build/coverage/tests/unconfined.o
	-@PYTEST_ADDOPTS='-k "not ($(SPOILERS))"' $(MAKE) --no-print-directory $(COVERED) test
	@gcovr --root . --object-directory build/coverage --filter smtpd/ --filter tools/ --branches \
	    --exclude-unreachable-branches --exclude-throw-branches --print-summary

#: lint              form of the sources, static analysis, manual pages
lint: deps-test
	@tests/lint

#: bench             measure the speed, compared with the simplest programs that could do the same
bench: all
	@MAILSLOT_BUILD_DIR=$(abspath $(BUILD)) tests/bench/run

# Examples: for certbot, logrotate and other supervisors.
EXAMPLES = certbot.conf logrotate.conf inetd.conf xinetd.conf tcpserver.run tcpserver-log.run s6.run s6-log.run relay.run submit.run

UNITS = $(addprefix $(BUILD)/units/,mailslot-listen.service mailslot-build.path \
                                    mailslot-build.service mailslot-build-check.service \
                                    mailslot-relay.socket mailslot-relay@.service \
                                    mailslot-dovecot-users.path mailslot-dovecot-users.service \
                                    mailslot-proxy@.socket mailslot-proxy@.service system-mailslot.slice \
                                    mailslot.sysusers mailslot.tmpfiles $(EXAMPLES))

FILL = sed -e 's|@sbindir@|$(SBINDIR)|g' -e 's|@sysconfdir@|$(SYSCONFDIR)|g' -e 's|@mailroot@|$(MAILROOT)|g'

# Written at each installation, because the names at the top may have changed.
$(UNITS): $(BUILD)/units/%: units/% FORCE
	@mkdir -p $(@D)
	@$(FILL) $< >$@

# The units of the five roles come out of two bodies. A line that begins with `@KIND:` is for this kind
# alone: session or listen; both if there are these two; port or path; lmtp or local; 255 if systemd is
# that new.
NAMED     = mailslot mailslot-submission mailslot-submissions mailslot-lmtp
SOCKETS   = $(patsubst %,$(BUILD)/units/%.socket,$(NAMED) $(NAMED:mailslot%=mailslot-listen%) mailslot-submit)
TEMPLATES = $(patsubst %,$(BUILD)/units/%@.service,$(NAMED) mailslot-submit)

PLACE.mx          = 25
PLACE.submission  = 587
PLACE.submissions = 465
PLACE.lmtp        = /run/mailslot/lmtp
PLACE.local       = /run/mailslot/submit

ROLE.       = mx
ROLE.submit = local

SYSTEMD_VERSION ?= $(shell $(PKG_CONFIG) --modversion libsystemd)

LISTENS = $(findstring -listen,$*)
STEM    = $(patsubst -%,%,$(subst mailslot,,$(subst -listen,,$*)))
ROLE    = $(or $(ROLE.$(STEM)),$(STEM))
OTHER   = $(if $(LISTENS),$(subst -listen,,$*),$(subst mailslot,mailslot-listen,$*)).socket
KINDS   = $(if $(LISTENS),listen,session) $(if $(filter local,$(ROLE)),,both) \
          $(if $(filter lmtp local,$(ROLE)),path $(ROLE),port) \
          $(shell [ $(firstword $(subst ~, ,$(subst ., ,$(SYSTEMD_VERSION)))) -lt 255 ] || echo 255)

$(SOCKETS): $(BUILD)/units/%.socket: units/any.socket FORCE
	@mkdir -p $(@D)
	@$(FILL) -e 's|@role@|$(ROLE)|g' -e 's|@place@|$(PLACE.$(ROLE))|g' -e 's|@other@|$(OTHER)|g' \
	    $(patsubst %,-e 's|^@%:||',$(KINDS)) -e '/^@[a-z0-9]*:/d' $< >$@

$(TEMPLATES): $(BUILD)/units/%@.service: units/session@.service FORCE
	@mkdir -p $(@D)
	@$(FILL) -e 's|@role@|$(ROLE)|g' $< >$@

# The manual names the places of a plain `make install`.
MANUALS = $(MAN:%=$(BUILD)/man/%)

$(MANUALS): $(BUILD)/man/%: % FORCE
	@mkdir -p $(@D)
	@sed -e 's|/usr/local/share/doc/mailslot/examples|$(EXAMPLEDIR)|g' -e 's|/usr/local/sbin|$(SBINDIR)|g' \
	    -e 's|/etc/mailslot|$(SYSCONFDIR)/mailslot|g' -e 's|/var/lib/mailslot|$(MAILROOT)|g' $< >$@

SYSTEMD_UNITS = $(filter %.service %.path %.socket %.slice,$(UNITS)) $(SOCKETS) $(TEMPLATES)

# What a package does once its files are in place: the user, the folders, the catalog, the new units.
SET_UP = systemd-sysusers $(SYSUSERSDIR)/mailslot.conf && systemd-tmpfiles --create $(TMPFILESDIR)/mailslot.conf && \
         journalctl --update-catalog && { test ! -d /run/systemd/system || systemctl daemon-reload; }

#: install           programs, manual, units; without DESTDIR=, under systemd, also the user and the folders
install: all $(UNITS) $(SOCKETS) $(TEMPLATES) $(MANUALS)
	$(INSTALL) -d $(addprefix $(DESTDIR),$(SBINDIR) $(MANDIR)/man5 $(MANDIR)/man7 $(MANDIR)/man8 $(UNITDIR) \
	    $(SYSUSERSDIR) $(TMPFILESDIR) $(CATALOGDIR) $(BASHDIR) $(ZSHDIR) $(EXAMPLEDIR)/fail2ban)
	$(INSTALL) -m 755 $(PROGRAMS) $(DESTDIR)$(SBINDIR)
	$(INSTALL) -m 644 $(filter %.5,$(MANUALS)) $(DESTDIR)$(MANDIR)/man5
	$(INSTALL) -m 644 $(filter %.7,$(MANUALS)) $(DESTDIR)$(MANDIR)/man7
	$(INSTALL) -m 644 $(filter %.8,$(MANUALS)) $(DESTDIR)$(MANDIR)/man8
	$(INSTALL) -m 644 $(SYSTEMD_UNITS) $(DESTDIR)$(UNITDIR)
	$(INSTALL) -m 644 $(BUILD)/units/mailslot.sysusers $(DESTDIR)$(SYSUSERSDIR)/mailslot.conf
	$(INSTALL) -m 644 $(BUILD)/units/mailslot.tmpfiles $(DESTDIR)$(TMPFILESDIR)/mailslot.conf
	$(INSTALL) -m 644 $(filter %.conf,$(UNITS)) $(DESTDIR)$(EXAMPLEDIR)
	$(INSTALL) -m 755 $(filter %.run,$(UNITS)) $(DESTDIR)$(EXAMPLEDIR)
	$(INSTALL) -m 644 units/mailslot.catalog $(DESTDIR)$(CATALOGDIR)
	$(INSTALL) -m 644 $(wildcard units/fail2ban/*) $(DESTDIR)$(EXAMPLEDIR)/fail2ban
	for name in $(notdir $(PROGRAMS)); do \
	    $(INSTALL) -m 644 tools/completion.bash $(DESTDIR)$(BASHDIR)/$$name; \
	done
	$(INSTALL) -m 644 tools/completion.zsh $(DESTDIR)$(ZSHDIR)/_mailslot
	[ -n "$(DESTDIR)" ] || ! command -v systemd-sysusers >/dev/null || [ "$$(id -u)" != 0 ] || { $(SET_UP); }

# Links to units that are gone would stay behind. All at once is quickest; it fails if one of them is missing.
ENABLED = $(notdir $(SOCKETS)) mailslot-build.path mailslot-relay.socket mailslot-dovecot-users.path \
          $$(cd /etc/systemd/system/sockets.target.wants 2>/dev/null && ls mailslot-proxy@*.socket 2>/dev/null)
DISABLE = now=$$(test ! -d /run/systemd/system || echo --now); systemctl disable $$now $(ENABLED) 2>/dev/null || \
          for unit in $(ENABLED); do systemctl disable $$now $$unit 2>/dev/null || :; done

#: uninstall         disable the units and remove what was installed; configuration and mail stay
uninstall:
	[ -n "$(DESTDIR)" ] || ! command -v systemctl >/dev/null || { $(DISABLE); }
	rm -f $(addprefix $(DESTDIR)$(SBINDIR)/,$(notdir $(PROGRAMS))) \
	    $(addprefix $(DESTDIR)$(MANDIR)/man5/,$(notdir $(filter %.5,$(MAN)))) \
	    $(addprefix $(DESTDIR)$(MANDIR)/man7/,$(notdir $(filter %.7,$(MAN)))) \
	    $(addprefix $(DESTDIR)$(MANDIR)/man8/,$(notdir $(filter %.8,$(MAN)))) \
	    $(addprefix $(DESTDIR)$(UNITDIR)/,$(notdir $(SYSTEMD_UNITS))) \
	    $(addprefix $(DESTDIR)$(EXAMPLEDIR)/,$(EXAMPLES)) \
	    $(DESTDIR)$(SYSUSERSDIR)/mailslot.conf $(DESTDIR)$(TMPFILESDIR)/mailslot.conf \
	    $(DESTDIR)$(CATALOGDIR)/mailslot.catalog $(DESTDIR)$(ZSHDIR)/_mailslot \
	    $(addprefix $(DESTDIR)$(BASHDIR)/,$(notdir $(PROGRAMS))) \
	    $(patsubst units/%,$(DESTDIR)$(EXAMPLEDIR)/%,$(wildcard units/fail2ban/*))
	[ -n "$(DESTDIR)" ] || [ ! -d /run/systemd/system ] || systemctl daemon-reload

#: clean             remove all that was built, but not the mail of `make run`
clean:
	rm -rf $(filter-out build/run,$(wildcard build/*))

#: help              this list
help:
	@sed -n 's/^#: /make /p' Makefile

FORCE:
.PHONY: all build-for-test deps deps-build deps-test deps-world run check check-world check-asan check-systemd test fuzz fuzzers fuzzers-by-clang coverage lint bench install uninstall clean help
.DELETE_ON_ERROR:
