# mailslot: make deps | make | make run | make check | make lint | make bench | make install

CC ?= gcc
PKG_CONFIG ?= pkg-config
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
BUILD ?= build

WARNINGS = -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
           -Wvla -Wformat=2 -Wundef -Wpointer-arith -Wcast-qual
HARDENING = -fstack-protector-strong -fstack-clash-protection -fPIE -fcf-protection
FORTIFY = -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
CFLAGS ?= -O2 -g
CPPFLAGS += -D_GNU_SOURCE -DMAILSLOT_SYSCONFDIR='"$(SYSCONFDIR)"' -I$(BUILD)
ALL_CFLAGS = -std=gnu17 $(CFLAGS) $(WARNINGS) $(HARDENING) $(FORTIFY) $(SANITIZE) $(WERROR) -MMD -MP
ALL_LDFLAGS = -pie -Wl,-z,relro -Wl,-z,now $(SANITIZE) $(LDFLAGS)
