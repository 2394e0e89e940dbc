"""The hand of filters: its confinement, and filters that are cut at every byte or send garbage."""

import re
from pathlib import Path

import pytest
from basics import BUILD, sanitized, skip_because
from hop import CLOSE
from milter_packet import add_field, replace_body
from mixture import events
from processes import children
from test_confinement import descriptors, status
from test_hand import begin, hand_of, send_text

ALICE = "alice@example.org"


# ---- the confinement


def in_every_phase(session):
    """Yields whenever the hand waits: after MAIL, after a recipient, after a message."""
    begin(session)
    yield "sender"
    assert session.ask(f"RCPT TO:<{ALICE}>").startswith("250 ")
    yield "recipient"
    assert send_text(session).startswith("250 ")
    yield "delivered"


def test_filters_hand_is_confined(filtered):
    """It has the wall and a socket for each filter, no rights and little room; one thread; the same process in all phases."""
    pids, sockets = set(), [2, 3, 4]
    with filtered({}, {}).session() as session:
        for phase in in_every_phase(session):
            hand = hand_of(session)
            pids.add(hand)
            rows = status(hand)
            assert rows["Seccomp"].strip() == "2" and rows["NoNewPrivs"].strip() == "1" and rows["Threads"].strip() == "1", phase
            assert int(rows["Seccomp_filters"]) == int(status(session.process.pid)["Seccomp_filters"]) + 1, phase
            found = descriptors(hand)
            assert sorted(found)[:3] == sockets and (len(found) == 3 or sanitized()), f"{phase}: {found}"
            assert len({found[n] for n in sockets}) == 3 and all(found[n].startswith("socket:") for n in sockets), found
            limits = Path(f"/proc/{hand}/limits").read_text()
            for name, most in ("Max open files", 5), ("Max processes", 0), ("Max core file size", 0):
                soft, hard = re.search(rf"{name}\s+(\S+)\s+(\S+)", limits).groups()
                assert soft == hard and int(soft) <= most, f"{name}: {soft} {hard}"
    assert len(pids) == 1


def test_no_hand_before_mail(filtered):
    """A session pays only for what it uses."""
    world = filtered({})
    with world.session() as session:
        session.greet()
        assert session.ask("NOOP").startswith("250 ")
        assert len(children(session.process.pid)) == 1
    assert not world.filters[0].sessions


@pytest.mark.parametrize("hook", ["open", "socket", "execve", "ptrace", "kill", "fork", "readv", "exec-memory", "map-exec",
    "map-shared", "map-stack", "send-fast-open", "send-elsewhere", "connect"])  # fmt: skip
def test_hook(filtered, hook):
    """As in test_confinement.py, for this hand: it is killed, that is logged, and the sender is deferred."""
    if not (BUILD / "mailslot-smtpd-hook").exists():
        skip_because("mailslot-smtpd-hook is not built")
    if hook in ("exec-memory", "map-exec", "map-shared", "map-stack") and sanitized():
        skip_because("the sanitizers' run-time may map and protect memory")
    world = filtered({})
    with world.session(hook=True, env={"MAILSLOT_TEST_HOOK_FILTERS": hook}) as session:
        session.greet()
        assert session.ask("MAIL FROM:<s@client.example>").startswith("451 4.7.1")
    assert re.search(r" hand-killed .*\bsignal=31\b", session.log), session.log
    assert not world.filters[0].messages


# ---- filters that are cut, or send garbage


def send(world):
    """A message: the replies up to the first that refuses, or to the text, and the log."""
    with world.session() as session:
        session.greet()
        replies = []
        for command in ("MAIL FROM:<s@client.example>", f"RCPT TO:<{ALICE}>", "DATA"):
            replies.append(session.ask(command))
            if not replies[-1].startswith(("250 ", "354 ")):
                return replies, session.log
        session.send(b"Subject: x\r\n\r\nhello\r\n.\r\n")
        replies.append(session.reply())
    return replies, session.log


@pytest.mark.parametrize("garbage", [
    b"\0\0\0\0", b"\0\0\0\x01?", b"\0\0\0\x02cx", b"\xff\xff\xff\xffc", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"220 mx ESMTP\r\n",
    b"\0\0\0\x04y999", b"\0\0\0\x01c\0\0\0\x01c", b"\0\0\0\x09hX-A\0b\0cc", CLOSE,
])  # fmt: skip
@pytest.mark.parametrize("step", ["negotiate", "helo", "rcpt", "field", "end"])
def test_garbage(filtered, step, garbage):
    """That filter has failed, at whatever step: nothing is delivered, and there is one event."""
    world = filtered({step: garbage}, {})
    replies, log = send(world)
    assert replies[-1].startswith("451 4.7.1"), replies
    assert not world.messages(ALICE)
    assert len(events(log, "filter unavailable")) == 1 and "killed" not in log, log


@pytest.mark.parametrize("step", ["negotiate", "helo", "mail", "rcpt", "field", "body", "end"])
def test_garbage_is_passed_over(filtered, step):
    """milter-failure = accept: the other filters see the message, and change it."""
    world = filtered({step: b"\0\0\0\x01?"}, {"changes": add_field("X-Seen", "yes")}, milter_failure="accept")
    replies, log = send(world)
    assert replies[-1].startswith("250 "), replies
    (text,) = world.sent(ALICE)
    assert text == b"Subject: x\nX-Seen: yes\n\nhello\n"
    assert len(events(log, "filter unavailable")) == 1


def test_filter_cut_at_every_byte(filtered):
    """Each of its sessions is cut after so many bytes. Whatever it has said before that, the message is changed as a whole
    and delivered, or deferred."""
    world = filtered({"changes": add_field("X-One", "1") + replace_body("new\n") + add_field("X-Two", "2")})
    size, delivered = 0, 0
    while not delivered:
        world.filters[0].cut = size
        replies, log = send(world)
        delivered = len(world.messages(ALICE))
        assert replies[-1].startswith("250 " if delivered else "451 4.7.1"), (size, replies)
        assert delivered or len(events(log, "filter unavailable")) == 1, (size, log)
        size += 1
        assert size < 500
    assert world.sent(ALICE) == [b"Subject: x\nX-One: 1\nX-Two: 2\n\nnew\n"]
    assert size > 80
