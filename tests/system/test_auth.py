"""AUTH: when it is offered, the reply to each mistake, the limits against guessing, and that users cannot be enumerated."""

import concurrent.futures
import fcntl
import os
import re
import struct
import time
from pathlib import Path

import pytest
from basics import HOSTNAME, skip_because
from client import connect, start_own
from seal import xxh64
from tls import PASSWORD, TlsSession, b64, context, offered, plain, run_user, session_in_tls, set_password

TEXT = b"Subject: t\n\nx\n"
EHLO = "EHLO client.example"
ALICE = "alice@example.org"
ROLES = ["smtp", "mx", "submission", "submissions"]


def authenticated(world, user=ALICE, role="submission", **more):
    session = session_in_tls(world, role, **more)
    reply = session.ask(plain(user))
    assert reply.startswith("235 2.7.0 "), reply
    return session


# ---- when it is offered ------------------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES)
def test_offered_under_tls_alone(secured, role):
    if role != "submissions":
        with secured.session(args=("-r", role)) as session:
            session.reply()
            assert "AUTH" not in offered(session.ask(EHLO))
            due = "502 5.5.1 " if role == "mx" else "538 5.7.11 "
            for command in ("AUTH PLAIN", plain(ALICE), "AUTH LOGIN", "AUTH NONSENSE", "AUTH"):
                assert session.ask(command).startswith(due), command
            assert session.ask("NOOP").startswith("250")
    with session_in_tls(secured, role) as session:
        assert ("AUTH" in session.offered) is (role != "mx")
        if role == "mx":
            assert session.ask(plain(ALICE)).startswith("502 5.5.1 ")
        else:
            assert {"PLAIN", "LOGIN"} <= set(session.offered["AUTH"])
            assert session.ask(plain(ALICE)).startswith("235 2.7.0 ")


@pytest.mark.parametrize("role", ROLES[:3])
def test_without_tls_where_that_is_allowed(secured, role):
    """auth-without-tls = yes; never in the role mx. SCRAM's PLUS requires TLS."""
    secured.build(auth_without_tls="yes")
    with secured.session(args=("-r", role)) as session:
        session.reply()
        found = offered(session.ask(EHLO))
        assert ("AUTH" in found) is (role != "mx")
        if role != "mx":
            assert {"PLAIN", "LOGIN"} <= set(found["AUTH"]) and "SCRAM-SHA-256-PLUS" not in found["AUTH"]
            assert session.ask(plain(ALICE)).startswith("235 ")
            assert session.transaction([ALICE], TEXT, ALICE).startswith("250 ")
    if role != "mx":
        assert f"by {HOSTNAME} with ESMTPA id" in secured.messages("alice")[0].header("Received")


def test_switched_off(secured):
    secured.build(auth="no")
    with session_in_tls(secured, "smtp") as session:
        assert "AUTH" not in session.offered
        assert session.ask(plain(ALICE)).startswith("502 5.5.1 ")
    with session_in_tls(secured, "submission") as session:
        assert session.ask(f"MAIL FROM:<{ALICE}>").startswith("530 5.7.0 ")


def test_not_offered_without_a_certificate(world):
    """Without TLS, no passwords are accepted."""
    with world.session() as session:
        session.reply()
        assert "AUTH" not in offered(session.ask(EHLO))
        assert session.ask(plain(ALICE)).startswith("502 5.5.1 ")


@pytest.mark.parametrize("role", ["submission", "submissions"])
def test_demanded_for_submission(secured, role):
    """530 5.7.0 before TLS and before AUTH; the replies do not show which addresses exist."""
    if role == "submission":
        with secured.session(args=("-r", role)) as session:
            session.greet()
            for command in (f"MAIL FROM:<{ALICE}>", "VRFY bob", "MAIL FROM:<>", "VRFY nobody"):
                assert session.ask(command).startswith("530 5.7.0 "), command
    with session_in_tls(secured, role) as session:
        for command in (f"MAIL FROM:<{ALICE}>", "VRFY bob", "MAIL FROM:<>", "VRFY nobody"):
            assert session.ask(command).startswith("530 5.7.0 Auth"), command
        assert session.ask("RCPT TO:<bob@example.org>").startswith("503 5.5.1 ")
        assert session.ask(plain(ALICE)).startswith("235 ")
        assert session.ask("VRFY bob@example.org").startswith("250 2.1.5 ")
        assert session.ask("RSET").startswith("250 ")  # RSET does not log the user out
        assert session.ask(f"MAIL FROM:<{ALICE}>").startswith("250 ")
        session.ask(EHLO)
        assert session.transaction([ALICE], TEXT, ALICE).startswith("250 ")


# ---- the exchange ------------------------------------------------------------------------------


def test_initial_response_or_challenge(secured):
    whole = plain(ALICE).split(" ")[2]
    dialogues = [
        [(plain(ALICE), "235 2.7.0 ")],
        [("auth plain " + whole, "235 2.7.0 ")],
        [("AUTH PLAIN", "334 "), (whole, "235 2.7.0 ")],
        [("AUTH LOGIN", "334 VXNlcm5hbWU6"), (b64(ALICE), "334 UGFzc3dvcmQ6"), (b64(PASSWORD), "235 2.7.0 ")],
        [("AUTH LOGIN " + b64(ALICE), "334 UGFzc3dvcmQ6"), (b64(PASSWORD), "235 2.7.0 ")],
        [("AUTH Login", "334 VXNlcm5hbWU6"), (b64("ALICE@Example.ORG"), "334 "), (b64(PASSWORD), "235 2.7.0 ")],
        [(plain("alice"), "235 ")],  # the first domain is meant
        [(plain(ALICE, identity="Alice@example.org"), "235 ")],
        [(plain(ALICE, identity="bob@example.org"), "535 5.7.8 ")],
        [(plain(ALICE, identity="nobody"), "535 5.7.8 ")],
    ]
    for dialogue in dialogues:
        with session_in_tls(secured) as session:
            for said, due in dialogue:
                reply = session.ask(said)
                assert reply.startswith(due), f"{dialogue}: {reply}"


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_cancelled(secured, mechanism):
    with session_in_tls(secured) as session:
        assert session.ask("AUTH " + mechanism).startswith("334 ")
        assert session.ask("*").startswith("501 5.7.0 ")
        if mechanism == "LOGIN":
            session.ask("AUTH LOGIN " + b64(ALICE))
            assert session.ask("*").startswith("501 5.7.0 ")
        assert session.ask("NOOP").startswith("250 ")
        assert session.ask(plain(ALICE)).startswith("235 ")


def test_empty_initial_response(secured):
    """`=` is an empty initial response, which PLAIN and LOGIN refuse; the server sends no challenge."""
    with session_in_tls(secured) as session:
        for mechanism in ("PLAIN", "LOGIN"):
            assert session.ask(f"AUTH {mechanism} =").startswith("501 5.5.2 ")
        assert session.ask(plain(ALICE)).startswith("235 ")


def test_commands_are_not_run_during_an_exchange(secured):
    """During an exchange each line is a response."""
    with session_in_tls(secured) as session:
        assert session.ask("AUTH PLAIN").startswith("334 ")
        assert session.ask("QUIT").startswith("535 ") or session.ask("NOOP").startswith("250 ")
        session.ask("AUTH LOGIN")
        session.send(b"RSET\r\nNOOP\r\n")
        assert session.reply().startswith("334 ")  # the name "\x45\x24\x44"
        assert session.reply()[:3] in ("535", "501")


GOOD = plain(ALICE).split(" ")[2]
BAD_BASE64 = {
    "wrong length": GOOD[:-1],
    "one character": "A",
    "padding missing": b64("\0a\0b").rstrip("="),
    "too much padding": GOOD + "====",
    "padding alone": "====",
    "three of padding": "A===",
    "padding inside": "AA==" + GOOD,
    "padding within a group": "A=AA",
    "blank inside": GOOD[:4] + " " + GOOD[4:],
    "tab": GOOD[:4] + "\t" + GOOD[4:],
    "bits behind the end": "AGFsaWNlAHB=",
    "bits behind the end, two": "AB==",
    "for URLs": "AGE_YgBj",
    "for URLs, too": "AGE-YgBj",
    "no letter": "AGE!YgBj",
    "not ASCII": b"AGE\xc3YgBj",
    "star inside": "AG*h",
    "two stars": "**",
}


@pytest.mark.parametrize("what", BAD_BASE64)
@pytest.mark.parametrize("where", ["initial", "response", "password"])
def test_auth_decoding(secured, what, where):
    """Exim's CVE-2018-6789 was base64 of an invalid length. 501 5.5.2, and the session goes on."""
    bad = BAD_BASE64[what]
    bad = bad if isinstance(bad, bytes) else bad.encode()
    with session_in_tls(secured) as session:
        if where == "initial":
            reply = session.ask(b"AUTH PLAIN " + bad)
        else:
            assert session.ask("AUTH PLAIN" if where == "response" else "AUTH LOGIN " + b64(ALICE)).startswith("334 ")
            reply = session.ask(bad)
        assert reply.startswith("501 5.5.2 "), reply
        assert session.ask("NOOP").startswith("250 ")
        assert session.ask(plain(ALICE)).startswith("235 ")


@pytest.mark.parametrize("line", ["AUTH  PLAIN {}", "AUTH PLAIN   {}", "AUTH PLAIN {} ", "AUTH   plain  {}  "])
def test_blanks_around_plain(secured, line):
    """Windows Mail and others send more than one blank, or one at the end; Postfix and Exim skip them."""
    with session_in_tls(secured) as session:
        assert session.ask(line.format(GOOD)).startswith("235 2.7.0 ")


def test_blanks_around_responses(secured):
    """Also after a mechanism alone, and in responses to challenges; a blank inside a response is still an error."""
    for first, *responses in (
        ("AUTH PLAIN  ", f" {GOOD} "),
        ("AUTH  LOGIN ", b64(ALICE) + " ", b64(PASSWORD) + "  "),
        (f"AUTH  LOGIN   {b64(ALICE)} ", "  " + b64(PASSWORD)),
    ):
        with session_in_tls(secured) as session:
            for line in (first, *responses[:-1]):
                assert session.ask(line).startswith("334 "), line
            assert session.ask(responses[-1]).startswith("235 2.7.0 ")
    with session_in_tls(secured) as session:
        assert session.ask("AUTH LOGIN ").startswith("334 ")
        assert session.ask("* ").startswith("501 5.7.0 ")
        assert session.ask(f"AUTH PLAIN {GOOD[:4]}  {GOOD[4:]}").startswith("501 5.5.2 ")


def test_nul_and_bare_newlines_in_a_response(secured):
    for bad in (GOOD[:4].encode() + b"\0" + GOOD[4:].encode(), GOOD[:8].encode() + b"\n", b"\r" + GOOD.encode()):
        with session_in_tls(secured) as session:
            assert session.ask("AUTH PLAIN").startswith("334 ")
            assert session.ask(bad).startswith("50")
            assert session.ask("NOOP").startswith("250 ")
            assert session.ask(plain(ALICE)).startswith("235 ")


MALFORMED = [b"", b"\0", b"\0\0", b"a", b"a\0b", b"\0a\0", b"\0\0secret", b"\0a\0b\0c", b"\0" * 9]


@pytest.mark.parametrize("said", MALFORMED, ids=repr)
def test_malformed_plain(secured, said):
    """Valid base64, but not a message of PLAIN: the login fails, and nothing breaks."""
    with session_in_tls(secured) as session:
        assert session.ask("AUTH PLAIN").startswith("334 ")
        assert session.ask(b64(said)).startswith("501 5.5.2 ")
        assert session.ask(plain(ALICE)).startswith("235 ")


@pytest.mark.parametrize("size", [3 * 1024, 9 * 1024, 9 * 1024 + 3, 9 * 1024 + 300, 3 << 20])
def test_length_of_responses(secured, size):
    """12,288 characters are accepted (RFC 4954 section 4); a longer line is read to its end and answered 500 5.5.6."""
    for mechanism, start in (("PLAIN", b"\0a\0"), ("LOGIN", b"")):
        with session_in_tls(secured) as session:
            assert session.ask("AUTH " + mechanism).startswith("334 ")
            reply = session.ask(b64(start + b"x" * (size - len(start))))
            assert len(b64(b"x" * size)) == size // 3 * 4
            assert reply[:9] in (("535 5.7.8", "501 5.5.2", "334 UGFzc") if size <= 9 * 1024 else ("500 5.5.6",)), reply
            if reply[0] == "3":
                session.ask("*")
            assert session.ask("NOOP").startswith("250 ")
            assert session.ask(plain(ALICE)).startswith("235 ")


def test_sequence(secured):
    """503 5.5.1 if repeated, in a transaction, or before EHLO; 504 5.5.4 for an unknown mechanism."""
    with TlsSession(secured, args=("-r", "smtp")) as session:
        session.greet()
        session.starttls(context(secured.certificates))
        assert session.ask(plain(ALICE)).startswith("503 5.5.1 ")
        session.ask("HELO client.example")
        assert session.ask(plain(ALICE)).startswith("503 5.5.1 ")
        session.ask(EHLO)
        for name in ("CRAM-MD5", "NTLM", "GSSAPI", "ANONYMOUS", "PLAINS", "PLAI", "EXTERNAL", "SCRAM-SHA-1"):
            assert session.ask(f"AUTH {name}").startswith("504 5.5.4 "), name
        assert session.ask("AUTH").startswith("501 5.5.4 ")
        session.ask("MAIL FROM:<s@client.example>")
        assert session.ask(plain(ALICE)).startswith("503 5.5.1 ")
        assert session.ask("RSET").startswith("250 ")
        assert session.ask(plain(ALICE)).startswith("235 ")
        assert session.ask(plain(ALICE)).startswith("503 5.5.1 ")
        assert session.ask(plain(ALICE, "wrong")).startswith("503 5.5.1 ")


# ---- turns -------------------------------------------------------------------------------------

TURNS = min(max(len(os.sched_getaffinity(0)), 2), 8)
TURN_MAX = 8


class Turns:
    """Locks these bytes of the file, as other sessions do while they check passwords."""

    def __init__(self, world, start, count):
        path = world.root / ".turns"
        path.touch(mode=0o600)
        self.file = open(path, "r+")
        for at in range(start, start + count):
            lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, at, 1, 0)
            fcntl.fcntl(self.file, fcntl.F_OFD_SETLK, lock)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()


def turns_of(source):
    """Where the bytes of a source begin."""
    return ((xxh64(source.encode()) >> 8) + 1) * TURN_MAX


def test_turns_for_checks_of_passwords(secured):
    """The number of password checks at one time on the host is limited: the next one is deferred, with the same reply
    for every user. SCRAM costs the server nothing and takes no turn."""
    secured.build(lock_timeout="1s", auth_without_tls="yes")
    with Turns(secured, 0, TURNS - 1):
        authenticated(secured).close()
    with Turns(secured, 0, TURNS) as others:
        with session_in_tls(secured) as session:
            for who, password in ((ALICE, PASSWORD), (ALICE, "wrong"), ("nobody@example.org", "x")):
                assert session.ask(plain(who, password)).startswith("454 4.7.0 ")
            assert session.log.count(' auth-unavailable peer=local what="too many passwords are being checked" ') == 3
            assert " auth failed " not in session.log
            others.file.close()
            assert session.ask(plain(ALICE)).startswith("235 ")
    assert (secured.root / ".turns").stat().st_size == 0


def test_a_turn_comes_while_one_waits(secured):
    secured.build(lock_timeout="60s")
    with Turns(secured, 0, TURNS) as others, session_in_tls(secured) as session:
        session.send(plain(ALICE).encode() + b"\r\n")
        with pytest.raises(TimeoutError):
            session.reply(0.5)
        others.file.close()
        assert session.reply().startswith("235 ")


def test_turns_end_with_their_process(secured):
    """A session that is killed while it has a turn, or waits for one, leaves none locked."""
    secured.build(lock_timeout="60s")
    for _ in range(TURNS + 1):
        with Turns(secured, 0, TURNS):
            session = session_in_tls(secured)
            session.any_end = True
            session.send(plain(ALICE).encode() + b"\r\n")
            with pytest.raises(TimeoutError):
                session.reply(0.1)
            session.process.kill()
            session.close()
    authenticated(secured).close()


def test_one_source_leaves_turns_for_others(secured):
    secured.build(lock_timeout="1s", auth_without_tls="yes")
    server = start_own(secured)
    with Turns(secured, turns_of("127.0.0.2"), TURNS // 2):
        for source, due in (("127.0.0.2", "454 "), ("127.0.0.3", "235 ")):
            line = connect(server.port, source=source)
            line.greet()
            assert line.ask(plain(ALICE)).startswith(due), source
            line.close()


@pytest.mark.parametrize("what", ["folder", "link", "of anybody", "no mail-root"])
def test_turns_that_cannot_be_counted(secured, what, tmp_path):
    """A file that others could lock is replaced. If no file can be made, the password is checked anyway, and the log
    reports it."""
    path = secured.root / ".turns"
    if what == "no mail-root":
        (tmp_path / "file").touch()
        secured.build(mail_root=tmp_path / "file" / "below")
    elif what == "folder":
        path.mkdir()
    elif what == "link":
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path.touch()
        path.chmod(0o666)
    with authenticated(secured) as session:
        pass
    unlimited = what in ("folder", "no mail-root")
    assert (" auth-unlimited peer=local path=" in session.log) == unlimited
    assert unlimited or (path.stat().st_mode & 0o777 == 0o600 and not path.is_symlink())
    assert not (tmp_path / "elsewhere").exists()


# ---- guessing ----------------------------------------------------------------------------------


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_password_guessing(secured, mechanism):
    """The third failure closes the connection. Each reply is delayed longer than the last, and each failure logs the
    line that fail2ban looks for."""
    with session_in_tls(secured) as session:
        replies, gaps = [], []
        for guess in ("guess", "another", PASSWORD + " "):
            if mechanism == "LOGIN":
                session.ask("AUTH LOGIN " + b64(ALICE))
            start = time.monotonic()
            replies.append(session.ask(plain(ALICE, guess) if mechanism == "PLAIN" else b64(guess)))
            gaps.append(time.monotonic() - start)
        assert [reply[:10] for reply in replies] == ["535 5.7.8 "] * 3
        assert session.rest() == b"" and session.notified
    assert gaps[0] < gaps[1] < gaps[2] and gaps[2] > gaps[0] * 1.5, gaps
    lines = re.findall(r"auth failed.*(?= session=)", session.log)
    assert lines == [f"auth failed peer=local user={ALICE} mechanism={mechanism}"] * 3
    assert "another" not in session.log and 'reason="authentication failed"' in session.log


def test_password_guessing_is_counted_over_starttls(secured):
    """A success in between, or STARTTLS, does not allow more guesses."""
    secured.build(auth_without_tls="yes")
    with TlsSession(secured, args=("-r", "submission")) as session:
        session.greet()
        assert session.ask(plain(ALICE, "wrong")).startswith("535 ")
        assert session.ask(plain(ALICE, "wrong")).startswith("535 ")
        session.starttls(context(secured.certificates))
        session.ask(EHLO)
        assert session.ask(plain(ALICE, "wrong")).startswith("535 ")
        assert session.rest() == b""
    assert session.log.count("auth failed") == 3


def test_name_in_the_log_is_one_word_or_quoted(secured):
    """A client cannot forge lines in the log, or fields of this line."""
    names = ["a\nauth failed peer=192.0.2.1", 'a" user="b', "a user=b", "\x1b[2J", "j\xf6rg"]
    for name in names:
        with session_in_tls(secured) as session:
            assert session.ask(plain(name, "x")).startswith("535 ")
        (line,) = re.findall(r"^.*auth failed.*$", session.log, re.M)
        assert re.search(r': auth failed peer=local user="([^"\\]|\\.)*" mechanism=PLAIN session=\w+ session-ms=\d+$', line), line
        assert session.log.count("\n") == len(re.findall(r"^mailslot\[", session.log, re.M))


def kinds_of_users(world):
    """Names that cannot log in with any password."""
    set_password(world, "closed@example.org")
    set_password(world, "bob@example.org")
    run_user(world, "lock", "bob@example.org")
    world.aliases.append("sales@example.org: alice@example.org")
    world.build()
    return {
        "wrong password": (ALICE, "a wrong password"),
        "no such user": ("nobody@example.org", PASSWORD),
        "foreign domain": ("nobody@elsewhere.example", PASSWORD),
        "no credentials": ("carol@example.net", PASSWORD),
        "disabled": ("closed@example.org", PASSWORD),
        "locked": ("bob@example.org", PASSWORD),
        "alias": ("sales@example.org", PASSWORD),
        "no address": ("no address at all", PASSWORD),
    }


def cpu_of(pid):
    """The CPU time of a process in nanoseconds."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
    except (OSError, ValueError):
        return skip_because("no /proc/PID/schedstat here")


def cost_of(world, name, password, mechanism="PLAIN"):
    """The CPU time that the back spends on a refusal, and the reply."""
    with session_in_tls(world) as session:
        back = session.process.pid
        if mechanism == "LOGIN":
            session.ask("AUTH LOGIN " + b64(name))
        before = cpu_of(back)
        reply = session.ask(plain(name, password) if mechanism == "PLAIN" else b64(password))
        return cpu_of(back) - before, reply


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_user_enumeration(secured, mechanism):
    """Every failed login has the same reply and costs the same work. We measure CPU time, and take the least of some
    rounds, because other load can only increase it."""
    kinds = kinds_of_users(secured)
    with concurrent.futures.ThreadPoolExecutor(len(kinds)) as pool:
        rounds = [list(pool.map(lambda kind: cost_of(secured, *kinds[kind], mechanism), kinds)) for _ in range(5)]
    costs = {kind: min(row[i][0] for row in rounds) for i, kind in enumerate(kinds)}
    replies = {reply for row in rounds for _, reply in row}
    assert len(replies) == 1 and replies.pop().startswith("535 5.7.8 ")
    least, most = min(costs.values()), max(costs.values())
    assert least > 1_000_000, f"no hash was computed: {costs}"
    assert most < 2 * least, costs


def test_none_of_these_users_can_log_in(secured):
    """The log has one line for each attempt."""
    for name, password in kinds_of_users(secured).values():
        with session_in_tls(secured) as session:
            assert session.ask(plain(name, password)).startswith("535 5.7.8 ")
        assert len(re.findall("auth failed peer=local user=", session.log)) == 1
    run_user(secured, "unlock", "bob@example.org")
    authenticated(secured, "bob@example.org").finish()


def test_record_that_cannot_be_read(secured):
    """454 4.7.0, never `wrong password`. The record is damaged in place after the server has opened the database."""
    # On both sides, so that the record is not in a block that was already read.
    secured.users[:0] = [f"aa{i}@example.org::" for i in range(100)]
    secured.users += [f"zz{i}@example.org::" for i in range(100)]
    secured.build()
    with session_in_tls(secured) as session:
        raw = secured.db.read_bytes()
        at = raw.find(b"crypt=")
        end = raw.find(b"\n", at)
        assert 0 < at < end
        with open(secured.db, "r+b") as file:
            file.seek(at)
            file.write(b"x" * (end + 1 - at))
        for command in (plain(ALICE), plain(ALICE, "wrong")):
            assert session.ask(command).startswith("454 4.7.0 "), session.log
    assert "auth failed" not in session.log and " auth-unavailable " in session.log


@pytest.mark.parametrize("what", ["missing", "truncated"])
def test_database_that_cannot_be_read(secured, what):
    """Every request is deferred: after a 5xx, clients would give up, or ask for another password."""
    if what == "missing":
        secured.db.unlink()
    else:
        os.truncate(secured.db, 1000)
    with secured.session(args=("-r", "submission")) as session:
        assert session.reply().startswith("220 ")
        session.ask(EHLO)
        for command in (plain(ALICE), f"MAIL FROM:<{ALICE}>", "STARTTLS"):
            assert session.ask(command)[0] == "4", command


def test_no_password_in_the_log(secured):
    """Nor in the arguments or the environment, whatever fails."""
    with session_in_tls(secured) as session:
        for said in (plain(ALICE, "secret one"), "AUTH PLAIN " + b64("secret two"), "AUTH PLAIN secret=three"):
            session.ask(said)
        session.ask("AUTH LOGIN " + b64(ALICE))
        session.ask(b64("secret four"))
        session.ask("AUTH LOGIN")
        session.ask(b64("secret five"))
        session.ask("*")
        assert session.ask(plain(ALICE)).startswith("235 ")
        for pid in (session.process.pid, session.front()):
            for name in ("cmdline", "environ"):
                assert PASSWORD.encode() not in Path(f"/proc/{pid}/{name}").read_bytes()
    assert "secret" not in session.log and PASSWORD not in session.log and b64("secret")[:7] not in session.log
    assert re.search(rf" authenticated peer=local user={ALICE} mechanism=PLAIN ", session.log, re.M)
