"""Packets of the milter protocol, version 6, as a filter sends and reads them: four bytes of length, a letter, and what belongs to
it. Everything here is bytes on the wire; text is UTF-8, or any bytes by surrogateescape.

    CONTINUE, ACCEPT, REJECT, TEMPFAIL, DISCARD, SKIP, PROGRESS, SHUTDOWN     replies
    reply("550 5.7.1 No")                                                      SMFIR_REPLYCODE; as it is, nothing is doubled
    add_field(name, value), insert_field(index, name, value), change_field(index, name, value), delete_field(index, name),
    replace_body(data), add_rcpt(address), delete_rcpt(address), change_sender(address), quarantine(reason)        changes
"""

import struct

# What a filter may do (SMFIF_*), and which steps it does not want or does not answer (SMFIP_*).
ADDHDRS, CHGBODY, ADDRCPT, DELRCPT, CHGHDRS, QUARANTINE, CHGFROM, ADDRCPT_PAR, SETSYMLIST = (1 << n for n in range(9))
ACTIONS = 0x1FF
(NOCONNECT, NOHELO, NOMAIL, NORCPT, NOBODY, NOHDRS, NOEOH, NR_HDR, NOUNKNOWN, NODATA, CAN_SKIP, RCPT_REJ,
 NR_CONN, NR_HELO, NR_MAIL, NR_RCPT, NR_DATA, NR_UNKN, NR_EOH, NR_BODY, HDR_LEADSPC) = (1 << n for n in range(21))  # fmt: skip
STEPS = 0x1FFFFF

LETTERS = {"O": "negotiate", "C": "connect", "H": "helo", "M": "mail", "R": "rcpt", "T": "data", "L": "field", "N": "eoh",
           "B": "body", "E": "end", "A": "abort", "U": "unknown", "Q": "quit", "K": "quit_nc", "D": "macro"}  # fmt: skip
UNWANTED = {"connect": NOCONNECT, "helo": NOHELO, "mail": NOMAIL, "rcpt": NORCPT, "data": NODATA, "field": NOHDRS, "eoh": NOEOH,
            "body": NOBODY, "unknown": NOUNKNOWN}  # fmt: skip
UNANSWERED = {"connect": NR_CONN, "helo": NR_HELO, "mail": NR_MAIL, "rcpt": NR_RCPT, "data": NR_DATA, "field": NR_HDR,
              "eoh": NR_EOH, "body": NR_BODY, "unknown": NR_UNKN}  # fmt: skip
MACRO_STAGES = ("connect", "helo", "mail", "rcpt", "data", "end", "eoh")  # SMFIM_*


def packet(letter, data=b""):
    return struct.pack(">I", len(data) + 1) + letter.encode() + data


def encoded(text):
    return text if isinstance(text, bytes) else text.encode(errors="surrogateescape")


def decoded(data):
    return bytes(data).decode(errors="surrogateescape")


def strings(*texts):
    return b"".join(encoded(text) + b"\0" for text in texts)


CONTINUE, ACCEPT, REJECT, TEMPFAIL, DISCARD, SKIP, PROGRESS, SHUTDOWN = (packet(letter) for letter in "cartdsp4")


def reply(text):
    return packet("y", strings(text))


def negotiation(version=6, actions=ACTIONS, steps=0, macros=None):
    """macros: {stage: "names separated by blanks"}."""
    lists = (struct.pack(">I", MACRO_STAGES.index(stage)) + strings(names) for stage, names in (macros or {}).items())
    return packet("O", struct.pack(">III", version, actions, steps) + b"".join(lists))


def add_field(name, value):
    return packet("h", strings(name, value))


def insert_field(index, name, value):
    return packet("i", struct.pack(">I", index) + strings(name, value))


def change_field(index, name, value):
    return packet("m", struct.pack(">I", index) + strings(name, value))


def delete_field(index, name):
    return change_field(index, name, "")


def replace_body(data, size=65535):
    """As many packets as it takes, at least one; lines should end in CR LF."""
    data = encoded(data)
    return b"".join(packet("b", data[at : at + size]) for at in range(0, max(1, len(data)), size))


def add_rcpt(address, parameters=None):
    return packet("+", strings(address)) if parameters is None else packet("2", strings(address, parameters))


def delete_rcpt(address):
    return packet("-", strings(address))


def change_sender(address, *parameters):
    return packet("e", strings(address, *parameters))


def quarantine(reason):
    return packet("q", strings(reason))


# ---- what a filter receives. A packet that is not as the protocol has it raises Malformed.


class Malformed(Exception):
    pass


def read_strings(data, least=1, most=None):
    """The strings in data, each ended by NUL."""
    found = bytes(data).split(b"\0")
    if found.pop() or len(found) < least or (most is not None and len(found) > most):
        raise Malformed(f"strings: {bytes(data)!r}")
    return [decoded(one) for one in found]


def read_macros(data, least=1):
    """(step, {name: value}); names as they were sent, with braces or without. least: how many there must be."""
    if not data or chr(data[0]) not in LETTERS:
        raise Malformed(f"macros: {bytes(data)!r}")
    words = read_strings(data[1:], 2 * least)
    if len(words) % 2 or not all(words[::2]):
        raise Malformed(f"macros: {words}")
    return LETTERS[chr(data[0])], dict(zip(words[::2], words[1::2]))


def read_connect(data):
    """(host, family, port, address); the last two are None for the family U."""
    host, nul, rest = bytes(data).partition(b"\0")
    if not nul or rest[:1] not in (b"4", b"6", b"L", b"U") or not host:
        raise Malformed(f"connect: {bytes(data)!r}")
    family = chr(rest[0])
    if family == "U":
        if rest[1:]:
            raise Malformed(f"connect: {bytes(data)!r}")
        return decoded(host), family, None, None
    (address,) = read_strings(rest[3:], 1, 1)
    return decoded(host), family, struct.unpack(">H", rest[1:3])[0], address


def read_numbers(data):
    if len(data) != 12:
        raise Malformed(f"negotiation: {bytes(data)!r}")
    return struct.unpack(">III", data)
