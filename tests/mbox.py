"""A strict reader of mbox files, and Python's reader."""

import mailbox
import re

FROM_LINE = re.compile(
    rb"From \S+ (Mon|Tue|Wed|Thu|Fri|Sat|Sun) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
    rb" [ \d]\d \d\d:\d\d:\d\d \d{4}\Z"
)


# Fields in which mail readers keep the state of a mailbox.
STATE = (
    b"content-length", b"status", b"x-status", b"x-keywords", b"x-uid", b"x-imap", b"x-imapbase", b"x-uidl", b"x-delivery-id",
    b"x-mozilla-status", b"x-mozilla-status2", b"x-mozilla-keys", b"x-evolution",
)  # fmt: skip
FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:")


def stored_form(text):
    """A message with LF line ends as a mailbox stores it, before quoting: see FORMAT in mailslot-delivery(7)."""
    if text and not text.endswith(b"\n"):
        text += b"\n"
    lines, made, seen, leave_out = re.findall(rb"[^\n]*\n", text), [], False, False
    if text.lstrip(b"\0")[:1] in (b" ", b"\t"):
        return b"\n" + text.lstrip(b"\0")
    for i, line in enumerate(lines):
        line = line.replace(b"\0", b"")
        field = FIELD.match(line[:1024])
        if line == b"\n":
            return b"".join([*made, line, *lines[i + 1 :]])
        if line[:1] not in (b" ", b"\t"):
            leave_out = bool(field) and field.group(1).lower() in STATE
            if not seen and not field and re.match(rb">*From ", line):
                made.append(b"X-Mailbox-Line: ")
            elif not seen and not field:
                return b"".join([*made, b"\n", line, *lines[i + 1 :]])
            seen = seen or (bool(field) and not leave_out)
        if not leave_out:
            made.append(line)
    return b"".join(made) + b"\n"


class Message:
    """One message of a mailbox: its From_ line, our trace fields, and the text as it was sent, with LF line ends."""

    TRACE = (b"Return-Path:", b"Delivered-To:", b"Received:")

    def __init__(self, from_line, text):
        self.from_line = from_line
        self.text = text
        lines = text.split(b"\n")
        end = 0
        for name in self.TRACE:
            assert lines[end].lower().startswith(name.lower()), f"{name} expected: {lines[end]!r}"
            end += 1
            while end < len(lines) and lines[end][:1] in (b" ", b"\t"):
                end += 1
        self.trace = b"\n".join(lines[:end]) + b"\n"
        self.sent = b"\n".join(lines[end:])

    def header(self, name):
        """The first header of this name, unfolded; None if there is none."""
        head = re.sub(rb"\n[ \t]+", b" ", self.text.partition(b"\n\n")[0])
        for line in head.split(b"\n"):
            if line.lower().startswith(name.lower().encode() + b":"):
                return line.partition(b":")[2].strip().decode("latin-1")
        return None

    @property
    def id(self):
        return re.search(r"\bid (\S+?)[;\s]", self.header("Received") + " ").group(1)


def parse_mbox(raw):
    """Reads an mboxrd file strictly: [(from_line, text)], without the blank line after each message. Raises
    AssertionError if the file is not in the form that we promise to write."""
    if raw == b"":
        return []
    assert raw.endswith(b"\n\n"), f"no blank line at the end: {raw[-60:]!r}"
    found = []
    parts = re.split(rb"\n(?=\nFrom )", raw[:-1])
    for i, part in enumerate(parts):
        if i > 0:
            part = part[1:]
        if i < len(parts) - 1:
            part += b"\n"
        from_line, newline, text = part.partition(b"\n")
        assert newline and from_line.startswith(b"From "), f"not a From_ line: {from_line[:80]!r}"
        assert not re.search(rb"^From ", text, re.M), "an unquoted From_ line"
        found.append((from_line, re.sub(rb"^>(>*From )", rb"\1", text, flags=re.M)))
    return found


def messages_of(raw):
    """The messages of an mbox file that only our programs have written to."""
    parts = parse_mbox(raw)
    for from_line, _ in parts:
        assert FROM_LINE.match(from_line), f"From_ line: {from_line!r}"
    return [Message(*part) for part in parts]


def python_reads(path):
    """The messages as Python's mailbox module sees them, as bytes."""
    box = mailbox.mbox(path, create=False)
    try:
        return [box.get_bytes(key) for key in box.keys()]
    finally:
        box.close()
