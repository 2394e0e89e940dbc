"""Runs the transcripts (*.smtp) of this folder, each against a server of its own.

The format is described in ../README.md.
"""

import re
from pathlib import Path

import pytest
from client import Closed, Session
from world import World

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*.smtp"))
HEADERS = ("conf", "users", "aliases", "database", "role", "over", "env", "packets")


def unescape(text):
    r"""Replaces \r \n \0 \t \\ \xHH and {3*text}."""

    def repeat(found):
        return int(found.group(1)) * found.group(2)

    def byte(found):
        escape = found.group(1)
        known = {"r": "\r", "n": "\n", "0": "\0", "t": "\t", "\\": "\\", "s": " "}
        return known[escape] if escape in known else chr(int(escape[1:], 16))

    text = re.sub(r"\{(\d+)\*([^}]*)\}", repeat, text)
    return re.sub(r"\\(x[0-9a-fA-F]{2}|[rn0ts\\])", byte, text).encode("latin-1")


class Transcript:
    """The lines of one file: headers, steps of the dialogue, and the mailboxes and log expected after it."""

    def __init__(self, path):
        self.headers = {name: [] for name in HEADERS}
        self.steps, self.boxes, self.log, self.exit = [], [], [], 0
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if line and not line.startswith("#"):
                mark, colon, text = line.partition(":")
                assert colon, f"{path.name}:{number}: no mark in {line!r}"
                self.add(mark, text[1:] if text.startswith(" ") else text, f"{path.name}:{number}")

    def add(self, mark, text, where):
        if mark in self.headers:
            self.headers[mark].append(text)
        elif mark in ("C", "R", "S", "A", "E"):
            self.steps.append((mark, text, where))
        elif mark == "M":
            address, count = text.split()
            self.boxes.append({"address": address, "count": int(count), "H": [], "B": [], "where": where})
        elif mark in ("H", "B"):
            self.boxes[-1][mark].append(text)
        elif mark == "log":
            self.log.append((text, where))
        elif mark == "exit":
            self.exit = int(text)
        else:
            raise AssertionError(f"{where}: unknown mark {mark!r}")


class Pattern:
    """Literal text, except `...` (any text) and `$ID` (a word, the same each time)."""

    def __init__(self):
        self.id = None

    def matches(self, pattern, text):
        expression = ""
        for part in re.split(r"(\.\.\.|\$ID)", pattern):
            if part == "...":
                expression += ".*"
            elif part == "$ID":
                expression += r"(\S+)" if self.id is None else re.escape(self.id)
            else:
                expression += re.escape(part)
        found = re.fullmatch(expression, text)
        if found and found.groups():
            self.id = found.group(1)
        return found is not None


def spoil(world, how):
    """Damages the built database, as `database: how` requests."""
    if how == "missing":
        world.db.unlink()
    elif how == "unsafe":
        world.db.chmod(0o666)
    elif how == "damaged":  # one bit in every record and table, after the header
        raw = bytearray(world.db.read_bytes())
        for i in range(2048, len(raw), 16):
            raw[i] ^= 1
        world.db.write_bytes(raw)
    elif how == "truncated":
        world.db.write_bytes(world.db.read_bytes()[:-100])
    elif how == "empty":
        world.db.write_bytes(b"")
    else:
        raise AssertionError(f"database: {how}?")


def prepare(transcript, folder):
    world = World(folder)
    world.users += transcript.headers["users"]
    world.aliases += transcript.headers["aliases"]
    settings = dict(map(str.strip, line.split("=", 1)) for line in transcript.headers["conf"])
    world.conf.update(settings)
    world.build()
    for how in transcript.headers["database"]:
        spoil(world, how)
    return world


def send(session, data, packet):
    """Sends all in one write, or in packets of so many bytes. False if the server has closed."""
    if not packet:
        return session.try_send(data)
    for at in range(0, len(data), packet):
        session.settle()
        if not session.try_send(data[at : at + packet]):
            return False
    return True


def talk(session, transcript, pattern):
    """Plays the dialogue. C and R lines are collected and sent in one write before the next reply."""
    waiting = b""
    packet = int((transcript.headers["packets"] or [0])[0])
    for mark, text, where in transcript.steps:
        if mark in "CR" and text not in ("[cut]", "[hangs up]"):
            waiting += unescape(text) + (b"\r\n" if mark == "C" else b"")
            continue
        if waiting and not send(session, waiting, packet):
            assert text == "[closes]", f"{where}: the server closed before everything was sent"
        waiting = b""
        if text == "[cut]":
            session.settle()
        elif text == "[hangs up]":
            session.half_close()
        elif text == "[closes]":
            rest = session.rest()
            assert rest == b"", f"{where}: more than expected: {rest!r}"
        else:
            expect(session, pattern, mark, text, where)
    if waiting:
        send(session, waiting, packet)
    session.half_close()
    rest = session.rest()
    assert rest == b"", f"more than expected at the end: {rest!r}"


def expect(session, pattern, mark, text, where):
    """S: one line. A: all lines of a reply match this one. E: the keywords of EHLO in any order."""
    try:
        line = session.line() if mark == "S" else session.reply()
    except Closed:
        raise AssertionError(f"{where}: closed where {text!r} was expected") from None
    if mark == "E":
        wanted = sorted(word.strip() for word in text.split(","))
        offered = sorted(row[4:] for row in line.split("\n")[1:])
        assert line.startswith("250") and offered == wanted, f"{where}: {line!r}"
        return
    text = unescape(text).decode()
    for row in line.split("\n"):
        row = row if mark == "S" else row[:3] + " " + row[4:]
        assert pattern.matches(text, row), f"{where}: {row!r} where {text!r} was expected"


def check_boxes(world, transcript, pattern):
    """Each named mailbox holds so many messages, the last one as described; all others are empty."""
    unnamed = set(world.everything())
    for box in transcript.boxes:
        messages = world.messages(box["address"])
        assert len(messages) == box["count"], f"{box['where']}: {len(messages)} messages"
        unnamed.discard(str(world.mailbox(box["address"]).relative_to(world.root)))
        for wanted in box["H"]:
            name, _, value = unescape(wanted).decode("latin-1").partition(": ")
            actual = messages[-1].header(name)
            assert actual is not None and pattern.matches(value, actual), f"{wanted!r}: {actual!r}"
        if box["B"]:
            assert messages[-1].sent == b"\n".join(map(unescape, box["B"])) + b"\n"
    for path in unnamed:
        assert world.everything()[path] == b"", f"unexpected mail in {path}"


def check_log(log, transcript, pattern):
    for wanted, where in transcript.log:
        assert any(pattern.matches(f"...{wanted}...", line) for line in log.splitlines()), (
            f"{where}: {wanted!r} is not in the log:\n{log}"
        )


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_transcript(path, tmp_path):
    transcript = Transcript(path)
    world = prepare(transcript, tmp_path)
    pattern = Pattern()
    session = Session(
        world,
        args=[arg for role in transcript.headers["role"] for arg in ("-r", role)],
        over=(transcript.headers["over"] or ["socket"])[0],
        env=dict(line.split("=", 1) for line in transcript.headers["env"]),
    )
    talk(session, transcript, pattern)
    code = session.finish()
    assert code == transcript.exit, f"exit {code}, log:\n{session.log}"
    check_boxes(world, transcript, pattern)
    check_log(session.log, transcript, pattern)


def test_there_are_transcripts():
    assert len(FILES) >= 60
