"""Thousands of random walks through the commands, in all roles, with and without TLS, pipelined and split anywhere. The server
must give the same replies and store the same messages as a model of the session (model.py). If they differ, the walk is
shortened as far as they still do, and printed as a transcript."""

import base64
import functools
import random

import pytest
from basics import sanitized
from client import Closed, Session
from model import ALICE_IN, LOCAL, MOVES, Model
from tls import TlsSession, context, set_password

PASSWORD = "correct horse battery"
WALKS = {"smtp": 1200, "mx": 400, "submission": 300, "submissions": 200, "lmtp": 900, "tls": 400}
LENGTH = 40


class Difference(Exception):
    pass


def send_cut(session, data, rng):
    """Sends data in up to five pieces; now and then, waits until the server has read one."""
    cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.choice([0, 0, 1, 4])))
    for start, end in zip([0, *cuts], [*cuts, len(data)]):
        session.try_send(data[start:end])
        if rng.random() < 0.05:
            session.settle()


def hear(session, wanted):
    for due in wanted:
        try:
            reply = session.reply()
        except Closed:
            reply = "closed"
        first = reply[:3] + " " + reply.split("\n")[0][4:]
        if not first.startswith(due):
            raise Difference(f"{reply!r}, not {due!r}")


def play(session, model, walk, rng):
    """Sends the walk, as much at once as pipelining allows; the replies must be the model's."""
    pending, wanted = b"", []
    for move in walk:
        if model.closed:
            break
        for sent, replies, wait in model.play(move):
            if sent is None:
                session.shake(context(session.world.certificates))
                continue
            pending, wanted = pending + sent, wanted + replies
            if wait or model.closed or rng.random() < 0.3:
                send_cut(session, pending, rng)
                hear(session, wanted)
                pending, wanted = b"", []
    if pending:
        send_cut(session, pending, rng)
    hear(session, wanted)
    session.half_close()


def begin(world, role, tls):
    make = TlsSession if tls else Session
    session = make(world, args=("-r", role))
    if role == "submissions":
        session.shake(context(world.certificates))
    assert session.reply().startswith("220")
    return session


def difference(world, role, tls, walk, seed, model=Model):
    """How the server differs from the model on this walk, or None; and the model after it."""
    expected = model(role, tls)
    session = begin(world, role, tls)
    try:
        play(session, expected, walk, random.Random(seed))
        return None, expected
    except Difference as found:
        return str(found), expected
    finally:
        session.finish()


def shorten(walk, still_differs):
    """Removes moves, many at a time and then one by one, while the server still differs from the model."""
    size = len(walk) // 2
    while size > 0:
        for start in range(0, len(walk), size):
            less = walk[:start] + walk[start + size :]
            if less != walk and still_differs(less):
                walk = less
                break
        else:
            size //= 2
    return walk


def as_transcript(role, walk, found, model=Model):
    """The walk as a transcript."""
    model, lines = model(role, tls=True), [f"# {found}", f"role: {role}"]
    for move in walk:
        for sent, replies, _ in model.play(move):
            if sent is not None:
                lines.append("R: " + repr(sent)[2:-1])
            lines += [f"S: {due} ..." for due in replies]
    return "\n".join(lines)


def random_walk(rng, submission=False):
    """A walk that begins with HELO, often with AUTH too, because most commands before them are refused."""
    login = [("starttls", ""), ("helo", "good"), ("auth", "good")] if submission and rng.random() < 0.7 else []
    return [("helo", "good"), *login, *rng.choices(list(MOVES), MOVES.values(), k=rng.randrange(5, LENGTH))]


def subjects(world, address):
    return [m.header("Subject") for m in world.messages(address)]


def clear(world):
    for address in LOCAL:
        if world.mailbox(address).exists():
            world.mailbox(address).write_bytes(b"")


@pytest.fixture
def walked(fresh, certificates):
    """A configuration with TLS, and a high limit of errors."""
    from tls import use

    use(fresh, "ecdsa", certificates=certificates)
    set_password(fresh, "alice@example.org", PASSWORD)
    assert ALICE_IN.endswith(base64.b64encode(b"\0alice\0" + PASSWORD.encode()))
    return fresh.build(max_errors=1000, max_message_size="16K")


def without_tls(world):
    world.conf = {k: v for k, v in world.conf.items() if not k.startswith("tls-")}
    world.build()


PARTS = 8  # two of them in `make check`, all others in check-world
MOST = 5  # MAIL commands per session, in part 0


@pytest.mark.parametrize("part", [0, 1, *(pytest.param(part, marks=pytest.mark.world) for part in range(2, PARTS))])
@pytest.mark.parametrize("kind", WALKS)
def test_walks(walked, kind, part):
    """kind: a role, or `tls`: the role smtp with STARTTLS."""
    role, tls = ("smtp", True) if kind == "tls" else (kind, kind.startswith("submission"))
    if not tls:
        without_tls(walked)
    expected = Model
    if part == 0:
        walked.build(max_messages=MOST)
        expected = functools.partial(Model, most=MOST)
    delivered = 0
    for seed in range(part, WALKS[kind] // (2 if sanitized() else 1), PARTS):
        walk = random_walk(random.Random(f"{kind} {seed}"), submission=role.startswith("submission"))
        found, model = difference(walked, role, tls, walk, seed, expected)
        if found:
            short = shorten(walk, lambda less: difference(walked, role, tls, less, seed, expected)[0])
            found, _ = difference(walked, role, tls, short, seed, expected)
            raise AssertionError(f"seed {seed}:\n" + as_transcript(role, short, found, expected))
        for address in LOCAL:
            due = [number for number, accepted in model.delivered if address in accepted]
            got = subjects(walked, address)
            assert [int(s or 0) for s in got] == due, f"seed {seed}: {address} {walk}"
        delivered += len(model.delivered)
        clear(walked)
    assert delivered


class Wrong(Model):
    """A wrong model: it ignores refused recipients."""

    def no_transaction(self):
        why = super().no_transaction()
        return "503 5.5.1" if why == "554 5.5.1" else why


def test_a_wrong_model_is_found_and_the_walk_is_shortened(walked):
    """This tests the test itself."""

    without_tls(walked)

    def differs(walk):
        return difference(walked, "smtp", False, walk, 0, Wrong)[0]

    for seed in range(200):
        walk = random_walk(random.Random(seed))
        if differs(walk):
            break
    short = shorten(walk, differs)
    assert len(short) == 4 and [move[0] for move in short[:3]] == ["helo", "mail", "rcpt"], short
    shown = as_transcript("smtp", short, differs(short))
    assert shown.startswith("# '554 5.5.1") and "R: RCPT TO:<" in shown
