"""Filters while the client waits: from the connection to RCPT. What they do after the dot is in test_milter_message.py."""

import collections
import re
import signal

import mixture
import pytest
import tls
from client import connect, start_own
from milter_packet import ACCEPT, CONTINUE, DISCARD, PROGRESS, RCPT_REJ, REJECT, SHUTDOWN, TEMPFAIL
from processes import wait_until
from scripted import CLOSE, HANG, Wait
from test_auth import authenticated

ALICE, BOB = "alice@example.org", "bob@example.org"
MAIL, RCPT = "MAIL FROM:<s@client.example>", f"RCPT TO:<{ALICE}>"
LIVE = ["connect", "helo", "mail", "rcpt"]
UNAVAILABLE = "451 4.7.1 A filter is not available, try again later"


def events(log, name):
    """The pairs of each line of this event."""
    lines = mixture.events(log, name)
    return [{key: value.strip('"') for key, value in re.findall(r' ([a-z-]+)=("[^"]*"|\S*)', line)} for line in lines]


def steps(filter):
    """Of all its connections."""
    return [event.step for session in filter.sessions for event in session.events]


def refused_at(session, step):
    """Drives a session up to the reply that tells what a filter says at this step."""
    session.greet()
    answer = session.ask(MAIL)
    return session.ask(RCPT) if step == "rcpt" else answer


# ---- when


def test_nothing_before_mail(filtered):
    """A session that never says MAIL connects to no filter."""
    world = filtered({})
    with world.session() as session:
        session.greet()
        for command in ("NOOP", "RSET", f"VRFY {ALICE}", "RCPT TO:<x@example.org>", "MAIL FROM:<no domain>", "EHLO again.example", "QUIT"):
            session.ask(command)
    assert world.filters[0].sessions == []


def test_a_session_pays_only_for_what_it_uses(fresh, milters, strace_works, tmp_path):
    """Not one more system call without MAIL, or with filters for other roles; so strace counts."""

    def calls(role, *commands):
        trace = tmp_path / "trace"
        wrap = ["strace", "-f", "-qq", "-o", trace]
        with fresh.session(wrap=wrap, args=("-r", role), env={"ASAN_OPTIONS": "detect_leaks=0"}) as session:
            session.greet()
            for command in (*commands, "QUIT"):
                session.ask(command)
        last = re.compile(r'^\d+ +read\(0, +(""|<unfinished).*', re.M)  # whether the front sees its client hang up depends on time
        names = re.findall(r"^\d+ +(\w+)\(", last.sub("", trace.read_text()), re.M)
        polls = {"poll", "ppoll", "read", "restart_syscall"}  # how often depends on time
        return collections.Counter(name for name in names if name not in polls and not name.startswith(("rt_sig", "landlock", "prctl")))

    filter = milters("filter")
    fresh.build(relay=str(tmp_path / "relay"))  # so that connections are not forbidden
    plain, message = calls("mx", "NOOP"), calls("mx", MAIL, RCPT)
    fresh.build(milter=f"{filter.path} mx")
    without_paths = {"openat", "open", "readlink", "lstat", "newfstatat", "close", "fstat"}  # Landlock's rules
    extra = {name: count - plain[name] for name, count in calls("mx", "NOOP").items() if count != plain[name]}
    assert set(extra) <= without_paths, extra
    fresh.build(milter=f"{filter.path} submission")
    assert calls("mx", MAIL, RCPT) == message
    assert filter.sessions == []


def test_connected_at_the_first_mail(filtered):
    world = filtered({}, {})
    with world.session() as session:
        session.greet("EHLO first.example")
        session.ask("HELO second.example")
        assert session.ask(MAIL).startswith("250")
        assert [steps(one) for one in world.filters] == 2 * [["connect", "helo", "mail"]]
        assert [one.sessions[0].helo for one in world.filters] == 2 * ["second.example"]
        assert session.ask(RCPT).startswith("250")
        session.ask("QUIT")
    for one in world.filters:
        assert one.wait_for_end() == ["quit"] and steps(one)[:4] == LIVE


def test_the_order(filtered, milters):
    """Each step goes to one filter after the other."""
    world = filtered({}, {})
    with world.session() as session:
        refused_at(session, "rcpt")
        session.ask("QUIT")
    asked = [(name, step) for name, step, _ in milters.journal if step in LIVE]
    assert asked == [(f"filter{n}", step) for step in LIVE for n in range(2)]


def test_aborted(filtered):
    """By RSET, HELO and the end of the session; a connection serves all transactions."""
    world = filtered({})
    with world.session() as session:
        session.greet()
        for command in ("RSET", "EHLO other.example", "EHLO other.example"):
            session.ask(MAIL)
            session.ask(command)
        session.ask(MAIL)
        session.ask(RCPT)
        session.ask("QUIT")
    (one,) = world.filters
    assert one.wait_for_end() == ["quit"]
    assert steps(one) == ["connect", "helo", "mail", "abort", "mail", "abort", "helo", "mail", "abort", "mail", "rcpt", "abort"]


def test_starttls_ends_the_connection(secured, milters):
    """After it the client is told anew, with TLS and the user."""
    one = milters("filter")
    secured.build(milter=str(one.path))
    with tls.TlsSession(secured) as session:
        session.greet()
        session.ask(MAIL)
        session.starttls(tls.context())
        assert one.wait_for_end(1) == ["quit"]
        session.ask("EHLO client.example")
        session.ask(MAIL)
        session.ask("QUIT")
    assert one.wait_for_end(2) == ["quit", "quit"]
    before, after = (session.events for session in one.sessions)
    assert [event.step for event in after[:3]] == LIVE[:3]
    assert "{tls_version}" not in before[1].macros and after[1].macros["{tls_version}"].startswith("TLS1.")


# ---- what they are told


def test_macros(filtered):
    """Postfix's, at Postfix's steps. By a UNIX socket the client is local."""
    world = filtered({}, hostname="mx.example.org")
    with world.session(args=("-r", "mx")) as session:
        session.greet()
        session.ask("MAIL FROM:<s@client.example> SIZE=100")
        session.ask(RCPT)
        session.ask("QUIT")
    (one,) = world.filters
    (there,) = one.sessions
    told = {event.step: event for event in there.events}
    assert told["connect"].macros == {"j": "mx.example.org", "{daemon_name}": "mx", "v": "mailslot 0.1", "_": "localhost"}
    assert told["mail"].arguments == ["<s@client.example>", "SIZE=100"]
    assert re.fullmatch("[0-9a-z]{16}", told["mail"].macros.pop("i"))
    assert told["mail"].macros == {"{mail_addr}": "s@client.example", "{mail_host}": "client.example", "{mail_mailer}": "smtp"}
    told["rcpt"].macros.pop("i")
    assert told["rcpt"].macros == {"{rcpt_addr}": ALICE, "{rcpt_host}": "example.org", "{rcpt_mailer}": "local"}
    assert (there.host, there.family) == ("localhost", "L")


def test_the_id_is_known_at_mail(filtered):
    world = filtered({})
    with world.session() as session:
        answer = session.send_message([ALICE], b"Subject: x\n\nbody\n")
    assert answer == f"250 2.0.0 Delivered, id {world.filters[0].sessions[0].events[2].macros['i']}"


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_addresses(filtered, address):
    world = filtered({"macros": {"connect": "{client_addr} {client_name} {client_port} _"}})
    server = start_own(world, address=address) if address != "127.0.0.1" else start_own(world)
    line = connect(server.port, address)
    line.greet()
    line.ask(MAIL)
    port = str(line.sock.getsockname()[1])
    line.ask("QUIT")
    line.close()
    (one,) = world.filters
    one.wait_for_end()
    (there,) = one.sessions
    assert (there.host, there.family, str(there.port), there.address) == (f"[{address}]", "6" if ":" in address else "4", port, address)
    prefix = "IPv6:" if ":" in address else ""
    assert there.events[0].macros == {
        "{client_addr}": prefix + address, "{client_name}": "unknown", "{client_port}": port, "_": f"unknown [{address}]"}  # fmt: skip


def test_a_client_whose_address_is_unknown(filtered):
    world = filtered({"macros": {"connect": "{client_addr} _"}})
    with world.session(over="pipe") as session:
        session.greet()
        session.ask(MAIL)
        session.ask("QUIT")
    (there,) = world.filters[0].sessions
    assert (there.host, there.family) == ("unknown", "U")
    assert there.events[0].macros == {"{client_addr}": "unknown", "_": "unknown [unknown]"}


def test_users_are_told(secured, milters):
    one = milters("filter")
    secured.build(milter=str(one.path))
    with authenticated(secured, ALICE) as session:
        assert session.ask(f"MAIL FROM:<{ALICE}> BODY=8BITMIME AUTH=bob+2B1@example.org SIZE=5").startswith("250")
        session.ask("QUIT")
    (there,) = one.sessions
    assert there.transactions[0].sender == [f"<{ALICE}>", "SIZE=5", "BODY=8BITMIME", "AUTH=bob+2B1@example.org"]
    macros = there.events[-1].macros if there.events[-1].step == "mail" else there.transactions[0].events[0].macros
    assert macros["{auth_authen}"] == ALICE and macros["{auth_type}"] == "PLAIN" and macros["{auth_author}"] == "bob+1@example.org"
    told = there.events[1].macros
    assert told["{tls_version}"] == "TLS1.3" and told["{cipher_bits}"] in ("128", "256") and told["{cipher}"].startswith("TLS_")


def test_roles(fresh, milters):
    """Each filter has its roles; without any, all except lmtp."""
    everywhere, mx = milters("everywhere"), milters("mx")
    fresh.build(milter=[str(everywhere.path), f"{mx.path} mx lmtp"])
    for role, hello in (("smtp", "EHLO"), ("mx", "EHLO"), ("lmtp", "LHLO")):
        with fresh.session(args=("-r", role)) as session:
            session.reply()
            session.ask(f"{hello} client.example")
            session.ask(MAIL)
            session.ask("QUIT")
    assert [session.events[0].macros["{daemon_name}"] for session in everywhere.sessions] == ["smtp", "mx"]
    assert [session.events[0].macros["{daemon_name}"] for session in mx.sessions] == ["mx", "lmtp"]


# ---- what they say

OWN = "554 5.7.0 Not you"
REPLIES = [
    (REJECT, "550 5.7.1 Refused by a filter"),
    (TEMPFAIL, "451 4.7.1 Deferred by a filter, try again later"),
    (OWN, OWN),
    ("452 4.3.1 100%% full", "452 4.3.1 100% full"),
    ("550-5.7.1 One\r\n550-5.7.1 two\r\n550 5.7.1 three", "550-5.7.1 One\n550-5.7.1 two\n550 5.7.1 three"),
]


@pytest.mark.parametrize("step", LIVE)
@pytest.mark.parametrize("said, due", REPLIES, ids=["reject", "tempfail", "own", "percent", "lines"])
def test_refused(filtered, step, said, due):
    """Logged with the reply; the filters after it are not asked."""
    world = filtered({}, {step: said}, {})
    with world.session() as session:
        assert refused_at(session, step).replace("\r", "") == due
        session.ask("QUIT")
    first, second, third = world.filters
    first.wait_for_end()
    assert step not in steps(third) and steps(second)[: LIVE.index(step) + 1] == LIVE[: LIVE.index(step) + 1]
    (event,) = events(session.log, "refused by filter")
    assert event["filter"] == str(second.path) and event["sender"] == "s@client.example"
    assert event["step"] == {"helo": "HELO", "mail": "MAIL", "rcpt": "RCPT"}.get(step, step)
    assert event["reply"] == re.sub("-", " ", due)[:9]
    assert event.get("recipient") == (ALICE if step == "rcpt" else None)
    assert world.everything() == {}


@pytest.mark.parametrize("step", LIVE)
@pytest.mark.parametrize("said, due", [(SHUTDOWN, "421 4.7.0 A filter has ended this session, closing"), ("421 4.3.2 Go", "421 4.3.2 Go")],
                         ids=["shutdown", "own"])  # fmt: skip
def test_closing(filtered, step, said, due):
    world = filtered({step: said})
    with world.session() as session:
        assert refused_at(session, step) == due
        assert session.rest() == b""
    (end,) = events(session.log, "end")
    assert end["reason"] == "closed by filter"


@pytest.mark.parametrize("step", ["connect", "helo"])
def test_refused_before_mail_is_refused_at_every_mail(filtered, step):
    """At HELO until another HELO. The filter is not asked again."""
    world = filtered({step: [OWN, CONTINUE]})
    with world.session() as session:
        session.greet()
        assert [session.ask(MAIL) for _ in range(3)] == 3 * [OWN]
        session.ask("EHLO other.example")
        assert session.ask(MAIL) == (OWN if step == "connect" else "250 2.1.0 Sender accepted")
        session.ask("QUIT")
    assert world.filters[0].names.count(step) == (1 if step == "connect" else 2)


def test_a_refused_recipient_does_not_refuse_others(filtered):
    world = filtered({"rcpt": {BOB: OWN}})
    with world.session() as session:
        session.greet()
        session.ask(MAIL)
        assert session.ask(f"RCPT TO:<{BOB}>") == OWN
        assert session.ask(RCPT).startswith("250")
        session.ask("DATA")
        session.send(b"x\r\n.\r\n")
        assert session.reply().startswith("250")
    assert list(world.everything()) and BOB not in "".join(world.everything())


@pytest.mark.parametrize("step", LIVE)
def test_accepted(filtered, step):
    """Of the session at connect and HELO, else of the message: that filter is not asked any more, others are."""
    world = filtered({step: ACCEPT}, {})
    with world.session() as session:
        session.greet()
        for _ in range(2):
            assert session.transaction([ALICE, BOB], b"x\n").startswith("250")
        session.ask("QUIT")
    one, other = world.filters
    assert one.wait_for_end() == ["quit"]
    until = LIVE[: LIVE.index(step) + 1]
    again = until[2:] + ["abort"] if len(until) > 2 else []
    assert steps(one) == until[:2] + 2 * again
    assert len(other.messages) == 2


@pytest.mark.parametrize("step", ["mail", "rcpt"])
def test_discarded(filtered, step):
    """Replies go on as 250, and nobody is asked any more."""
    world = filtered({step: DISCARD}, {})
    with world.session() as session:
        assert session.send_message([ALICE], b"x\n").startswith("250 2.0.0 Delivered")
    assert world.everything() == {}
    (event,) = events(session.log, "discarded")
    assert event["filter"] == str(world.filters[0].path) and event["recipient"] == ALICE
    assert step not in steps(world.filters[1])


def test_progress(filtered):
    """It restarts the clock."""
    world = filtered({"mail": 4 * (Wait(0.75), PROGRESS) + (CONTINUE,)}, milter_timeout="2")
    with world.session() as session:
        assert refused_at(session, "rcpt").startswith("250")
        session.ask("QUIT")


def test_endless_progress(filtered):
    """Until four times milter-timeout."""
    world = filtered({"mail": 20 * (Wait(0.4), PROGRESS)}, milter_timeout="1")
    with world.session() as session:
        assert refused_at(session, "mail") == UNAVAILABLE
        session.ask("QUIT")
    (event,) = events(session.log, "filter unavailable")
    assert event["error"] == "no reply in time"


def test_refused_recipients_are_shown_to_those_who_want_them(filtered):
    """With the reason as macros. What they say of them does not matter."""
    world = filtered({"steps": RCPT_REJ, "rcpt": OWN}, {})
    with world.session() as session:
        session.greet()
        session.ask(MAIL)
        assert session.ask("RCPT TO:<nobody@example.org>") == "550 5.1.1 No such user here"
        assert session.ask("RCPT TO:<x@elsewhere.example>").startswith("550 5.7.1 Relaying denied")
        session.ask("QUIT")
    told = [event for event in world.filters[0].sessions[0].events if event.step == "rcpt"]
    assert [event.arguments[0] for event in told] == ["<nobody@example.org>", "<x@elsewhere.example>"]
    macros = told[0].macros
    macros.pop("i")
    assert macros == {"{rcpt_mailer}": "error", "{rcpt_host}": "5.1.1", "{rcpt_addr}": "No such user here"}
    assert "rcpt" not in steps(world.filters[1])
    assert events(session.log, "refused by filter") == []


def test_hops_are_asked_last(fresh, hops, milters):
    """Directory, filters, hop."""
    hop = hops("hop")
    fresh.aliases.append(f"far@example.org: lmtp:{hop.path}")
    one = milters("filter", rcpt={"far@example.org": [REJECT, CONTINUE]})
    fresh.build(milter=str(one.path))
    with fresh.session() as session:
        session.greet()
        session.ask(MAIL)
        assert session.ask("RCPT TO:<far@example.org>").startswith("550 5.7.1 Refused by a filter")
        assert hop.sessions == []
        assert session.ask("RCPT TO:<far@example.org>").startswith("250")
        assert len(hop.sessions) == 1
        session.ask("QUIT")


# ---- when they fail

FAILURES = {"closes": CLOSE, "garbage": b"\0\0\0\1?", "half a packet": (b"\0\0\0\5c", CLOSE)}


@pytest.mark.parametrize("accepts", [False, True])
@pytest.mark.parametrize("step", ["negotiate", *LIVE])
@pytest.mark.parametrize("how", FAILURES)
def test_broken(filtered, step, how, accepts):
    """With `milter-failure = defer` the transaction is over; with `accept` it goes on without that filter. It is logged once."""
    world = filtered({step: FAILURES[how]}, {}, milter_failure="accept" if accepts else "defer")
    with world.session() as session:
        if step == "rcpt":
            session.greet()
            assert session.ask(MAIL).startswith("250")
            answers = [session.ask(RCPT), session.ask(RCPT)]
        else:
            answers = [refused_at(session, "mail"), session.ask(RCPT)]
        if accepts:
            assert all(answer.startswith("250") for answer in answers)
            session.ask("DATA")
            session.send(b"Subject: x\r\n\r\nbody\r\n.\r\n")
            assert session.reply().startswith("250")
        else:
            assert answers[0] == UNAVAILABLE
            assert answers[1] == (UNAVAILABLE if step == "rcpt" else "503 5.5.1 Send MAIL first")
        session.ask("QUIT")
    (event,) = events(session.log, "filter unavailable")
    assert event["filter"] == str(world.filters[0].path) and event["do"] == ("accept" if accepts else "defer")
    assert (world.everything() != {}) == accepts
    assert len(world.filters[1].messages) == accepts


@pytest.mark.parametrize("accepts", [False, True])
def test_not_there(fresh, tmp_path, milters, accepts):
    other = milters("other")
    gone = tmp_path / "gone"
    fresh.build(milter=[str(gone), str(other.path)], milter_failure="accept" if accepts else "defer")
    with fresh.session() as session:
        assert session.send_message([ALICE], b"x\n").startswith("250" if accepts else "451 4.7.1")
    (event,) = events(session.log, "filter unavailable")
    assert (event["filter"], event["step"], event["error"]) == (str(gone), "socket", "No such file or directory")
    assert len(other.messages) == accepts


@pytest.mark.parametrize("accepts", [False, True])
def test_too_slow(filtered, accepts):
    """It is not asked again in this session, and nobody waits for it again."""
    world = filtered({"mail": HANG}, {}, milter_timeout="1", milter_failure="accept" if accepts else "defer")
    with world.session() as session:
        session.greet()
        answers = []
        for _ in range(3):
            answers.append(session.ask(MAIL))
            session.ask("RSET")
        session.ask("QUIT")
    assert answers == 3 * ["250 2.1.0 Sender accepted" if accepts else UNAVAILABLE]
    one, other = world.filters
    assert one.names.count("mail") == 1 and len(one.sessions) == 1
    assert steps(other).count("mail") == (3 if accepts else 0)
    (event,) = events(session.log, "filter unavailable")
    assert (event["step"], event["error"]) == ("MAIL", "no reply in time")


def test_connected_anew_after_a_failure(filtered):
    """At the next MAIL, with all that it must know."""
    world = filtered({"rcpt": [CLOSE, CONTINUE]}, {})
    with world.session() as session:
        session.greet()
        session.ask(MAIL)
        assert session.ask(RCPT) == UNAVAILABLE
        session.ask("RSET")
        assert session.ask(MAIL).startswith("250") and session.ask(RCPT).startswith("250")
        session.ask("QUIT")
    for one in world.filters:
        one.wait_for_end(2)
        assert [event.step for event in one.sessions[1].events][:4] == LIVE


def test_connected_anew_when_it_was_restarted(filtered):
    """A connection that is closed between two transactions is no failure."""
    world = filtered({"abort": CLOSE})
    with world.session() as session:
        session.greet()
        for _ in range(3):
            assert session.ask(MAIL).startswith("250")
            assert session.ask(RCPT).startswith("250")
            session.ask("RSET")
            assert wait_until(lambda: world.filters[0].sessions[-1].ended)
        session.ask("QUIT")
    assert len(world.filters[0].sessions) == 3
    assert events(session.log, "filter unavailable") == []


@pytest.mark.parametrize("way", ["gone", "stopped"])
def test_the_client_waits_no_longer(filtered, way):
    """Nobody waits for a filter whose answer nobody wants."""
    world = filtered({"rcpt": HANG})
    with world.session() as session:
        session.any_end = True
        session.greet()
        session.ask(MAIL)
        session.send(f"{RCPT}\r\n".encode())
        world.filters[0].wait_for("rcpt")
        if way == "gone":
            session.close()
        else:
            session.process.send_signal(signal.SIGTERM)
            assert session.reply() == "421 4.3.2 Server is shutting down, closing"
        session.process.wait(20)
    assert events(session.log, "filter unavailable") == []


def test_many_refusals_end_the_session(filtered):
    """They count as errors, as all 5xx do."""
    world = filtered({"rcpt": OWN}, max_errors=3)
    with world.session() as session:
        session.greet()
        session.ask(MAIL)
        assert [session.ask(RCPT) for _ in range(4)][2:] == [OWN, "421 4.7.0 Too many errors, closing"]
    assert "breach" not in session.log


def test_wait_is_not_counted_as_the_clients(filtered):
    """A slow filter does not make a session overstay."""
    world = filtered({"mail": (Wait(1), CONTINUE)})
    with world.session() as session:
        assert session.send_message([ALICE], b"x\n").startswith("250")
    assert "breach" not in session.log

