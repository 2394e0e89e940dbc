"""A delivery that two filters change, to mailboxes, a store and a relay, with every accident of the filters at every step: gone,
hanging, cut at every byte, garbage; the back or their hand killed at every system call, each of its calls fails; the client gone,
a stop, a deadline. milter_model.py says what must hold.

`make check` has a sample of each sweep, always the same one; `make check-world` has all.
"""

import os

import pytest
from basics import make_library
from hop_model import Stages
from milter import CLOSE, CONTINUE, Endless, Wait, connect_unix
from milter_model import CHANGES, FilteredStage
from milter_packet import ACCEPT, PROGRESS, SKIP, add_field, add_rcpt, negotiation, packet, quarantine, replace_body, reply, strings
from processes import wait_until
from sampling import sampled
from test_hop_accidents import (NOT_FAILING, attach, calls_in, client_leaves, is_hung_up, meanwhile, no_leaks, stop, strace)  # fmt: skip

# milter-failure with messages by SMTP, by LMTP, and by PRDR.
EACH = [("smtp", "defer"), ("lmtp", "accept"), ("prdr", "defer"), ("smtp", "accept"), ("lmtp", "defer"), ("prdr", "accept")]
EACH = [pytest.param(each, id="-".join(each), marks=pytest.mark.world if number > 2 else ()) for number, each in enumerate(EACH)]
HOP_STEPS = ["connect", "mail", "rcpt", "data", "text", "dot"]
STEPS = ["negotiate", "connect", "helo", "mail", "rcpt", "data", "field", "eoh", "body", "end"]


@pytest.fixture(params=["defer", "accept"])
def failure(request):
    """milter-failure."""
    return request.param


@pytest.fixture
def make_stages(tmp_path, hops, milters):
    def make(way="smtp", failure="defer"):
        return Stages(tmp_path, hops, way, FilteredStage, milters=milters, failure=failure)

    return make


@pytest.fixture
def stages(make_stages, failure):
    return make_stages(failure=failure)


@pytest.fixture(params=EACH)
def stages_each(make_stages, request):
    return make_stages(*request.param)


@pytest.fixture
def stage(stages):
    """One of them alone."""
    made = stages.free.get()
    made.reset()
    return made


# ---- cut ---------------------------------------------------------------------------------------


def cut(which, where, size):
    def happen(stage):
        setattr(stage.filters[which], where, size)
        return stage.attempt()

    return f"{which} {where} {size}", happen


@pytest.mark.parametrize("most", [pytest.param(6, id="sample"), pytest.param(150, id="more", marks=pytest.mark.world)])
@pytest.mark.parametrize("which", CHANGES)
def test_a_filter_is_cut(stages_each, which, most):
    """After bytes that it sends, and after bytes that it gets."""
    (session,) = stages_each.undisturbed().filters[which].sessions
    accidents = [cut(which, "cut", n) for n in range(session.sent + 1)]
    accidents += [cut(which, "cut_in", n) for n in range(1, len(session.received) + 1)]
    stages_each.sweep(accidents, most)


@pytest.mark.world
@pytest.mark.parametrize("where", ["cut", "cut_in"])
def test_a_filter_is_cut_at_every_byte(make_stages, where):
    stages = make_stages()
    (session,) = stages.undisturbed().filters["second"].sessions
    end = session.sent if where == "cut" else len(session.received)
    stages.sweep([cut("second", where, n) for n in range(end + 1)])


# ---- odd answers -------------------------------------------------------------------------------

ODD = {
    "closed": CLOSE,
    "half a packet": (b"\0\0\0\x01", CLOSE),
    "half a length": (b"\0\0", CLOSE),
    "an empty packet": b"\0\0\0\0",
    "a packet without end": b"\xff\xff\xff\xffc",
    "a packet that is too long": packet("y", b"x" * 70000),
    "a web server": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "no answer of the protocol": packet("X"),
    "a letter of the client": packet("C", strings("x") + b"U"),
    "another negotiation": negotiation(),
    "an answer with more in it": packet("c", b"x"),
    "a reply of a class that it cannot have": reply("250 2.0.0 Ok"),
    "a reply without a code": reply("No"),
    "a change": (add_field("X-Evil", "1"), CONTINUE),
    "a recipient": (add_rcpt("bob@example.org"), CONTINUE),
    "a quarantine": (quarantine("x"), CONTINUE),
    "a body": (replace_body("evil\r\n"), CONTINUE),
}  # fmt: skip
# What is all right at the end of a message, or looks like an answer to the negotiation.
GOOD_HERE = {("end", name) for name in ("a change", "a recipient", "a quarantine", "a body")}
GOOD_HERE |= {("negotiate", "another negotiation")}


def answers(which, step, name):
    def happen(stage):
        stage.filters[which].script[step] = ODD[name]
        attempt = stage.attempt()
        assert which in attempt.unavailable, f"it is not unavailable: {attempt.replies}"
        return attempt

    return f"{which} {step}: {name}", happen


@sampled(4)
@pytest.mark.parametrize("which", CHANGES)
def test_odd_answers_at_every_step(stages_each, which, most):
    accidents = [answers(which, step, name) for step in STEPS for name in ODD if (step, name) not in GOOD_HERE]
    stages_each.sweep(accidents, most)


def ahead(which, step, answer):
    """An answer too many. If it comes when nothing was asked, the filter is unavailable; or else it is the answer to what is
    asked next, and the filter may have let the message pass before it has changed it."""

    def happen(stage):
        stage.filters[which].script[step] = (CONTINUE if step != "negotiate" else negotiation(), answer)
        attempt = stage.attempt()
        attempt.doubtful = {which}
        stage.filters[which].failures.clear()  # that the client goes on after the first answer
        return attempt

    return f"{which} {step}: {answer} ahead", happen


@sampled(4)
def test_answers_ahead(stages_each, most):
    """The filter says what is not yet asked."""
    answers = [CONTINUE, ACCEPT, SKIP, PROGRESS, b"\0\0\0\x01"]
    stages_each.sweep([ahead(which, step, answer) for which in CHANGES for step in STEPS[:-1] for answer in answers], most)


# ---- half a change -----------------------------------------------------------------------------


HALF = add_field("X-Half", "1") + replace_body("half\r\n", size=3) + add_rcpt("bob@example.org")


def dies_in_changes(which, some, *then):
    def happen(stage):
        stage.filters[which].script.update(changes=(some, *then), end=b"")
        attempt = stage.attempt()
        assert which in attempt.unavailable, f"it is not unavailable: {attempt.replies}"
        return attempt

    return f"{which}: {some!r} {then}", happen


@sampled(4)
def test_half_a_change(stages_each, most):
    """A filter that has changed something, and dies, or sends what is no change."""
    accidents = [dies_in_changes(which, HALF[:size], CLOSE) for which in CHANGES for size in range(1, len(HALF) + 1)]
    accidents += [dies_in_changes(which, HALF, packet("X"), CONTINUE) for which in CHANGES]
    stages_each.sweep(accidents, most)


# ---- endless -----------------------------------------------------------------------------------


def gave_up(attempt):
    """With the fast clock of these tests, a busy machine makes others too slow, too."""
    return attempt.unavailable or " hop unavailable " in attempt.log


@pytest.fixture
def fast_clock(tmp_path):
    """The clock runs faster, so that the server gives up soon."""
    return {"LD_PRELOAD": str(make_library(tmp_path, "fast_clock.c")), "ASAN_OPTIONS": "verify_asan_link_order=0"}


ENDLESS = {
    "progress": PROGRESS,
    "a body": replace_body("x" * 60000 + "\r\n"),
    "fields": add_field("X-More", "x" * 1000),
    "recipients": add_rcpt("bob@example.org") * 50,
    "quarantines": quarantine("x" * 100) * 50,
    "bytes": b"\0\0\xff\xff",
}


@pytest.mark.parametrize("what", ENDLESS)
@pytest.mark.parametrize("which", CHANGES)
def test_endless_changes(stage, fast_clock, which, what):
    stage.filters[which].script.update(changes=Endless(ENDLESS[what]))
    attempt = stage.attempt(env=fast_clock)
    assert gave_up(attempt), attempt.log
    stage.check(attempt)


@sampled(2)
def test_endless_progress(stages, fast_clock, most):
    """At every step it ends after a time."""

    def endless(step):
        def happen(stage):
            stage.filters["first"].script[step] = (Endless(PROGRESS),)
            attempt = stage.attempt(env=fast_clock)
            assert gave_up(attempt), attempt.log
            return attempt

        return f"endless progress at {step}", happen

    stages.sweep([endless(step) for step in STEPS], most)


@pytest.mark.parametrize("step", STEPS)
def test_progress(stage, step):
    """It is no answer; that comes later."""
    filter = stage.filters["first"]
    filter.script[step] = (PROGRESS, Wait(0.01), PROGRESS, filter.good(None, step))
    attempt = stage.attempt()
    if step == "negotiate":
        assert "first" in attempt.unavailable
    else:
        assert len(attempt.acknowledged) == len(attempt.replies), attempt.log
    stage.check(attempt)


@sampled(4)
def test_silence_at_every_step(stages, fast_clock, most):
    """A filter that answers no more."""

    def silence(session, argument):
        wait_until(lambda: session.milter.stopping.is_set() or is_hung_up(session.sock), 60)

    def silent(which, step):
        def happen(stage):
            stage.filters[which].script[step] = silence
            attempt = stage.attempt(env=fast_clock)
            assert gave_up(attempt), attempt.log
            return attempt

        return f"{which} is silent at {step}", happen

    stages.sweep([silent(which, step) for which in CHANGES for step in STEPS], most)


# ---- not there ---------------------------------------------------------------------------------


def gone(filter):
    filter.stop()


def refusing(filter):
    """Its socket is still there."""
    path = filter.path
    path.rename(path.with_suffix(".kept"))
    filter.stop()
    path.with_suffix(".kept").rename(path)


def not_a_socket(filter):
    filter.stop()
    filter.path.write_text("")


@pytest.mark.parametrize("how", [gone, refusing, not_a_socket])
@pytest.mark.parametrize("which", CHANGES)
def test_not_there(stage, which, how):
    filter = stage.filters[which]
    how(filter)
    attempt = stage.attempt()
    filter.path.unlink(missing_ok=True)
    filter.start()
    assert which in attempt.unavailable, attempt.log
    stage.check(attempt)


@pytest.mark.parametrize("which", CHANGES)
def test_a_full_backlog(stage, fast_clock, which):
    """Nobody accepts connections, and the queue is full."""
    filter = stage.filters[which]
    filter.stop()
    filter.backlog = 0
    filter.accepting.clear()
    filter.start()
    waiting = [connect_unix(filter.path)]
    attempt = stage.attempt(env=fast_clock)
    for sock in waiting:
        sock.close()
    filter.accepting.set()
    assert gave_up(attempt), attempt.log
    stage.end()
    stage.check(attempt)


# ---- the client, signals, deadlines ------------------------------------------------------------


def filters_leave(stage):
    for filter in stage.filters.values():
        filter.hang_up()


@sampled(4)
@pytest.mark.parametrize("do", [stop, client_leaves, filters_leave])
def test_interrupted_at_every_step(stages_each, do, most):
    accidents = [meanwhile(which, step, turn, do) for which in CHANGES for step in STEPS for turn in (1, 2)]
    accidents += [meanwhile(which, step, turn, do) for which in ("relay", "store") for step in HOP_STEPS for turn in (1, 2)]
    stages_each.sweep(accidents, most)


# ---- between messages --------------------------------------------------------------------------


def test_dies_between_messages(stage):
    """Each MAIL connects anew a filter that has gone."""
    answered = []
    with stage.mix.world.session() as session:
        session.greet()
        for number in range(3):
            answered.append(session.transaction(["alice@example.org"], b"Subject: x\n\n%d\n" % number)[:3])
            for filter in stage.filters.values():
                filter.hang_up()
                wait_until(lambda: all(one.ended for one in filter.sessions))
    assert answered[0] == "250"
    assert {len(filter.sessions) for filter in stage.filters.values()} == {3} and answered == ["250"] * 3, session.log


# ---- killed ------------------------------------------------------------------------------------


def back_calls(stages, tmp_path):
    """The calls of an undisturbed back, from the connection to the first filter on."""
    trace = tmp_path / "trace"
    stages.undisturbed(wrap=strace(trace), env=no_leaks())
    calls = calls_in(trace)
    begin = next(i for i, (_, _, line) in enumerate(calls) if "O_PATH" in line and "/first" in line)
    return calls[begin:]


def traced(stage, *inject):
    return stage.attempt(wrap=strace(stage.mix.world.folder / "trace", *inject), env=no_leaks())


@sampled(4)
def test_back_killed_at_every_call(make_stages, tmp_path, strace_works, most, way="smtp"):
    def killed(name, number, line):
        return f"killed at {name} {number}: {line[:100]}", lambda stage: traced(stage, name, "signal=SIGKILL", number)

    stages = make_stages(way)
    stages.sweep([killed(*call) for call in back_calls(stages, tmp_path)], most)


@pytest.mark.world
@pytest.mark.parametrize("way", ["lmtp", "prdr"])
def test_back_killed(make_stages, tmp_path, strace_works, way):
    test_back_killed_at_every_call(make_stages, tmp_path, strace_works, None, way)


@sampled(4)
def test_calls_of_the_back_fail(stages, tmp_path, strace_works, most):
    """Each call fails once."""

    def failing(error, name, number, line):
        return f"{error} at {name} {number}: {line[:100]}", lambda stage: traced(stage, name, f"error={error}", number)

    calls = [call for call in back_calls(stages, tmp_path) if not NOT_FAILING.match(call[0])]
    stages.sweep([failing(error, *call) for call in calls for error in ("EIO", "ENOSPC", "EINTR")], most)


def with_hand(*inject):
    """The hand is traced from the first filter's negotiation on."""

    def happen(stage):
        filter = stage.filters["first"]

        def negotiate(session, argument):
            attach(stage, session, *inject)
            return filter.good(session, "negotiate")

        filter.script["negotiate"] = negotiate
        return stage.attempt()

    return happen


def hand_calls(stages):
    stage = stages.free.get()
    stage.reset()
    first = with_hand()(stage)
    assert len(first.acknowledged) == len(first.replies), first.replies
    calls = calls_in(stage.mix.world.folder / "trace")
    stages.free.put(stage)
    assert len(calls) > 10, calls
    return calls


@pytest.mark.skipif(os.geteuid() != 0, reason="traces processes that only root can trace")
@sampled(4)
def test_hand_killed_at_every_call(stages, strace_works, most):
    def killed(name, number, line):
        return f"killed at {name} {number}: {line[:100]}", with_hand(name, "signal=SIGKILL", number)

    stages.sweep([killed(*call) for call in hand_calls(stages)], most)


@pytest.mark.skipif(os.geteuid() != 0, reason="traces processes that only root can trace")
@sampled(4)
def test_calls_of_the_hand_fail(stages, strace_works, most):
    def failing(error, name, number, line):
        return f"{error} at {name} {number}: {line[:100]}", with_hand(name, f"error={error}", number)

    calls = [call for call in hand_calls(stages) if not NOT_FAILING.match(call[0])]
    stages.sweep([failing(error, *call) for call in calls for error in ("EIO", "ECONNRESET", "EINTR")], most)


# ---- odd messages ------------------------------------------------------------------------------

TEXTS = [
    b"", b"\n", b"\n\n", b"x\n", b"Subject: x\n", b"Subject: x\n\n", b" x\n\n", b"\tx\nSubject: x\n\ny\n", b"Subject\n\nx\n",
    b"Subject :x\n\ny\n", b"Subject:\n\nx\n", b"Subject:x\n\nx\n", b"Subject:  x\n y\n\t z\n\nx\n", b"Subject: x\n \n y\n\nz\n", b":x\n\ny\n",
    b"From a b\nSubject: x\n\ny\n", b">From a\nSubject: x\n\ny\n", b"Subject: x\nFrom here\n\ny\n", b"Subject: x\nno field\nTo: y\n\nz\n",
    b"Status: RO\nX-UID: 7\nSubject: x\n\ny\n", b"Subject: \xc3\xbc\xff\n\n\xc3\xff\n", b"Subject: a\0b\nX\0Y: 1\n\nx\0y\n", b"Subject: x\n\n.\n..\n.x\n",
    b"X: " + b"y" * 70000 + b"\n\nz\n", b"X:" + b" y\n" * 30000 + b"\nz\n", b"X: y\n" * 20000 + b"\nz\n", b"x" * 200000 + b"\n", b"Subject: x\n\n" + b"\n" * 200000,
    b"Subject: x\n\n" + b"y" * 65535 + b"\n", b"Subject: x\n\n" + b"y" * 65534 + b"\n" + b"z" * 65535 + b"\n",
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(TEXTS)))
def test_a_filter_that_changes_nothing(fresh, milters, number):
    """A mailbox gets what it gets without a filter, but for an empty line before the first line that is no field, if there are
    fields before it."""
    text = TEXTS[number]
    plain = fresh.build()
    replies = [plain.deliver("alice@example.org", text=text)]
    filter = milters("filter")
    replies.append(fresh.build(milter=str(filter.path)).deliver("alice@example.org", text=text))
    assert replies[0][:3] == replies[1][:3], replies
    if replies[0].startswith("250"):
        first, second = fresh.sent("alice@example.org")
        for line in (b"\nFrom here\n", b"\nno field\n"):
            first = first.replace(line, b"\n" + line)
        assert first == second
        assert len(filter.messages) == 1


def test_a_header_that_is_too_large(stage):
    """For filters it must fit into memory."""
    text = (b"X: " + b"y" * 900 + b"\n") * 1300 + b"\nx\n"
    with stage.mix.world.session() as session:
        session.greet()
        reply = session.transaction(["alice@example.org"], text)
    assert reply.startswith("552 5.3.4"), reply
    assert not stage.mix.has()
