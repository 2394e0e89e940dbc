"""A delivery to mailboxes, a store and a relay, with every accident at every step: hops cut at every byte, the back or a hand
killed at every system call, the client gone, a stop, a deadline. hop_model.py says what must hold.

`make check` has a sample of each sweep, always the same one; `make check-world` has all.
"""

import os
import re
import select
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from basics import make_library
from hop import CLOSE
from hop_model import Stages
from processes import children, spawn, wait_until
from sampling import sampled

WAYS = ["smtp", "lmtp", "prdr"]


@pytest.fixture
def stages(tmp_path, hops):
    return Stages(tmp_path, hops)


@pytest.fixture(params=WAYS)
def stages_each(tmp_path, hops, request):
    """For messages by SMTP, by LMTP, and by PRDR."""
    return Stages(tmp_path, hops, request.param)


# ---- hops --------------------------------------------------------------------------------------


def cut(which, where, size):
    def happen(stage):
        setattr(stage.hops[which], where, size)
        return stage.attempt()

    return f"{which} {where} {size}", happen


@sampled(8)
@pytest.mark.parametrize("which", ["relay", "store"])
def test_a_hop_is_cut_at_every_byte(stages_each, which, most):
    """After each byte that it sends, and after each that it gets."""
    (session,) = stages_each.undisturbed().hops[which].sessions
    stages_each.sweep([cut(which, "cut", n) for n in range(session.sent + 1)], most)
    stages_each.sweep([cut(which, "cut_in", n) for n in range(1, len(session.received) + 1)], most)


STEPS = ["connect", "greeting", "hello", "mail", "rcpt", "data", "text", "dot"]
ODD = ["421 4.3.2 Bye", "450 4.0.0 Later", "550 5.0.0 No", "250 a\n250 b", "354 go", "999 x"]
ODD += [(half, CLOSE) for half in (b"25", b"250 ok\n", b"\0\xff\r\n", b"250-a\r\n251 b\r\n")]


def answers(which, step, answer):
    def happen(stage):
        stage.hops[which].script[step] = answer
        return stage.attempt()

    return f"{which} {step}: {answer!r}", happen


@sampled(8)
@pytest.mark.parametrize("which", ["relay", "store"])
def test_odd_answers_at_every_step(stages_each, which, most):
    """Refusals, half replies, two replies, replies ahead of their command."""
    # A hop that refuses while it gets the text does not accept it afterwards. One that accepts it then may have been sent
    # the dot by that time, and is believed.
    at_text = [(answer, CLOSE) if isinstance(answer, str) else answer for answer in ODD]
    at_text = [answer for answer in at_text if answer[0] not in ("250 a\n250 b", b"250 ok\n")]
    stages_each.sweep([answers(which, step, answer) for step in STEPS[1:] for answer in (at_text if step == "text" else ODD)], most)


# ---- the client, signals, deadlines ------------------------------------------------------------


def meanwhile(which, step, turn, do):
    """do(stage) happens when this server has reached the step for the turn-th time, before it answers."""

    def happen(stage):
        server, count = stage.server(which), [0]

        def answer(session, argument):
            count[0] += 1
            if count[0] == turn:
                do(stage)
            return server.good(session, step)

        server.script[step] = answer
        return stage.attempt()

    return f"{do.__name__} at {step} {turn} of the {which}", happen


def stop(stage):
    stage.session.process.send_signal(signal.SIGTERM)


def client_leaves(stage):
    stage.session.sock.shutdown(socket.SHUT_RDWR)


def hop_leaves(stage):
    for hop in stage.hops.values():
        hop.hang_up()


@sampled(8)
@pytest.mark.parametrize("do", [stop, client_leaves, hop_leaves])
def test_interrupted_at_every_step(stages_each, do, most):
    stages_each.sweep([meanwhile(which, step, turn, do) for which in ("relay", "store") for step in STEPS for turn in (1, 2)], most)


@sampled(8)
def test_silence_at_every_step(stages, tmp_path, most):
    """A hop that answers no more. The clock runs faster, so that the server gives up soon."""
    clock = {"LD_PRELOAD": str(make_library(tmp_path, "fast_clock.c")), "ASAN_OPTIONS": "verify_asan_link_order=0"}

    def silence(session, argument):
        wait_until(lambda: session.hop.stopping.is_set() or is_hung_up(session.sock), 60)

    def silent(which, step):
        def happen(stage):
            stage.hops[which].script[step] = silence
            return stage.attempt(env=clock)

        return f"{which} is silent at {step}", happen

    stages.sweep([silent(which, step) for which in ("relay", "store") for step in STEPS], most)


def is_hung_up(sock):
    poll = select.poll()
    poll.register(sock, 0)
    return bool(poll.poll(0))


# ---- killed ------------------------------------------------------------------------------------


def calls_in(trace):
    """[(name, its number among calls of this name, line)] of a file that strace has written."""
    counts, calls = {}, []
    for line in trace.read_text(errors="replace").splitlines():
        found = re.match(r"(\w+)\(", line)
        if found and not found.group(1).startswith("exit"):
            name = found.group(1)
            counts[name] = counts.get(name, 0) + 1
            calls.append((name, counts[name], line))
    return calls


def strace(trace, *inject):
    return ["strace", "-qq", "-o", trace, *(["-e", f"trace={inject[0]}", "-e", f"inject={inject[0]}:{inject[1]}:when={inject[2]}"] if inject else [])]


def no_leaks():
    return {"ASAN_OPTIONS": "detect_leaks=0"}


def back_calls(stages, tmp_path):
    """The calls of an undisturbed back, from the first recipient of a hop on."""
    trace = tmp_path / "trace"
    stages.undisturbed(wrap=strace(trace), env=no_leaks())
    calls = calls_in(trace)
    begin = next(i for i, (_, _, line) in enumerate(calls) if "O_PATH" in line and "/store" in line)
    return calls[begin:]


@sampled(8)
def test_back_killed_at_every_call(stages_each, tmp_path, strace_works, most):
    def killed(name, number, line):
        def happen(stage):
            return stage.attempt(wrap=strace(stage.mix.world.folder / "trace", name, "signal=SIGKILL", number), env=no_leaks())

        return f"killed at {name} {number}: {line[:100]}", happen

    stages_each.sweep([killed(*call) for call in back_calls(stages_each, tmp_path)], most)


@sampled(8)
def test_calls_of_the_back_fail(stages, tmp_path, strace_works, most):
    """Each call fails once."""

    def failing(error, name, number, line):
        def happen(stage):
            return stage.attempt(wrap=strace(stage.mix.world.folder / "trace", name, f"error={error}", number), env=no_leaks())

        return f"{error} at {name} {number}: {line[:100]}", happen

    calls = [call for call in back_calls(stages, tmp_path) if not NOT_FAILING.match(call[0])]
    stages.sweep([failing(error, *call) for call in calls for error in ("EIO", "ENOSPC", "EINTR")], most)


# Calls whose failure is no accident of a system that works.
NOT_FAILING = re.compile(r"rt_sig|get|clock_|brk|mmap|munmap|mprotect|madvise|restart_|set_robust|rseq|wait4|kill|close|p?poll")


def attach(stage, session, *inject):
    """Has strace trace the newest hand, which waits for the greeting."""
    trace = stage.mix.world.folder / "trace"
    hand = children(stage.session.process.pid)[-1]
    command = strace(trace, *inject)
    spawn([*command[:3], command[3], "-p", str(hand), *command[4:]], stderr=subprocess.DEVNULL)
    assert wait_until(lambda: is_traced(hand)), "strace did not attach"


def is_traced(pid):
    """Or has it been killed already?"""
    try:
        return "TracerPid:\t0" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True


def with_hand(which, *inject):
    def happen(stage):
        hop = stage.hops[which]
        hop.script["connect"] = lambda session, argument: attach(stage, session, *inject)
        return stage.attempt()

    return happen


@pytest.mark.skipif(os.geteuid() != 0, reason="traces processes that only root can trace")
@sampled(8)
@pytest.mark.parametrize("which", ["relay", "store"])
def test_hand_killed_at_every_call(stages, strace_works, which, most):
    stage = stages.free.get()
    stage.reset()
    first = with_hand(which)(stage)
    assert first.acknowledged, first.replies
    calls = calls_in(stage.mix.world.folder / "trace")
    stages.free.put(stage)
    assert len(calls) > 10, calls
    accidents = [(f"{which}: killed at {name} {number}: {line[:100]}", with_hand(which, name, "signal=SIGKILL", number)) for name, number, line in calls]
    stages.sweep(accidents, most)
