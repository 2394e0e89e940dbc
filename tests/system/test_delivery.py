"""The rules of delivery: what is written, all mailboxes or none, and what is on the disk afterwards."""

import calendar
import email.policy
import email.utils
import mailbox
import os
import re
import time
from pathlib import Path

import pytest
from basics import make_library, needs, private_mount, skip_because
from client import Session, to_wire
from mbox import parse_mbox, stored_form
from processes import dead_pid, wait_until

TEXT = b"Subject: t\n\nbody\n"
SEED = b"From old@client.example Mon Jan  1 00:00:00 2001\nSubject: old\n\nold body\n\n"


# ---- what is written ---------------------------------------------------------------------------


def test_trace_fields(world):
    """Return-Path, Delivered-To, Received, in this order, directly above the message."""
    world.deliver("alice@example.org", text=TEXT, sender="s@client.example")
    (message,) = world.messages("alice")
    lines = message.trace.split(b"\n")
    assert lines[0] == b"Return-Path: <s@client.example>"
    assert lines[1] == b"Delivered-To: alice@example.org"
    assert lines[2].startswith(b"Received: from client.example ")
    assert max(map(len, lines)) <= 998
    assert message.sent == TEXT


def test_delivered_to_names_each_mailbox(world):
    world.deliver("team@example.org")
    assert world.messages("alice")[0].header("Delivered-To") == "alice@example.org"
    assert world.messages("bob")[0].header("Delivered-To") == "bob@example.org"
    assert world.messages("alice")[0].id == world.messages("bob")[0].id


def test_log_names_the_mailboxes(world):
    """One line per message, with its recipients and the id that the client was given."""
    with world.session() as session:
        reply = session.send_message(["team@example.org"], TEXT, "s@client.example")
    (line,) = [line for line in session.log.splitlines() if " delivered " in line]
    assert line.endswith(" users=alice@example.org,bob@example.org")
    assert f" id={reply.split()[-1]} " in line


def test_from_line(world):
    """`From SENDER DATE`, with the date in UTC in the format of asctime(3)."""
    before = int(time.time())
    world.deliver("alice@example.org", sender="s@client.example")
    words = world.messages("alice")[0].from_line.decode().split(" ", 2)
    assert words[1] == "s@client.example"
    written = calendar.timegm(time.strptime(words[2], "%a %b %d %H:%M:%S %Y"))
    assert before - 1 <= written <= time.time() + 1


def test_from_line_does_not_follow_the_time_zone(world):
    world.deliver("alice@example.org", env={"TZ": "Pacific/Kiritimati"})
    words = world.messages("alice")[0].from_line.decode().split(" ", 2)
    assert abs(calendar.timegm(time.strptime(words[2], "%a %b %d %H:%M:%S %Y")) - time.time()) < 30


def test_from_line_of_the_null_sender(world):
    world.deliver("alice@example.org", sender="")
    (message,) = world.messages("alice")
    assert message.from_line.startswith(b"From MAILER-DAEMON ")
    assert message.header("Return-Path") == "<>"


@pytest.mark.parametrize(
    "sender", ['"two words"@client.example', '" From x "@client.example', '"\\""@client.example', '"a..b"@client.example']
)
def test_from_line_of_odd_senders(world, sender):
    """A quoted local part may contain blanks; readers still understand the From_ line."""
    assert world.deliver("alice@example.org", sender=sender).startswith("250")
    assert world.messages("alice")[0].header("Return-Path") == f"<{sender}>"
    box = mailbox.mbox(world.mailbox("alice"))
    assert len(box) == 1
    assert email.utils.parsedate(box[0].get_from().split(" ", 1)[1]) is not None


@pytest.mark.parametrize("local", ["a..b", ".a", "ilo.", "..", "a...b.c", "."])
def test_senders_with_odd_dots(world, local):
    """Phone companies and devices have such addresses. Python's header parser reads back what was sent."""
    assert world.deliver("alice@example.org", sender=f"{local}@my_host.example").startswith("250")
    path = world.messages("alice")[0].header("Return-Path")
    assert path == f'<"{local}"@my_host.example>'
    (parsed,) = email.message_from_string(f"From: {path}\n\n", policy=email.policy.default)["From"].addresses
    assert parsed.username == local and parsed.domain == "my_host.example"


ATOM = r"[\w!#$%&'*+/=?^`{|}~-]+"
RECEIVED = re.compile(rf"from ({ATOM}(\.{ATOM})*|\[[^\[\]\\]+\]) \((\[[^\[\]\\]+\]|\w+)\) by ", re.ASCII)


def test_received_is_valid_whatever_helo_says(world):
    """RFC 5322 3.6.7: the name is a domain, as a dot-atom or a domain literal; no bracket, quote or comment stays open."""
    names = [bytes([c]) for c in range(0x21, 0x100) if c != 0x7f]
    names += [b"[127.0.0.1", b"127.0.0.1]", b"[]", b"[a]b", b"..", b"a..b", b"x.", b'"a', b"(a", b"a\\", b"<>", b"a b", b"[a b]"]
    with Session(world) as session:
        session.reply()
        for name in names:
            assert session.ask(b"HELO " + name).startswith("250"), name
            assert session.transaction(["alice@example.org"], TEXT).startswith("250")
    for name, message in zip(names, world.messages("alice"), strict=True):
        assert RECEIVED.match(message.header("Received")), (name, message.header("Received"))


BODIES = [
    b"",
    b"\n",
    b"\n\n\n",
    b"Subject: x\n",
    b"Subject: x\n\n",
    b"Subject: x\n\nbody\n",
    b"Subject: x\n\nbody\n\n",
    b"Subject: x\n\nbody\n\n\n\n",
    b"From first line\n",
    b"Subject: x\n\nFrom \n>From \n>>From \nFrom\nfrom x\n>From: x\n From x\n",
    b"Subject: x\n\n" + b"From x\n" * 5000,
    b"Subject: x\n\n" + b">" * 5000 + b"From x\n",
    b"Subject: x\n\n" + b"y" * 70000 + b"\nFrom x\n",
    b"Subject: x\n\n" + (b"z" * 61 + b"\n") * 5000,
    b"Subject: x\n\n.\n..\n",
    b"Subject: x\n\nFro\nF\n",
]


def test_round_trip(world):
    """mboxrd: messages are read back unchanged, and exactly one blank line follows each message."""
    with world.session() as session:
        session.greet()
        for body in BODIES:
            assert session.transaction(["alice@example.org"], body).startswith("250")
    assert world.sent("alice") == [stored_form(body) for body in BODIES]


@pytest.mark.parametrize("at", range(-8, 9))
def test_from_line_across_a_buffer_edge(world, at):
    """`From ` is found where it crosses the end of a read or of a buffer."""
    bodies = []
    with world.session() as session:
        session.greet()
        for size in (1024, 2048, 4096, 8192, 16384, 32768, 65536):
            body = b"\n" + b"x" * (size + at - 2) + b"\nFrom cut\n>From cut\n.\n"
            bodies.append(body)
            assert session.transaction(["alice@example.org"], body).startswith("250")
    assert world.sent("alice") == bodies


@pytest.mark.parametrize("role", ["mx", "lmtp"])
@pytest.mark.parametrize("helo", ["client.example", "by"])
def test_message_that_comes_back(world, role, helo):
    """A message that is already in a mailbox is refused for it, whoever sends it back; other mailboxes accept it."""

    def send(recipient, text):
        with world.session(args=("-r", role)) as session:
            session.reply()
            assert session.ask(f"{'LHLO' if role == 'lmtp' else 'EHLO'} {helo}").startswith("250")
            return session.transaction([recipient], text)

    assert send("alice@example.org", TEXT).startswith("250")
    kept_text = world.messages("alice")[0].text
    assert send("alice@example.org", kept_text).startswith("554 5.4.6")
    assert send("alice@example.org", b"Received: from here by there;\n date\n" + kept_text).startswith("554 5.4.6")
    assert send("bob@example.org", kept_text).startswith("250")
    assert send("alice@example.org", kept_text.replace(b"Delivered-To", b"X-Delivered-To")).startswith("250")


def test_large_message(world):
    body = b"Subject: large\n\n" + b"".join(b"%070d\n" % i for i in range(280000))
    assert world.deliver("alice@example.org", "bob@example.org", text=body).startswith("250")
    assert world.sent("alice") == [body] and world.sent("bob") == [body]


# ---- all mailboxes or none ---------------------------------------------------------------------


def test_duplicates_once(world):
    assert world.deliver(
        "alice@example.org", "ALICE@example.org", "alice+x@example.org", "team@example.org", "bob@example.org", text=TEXT
    ).startswith("250")
    assert world.sent("alice") == [TEXT] and world.sent("bob") == [TEXT]


def test_alias_to_alias(fresh):
    fresh.aliases += ["outer@example.org: inner@example.org, carol@example.net", "inner@example.org: team@example.org"]
    fresh.build()
    assert fresh.deliver("outer@example.org", text=TEXT).startswith("250")
    assert [fresh.sent(who) for who in ("alice", "bob", "carol@example.net")] == [[TEXT]] * 3


def test_hundred_mailboxes(fresh):
    fresh.users += [f"user{i}@example.org::" for i in range(100)]
    fresh.build()
    assert fresh.deliver(*(f"user{i}@example.org" for i in range(100)), text=TEXT).startswith("250")
    assert all(fresh.sent(f"user{i}") == [TEXT] for i in range(100))


def test_large_alias(fresh):
    """Every alias that mailslot-build accepts can be delivered to."""
    fresh.users += [f"user{i}@example.org::" for i in range(500)]
    fresh.aliases.append("all@example.org: " + ", ".join(f"user{i}@example.org" for i in range(500)))
    try:
        fresh.build()
    except AssertionError as error:
        assert "aliases:4" in str(error)
        return
    assert fresh.deliver("all@example.org", text=TEXT).startswith("250")
    assert all(fresh.sent(f"user{i}") == [TEXT] for i in range(500))


def test_none_if_one_fails(world):
    """No mailbox changes, whichever of them fails."""
    for bad, good in (("alice", "bob"), ("bob", "alice")):
        before = world.preset(good, SEED).read_bytes()
        world.mailbox(bad).unlink(missing_ok=True)
        world.mailbox(bad).mkdir()
        reply = world.deliver("alice@example.org", "bob@example.org", "carol@example.net")
        assert re.match(r"4\d\d 4\.", reply), reply
        assert world.raw(good) == before and world.raw("carol@example.net") == b""
        world.mailbox(bad).rmdir()


def test_after_a_failure_the_session_goes_on(world):
    world.mailbox("alice").mkdir(parents=True)
    with world.session() as session:
        session.greet()
        assert session.transaction(["alice@example.org"], TEXT).startswith("4")
        assert session.ask("RCPT TO:<bob@example.org>").startswith("503")
        assert session.transaction(["bob@example.org"], TEXT).startswith("250")
        world.mailbox("alice").rmdir()
        assert session.transaction(["alice@example.org"], TEXT).startswith("250")
    assert world.sent("alice") == [TEXT] and world.sent("bob") == [TEXT]


@pytest.fixture(scope="module")
def failing_send(tmp_path_factory):
    """The library that makes one of the front's messages to the back fail."""
    return make_library(tmp_path_factory.mktemp("send"), "failing_send.c")


def test_a_message_that_does_not_reach_the_back(world, failing_send):
    """Sends to the back can fail in the middle of a text when the kernel is short of memory. Whichever fails, the
    client is disconnected without a 250, and no mailbox changes."""
    world.preset("bob", SEED)
    before = world.everything()
    text = b"Subject: x\n\n" + b"".join(b"%060d\n" % i for i in range(4000))
    env = {"LD_PRELOAD": str(failing_send), "ASAN_OPTIONS": "detect_leaks=0:verify_asan_link_order=0"}
    failed, reply = 0, "421"
    while reply.startswith("421"):
        with world.session(env={**env, "FAILING_SEND": str(failed + 1)}) as session:
            session.greet()
            for command in ("MAIL FROM:<s@client.example>", "RCPT TO:<alice@example.org>",
                            "RCPT TO:<bob@example.org>", "DATA"):  # fmt: skip
                reply = session.ask(command)
                if reply.startswith("421"):
                    break
            else:
                session.try_send(to_wire(text) + b".\r\n")
                reply = session.reply()
            if reply.startswith("421"):
                assert reply.startswith("421 4.3.0"), reply
                assert session.rest() == b"" and world.everything() == before, failed
                failed += 1
    assert reply.startswith("250 2.0.0"), f"{reply} after {failed}"
    assert failed >= 3 + 4 + 1  # the envelope, the text in several parts, the end of it
    assert world.sent("alice") == [text]


# ---- no room -----------------------------------------------------------------------------------


def test_quota(fresh):
    fresh.users.append("small@example.org::quota=4K")
    fresh.build()
    fits, large = b"Subject: x\n\n" + b"y" * 1000 + b"\n", b"Subject: x\n\n" + b"y" * 4000 + b"\n"
    assert fresh.deliver("small@example.org", text=fits).startswith("250")
    before = fresh.raw("small")
    reply = fresh.deliver("alice@example.org", "small@example.org", text=large)
    assert reply.startswith("452 4.2.2"), reply
    assert fresh.raw("small") == before and fresh.raw("alice") == b""
    assert fresh.deliver("small@example.org", text=fits).startswith("250")
    assert fresh.deliver("alice@example.org", text=large).startswith("250")


def test_quota_is_known_before_the_text(fresh):
    """RFC 1870 section 6.1: by the declared size, or because the mailbox is already full. Other recipients are accepted."""
    fresh.users.append("small@example.org::quota=4K")
    fresh.aliases.append("both: alice, small")
    fresh.build()
    seed = SEED + b"\n" * (3000 - len(SEED))
    box = fresh.preset("small", seed)
    with fresh.session() as session:
        session.greet()

        def ask(declared, recipient="small@example.org"):
            session.ask("RSET")
            assert session.ask(f"MAIL FROM:<s@client.example>{declared}").startswith("250")
            return session.ask(f"RCPT TO:<{recipient}>")

        assert ask(" SIZE=1536").startswith("250 2.1.5")  # 1,096 bytes are left, which is rounded up
        assert ask("").startswith("250 2.1.5")
        for recipient in ("small@example.org", "both@example.org"):
            assert ask(" SIZE=1537", recipient).startswith("452 4.2.2")
        assert 'recipient=small@example.org reason="mailbox full"' in session.log
        assert session.ask("RCPT TO:<alice@example.org>").startswith("250 2.1.5")
        session.ask("DATA")
        session.send(b"Subject: x\r\n\r\n.\r\n")
        assert session.reply().startswith("250 2.0.0")
        box.write_bytes(seed + b"\n" * 1096)
        assert ask("").startswith("452 4.2.2")
        box.unlink()
        assert ask(" SIZE=4096").startswith("250 2.1.5")
        assert ask(" SIZE=4097").startswith("452 4.2.2")
        box.write_bytes(seed + b"\n" * 1096)  # torn: the next delivery cuts it back
        box.with_name("small.undo").symlink_to("0 0")
        assert ask(" SIZE=1096").startswith("250 2.1.5")
        box.with_name("small.undo").unlink()
    assert len(fresh.messages("alice")) == 1


@pytest.mark.parametrize("quota", [100, 4096, 1000000])
def test_declared_sizes_do_not_reveal_how_full_a_mailbox_is(fresh, quota):
    """By trying sizes, a client learns how full a mailbox is only to about an eighth of the quota."""
    fresh.users.append(f"small@example.org::quota={quota}")
    fresh.build(max_message_size="10M", max_idle_commands=1000000)
    box = fresh.preset("small", SEED[:80])
    found = {}
    with fresh.session() as session:
        session.greet()

        def fits(size):
            session.ask("RSET")
            assert session.ask(f"MAIL FROM:<s@client.example> SIZE={size}").startswith("250")
            return session.ask("RCPT TO:<small@example.org>").startswith("250")

        for used in [*(quota * i // 40 for i in range(40)), quota - 1, quota]:
            os.truncate(box, used)
            least, most = 0, 2 * quota
            while most - least > 1:
                middle = (least + most) // 2
                least, most = (middle, most) if fits(middle) else (least, middle)
            assert least >= quota - used or used >= quota, "refused although there was room"
            found[used] = least
    assert len(set(found.values())) <= 18 and found[quota] == 0 and found[quota - 1] > 1


@pytest.mark.parametrize("limit", [10_000, 100_000, 300_000])
def test_file_size_limit(world, limit):
    """RLIMIT_FSIZE: 452 4.2.2, the mailboxes are unchanged, and SIGXFSZ does not kill the server."""
    needs("prlimit")
    bob = world.preset("bob", SEED)
    with world.session(wrap=["prlimit", f"--fsize={limit}"]) as session:
        session.greet()
        text = b"Subject: x\n\n" + b"y" * limit + b"\n"
        reply = session.transaction(["alice@example.org", "bob@example.org"], text)
        assert reply.startswith("452 4.2.2"), reply
        assert world.raw("alice") == b"" and bob.read_bytes() == SEED
        assert session.transaction(["alice@example.org"], TEXT).startswith("250")
    assert world.sent("alice") == [TEXT]


def test_what_cannot_be_cut_back_is_cut_back_by_the_next_delivery(world):
    """The append fails, and so does truncating the mailbox afterwards."""
    needs("prlimit", "strace")
    limit = 100_000
    alice = world.preset("alice", SEED)
    wrap = ["prlimit", f"--fsize={limit}", "strace", "-qq", "-o", "/dev/null"]
    wrap += ["-e", "trace=ftruncate", "-e", "inject=ftruncate:error=EIO"]
    text = b"Subject: x\n\n" + b"y" * limit + b"\n"
    reply = world.deliver("alice@example.org", text=text, wrap=wrap, env={"ASAN_OPTIONS": "detect_leaks=0"})
    assert reply.startswith("452 4.2.2"), reply
    assert len(alice.read_bytes()) > len(SEED)
    assert world.deliver("alice@example.org", text=TEXT).startswith("250")
    assert alice.read_bytes().startswith(SEED + b"From ") and b"yyy" not in alice.read_bytes()


class NamelessFile:
    """The unnamed file that holds a large message while it arrives: makes its creation fail."""

    def __init__(self, world):
        needs("strace")
        self.world, self.trace = world, world.folder / "trace"
        self.text = b"Subject: x\n\n" + b"".join(b"%060d\n" % i for i in range(300 * 1024 // 61))
        self.run("trace=openat")
        lines = [line for line in self.lines() if line.startswith("openat(")]
        self.number = next(i for i, line in enumerate(lines, 1) if "O_TMPFILE" in line)

    def run(self, *options):
        more = [word for option in options for word in ("-e", option)]
        return self.world.deliver(
            "bob@example.org", text=self.text, wrap=["strace", "-qq", "-o", self.trace, *more],
            env={"ASAN_OPTIONS": "detect_leaks=0"},
        )  # fmt: skip

    def lines(self):
        return self.trace.read_text(errors="replace").splitlines()

    def fail(self, error):
        return self.run("trace=openat,memfd_create,unlinkat", f"inject=openat:error={error}:when={self.number}")


@pytest.mark.parametrize("error", ["EMFILE", "ENFILE", "EIO", "ENOMEM", "EINTR", "ENOSPC", "EDQUOT"])
def test_no_file_for_a_large_message(world, error):
    """The message is deferred: only small ones are held in memory."""
    file = NamelessFile(world)
    before = world.everything()
    assert re.match(r"45\d 4\.", file.fail(error)), error
    assert any("INJECTED" in line for line in file.lines())
    assert not any("memfd_create" in line for line in file.lines())
    assert world.everything() == before


def test_a_file_system_without_nameless_files(world):
    """Such as NFS: the file has a name for an instant."""
    file = NamelessFile(world)
    assert file.fail("EOPNOTSUPP").startswith("250")
    assert not any("memfd_create" in line for line in file.lines())
    (made,) = re.findall(r'"(\.mailslot-[^"]*)", O_RDWR\|O_CREAT\|O_EXCL', "\n".join(file.lines()))
    assert any(line.startswith("unlinkat(") and made in line for line in file.lines())
    assert world.sent("bob") == [file.text] * 2 and sorted(world.everything()) == ["example.org/bob"]


@pytest.mark.parametrize("size", [16, 64, 256], ids=lambda kilo: f"{kilo}K")
def test_full_file_system(world, size):
    """A small tmpfs as mail-root: 452 4.3.1, both mailboxes are unchanged, and a small message still fits."""
    script = 'mount -t tmpfs -o "size=$1k,mode=0700" none "$2" || exit 99; shift 2; exec "$@"'
    wrap = [*private_mount(), "sh", "-c", script, "sh", str(size), str(world.root)]
    with world.session(wrap=wrap) as session:
        session.greet()
        inside = f"/proc/{session.process.pid}/root{world.root}"

        def raw(who):
            try:
                with open(f"{inside}/example.org/{who}", "rb") as box:
                    return box.read()
            except FileNotFoundError:
                return b""

        assert session.transaction(["alice@example.org"], TEXT).startswith("250")
        before = raw("alice")
        assert len(parse_mbox(before)) == 1
        for share in (0.6, 1.5):  # the first fits once, not twice
            text = b"Subject: x\n\n" + b"y" * int(size * 1024 * share) + b"\n"
            reply = session.transaction(["alice@example.org", "bob@example.org"], text)
            assert reply.startswith("452 4.3.1"), reply
            assert raw("alice") == before and raw("bob") == b""
        session.ask("RSET")
        reply = session.ask(f"MAIL FROM:<s@client.example> SIZE={2 * size * 1024}")
        assert reply.startswith("452 4.3.1"), reply
        assert f'doing="accept the message" mailbox={world.root} error="No space' in session.log
        assert session.ask("MAIL FROM:<s@client.example> SIZE=2000").startswith("250 2.1.0")
        session.ask("RSET")
        assert session.transaction(["bob@example.org"], TEXT).startswith("250")
        assert len(parse_mbox(raw("bob"))) == 1
        names = [name for _, _, files in os.walk(inside) for name in files]
        assert sorted(names) == ["alice", "bob"]


def test_full_file_system_elsewhere(fresh, tmp_path):
    """A mailbox on another file system, which is full, is refused at RCPT by the declared size; mail-root has room."""
    disk = tmp_path / "disk"
    disk.mkdir()
    fresh.users.append(f"away@example.org::mailbox={disk}/away")
    fresh.build()
    script = 'mount -t tmpfs -o "size=64k,mode=0700" none "$1" && : >"$1/away" || exit 99; shift; exec "$@"'
    with fresh.session(wrap=[*private_mount(), "sh", "-c", script, "sh", str(disk)]) as session:
        session.greet()
        assert session.ask("MAIL FROM:<s@client.example> SIZE=100000").startswith("250 2.1.0")
        assert session.ask("RCPT TO:<away@example.org>").startswith("452 4.3.1")
        assert session.ask("RCPT TO:<alice@example.org>").startswith("250 2.1.5")
        session.ask("RSET")
        assert session.ask("MAIL FROM:<s@client.example> SIZE=60000").startswith("250 2.1.0")
        assert session.ask("RCPT TO:<away@example.org>").startswith("250 2.1.5")
        assert 'recipient=away@example.org reason="disk full"' in session.log


# ---- what is on the disk -----------------------------------------------------------------------


def test_synced_before_the_reply(world):
    """250 comes after an fdatasync of each mailbox, and an fsync of the folder of a new one."""
    needs("strace")
    if os.geteuid() != 0:
        skip_because("only root sees what the server names in its system calls")
    trace = world.folder / "trace"
    world.preset("bob", SEED)
    wrap = ["strace", "-qq", "-y", "-o", trace, "-e", "trace=fdatasync,fsync"]
    reply = world.deliver(
        "carol@example.net", "bob@example.org", wrap=wrap, env={"ASAN_OPTIONS": "detect_leaks=0"}
    )
    assert reply.startswith("250")
    synced = set(re.findall(r"<(\S+)>\) += 0", trace.read_text()))
    for path in (world.mailbox("bob"), world.mailbox("carol@example.net")):
        assert str(path) in synced, synced
    assert str(world.mailbox("carol@example.net").parent) in synced, synced
    assert str(world.root) in synced, synced


def test_a_folder_not_synced_by_a_killed_delivery_is_synced_by_the_next(world):
    """The killed delivery had created the mailbox and written its whole message."""
    needs("strace")
    if os.geteuid() != 0:
        skip_because("only root sees what the server names in its system calls")
    trace, wrap = world.folder / "trace", ["strace", "-qq", "-y", "-o"]
    kill = [*wrap, "/dev/null", "-e", "trace=fsync", "-e", "inject=fsync:signal=SIGKILL:when=1"]
    env = {"ASAN_OPTIONS": "detect_leaks=0"}
    killed = world.session(wrap=kill, env=env)
    killed.send_message(["alice@example.org"], TEXT)
    killed.finish()
    if not world.mailbox("alice").with_name("alice.undo").is_symlink():
        skip_because("strace did not strike")
    wrap += [trace, "-e", "trace=fdatasync,fsync"]
    assert world.deliver("alice@example.org", text=TEXT, wrap=wrap, env=env).startswith("250")
    assert f"<{world.mailbox('alice').parent}>) " in trace.read_text()


def test_a_restored_mailbox_is_logged_by_its_path(world):
    """By its whole path, because each domain may have a mailbox of that name."""
    needs("strace")
    box = world.preset("alice", SEED)
    kill = ["strace", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", "inject=fdatasync:signal=SIGKILL:when=1"]
    killed = world.session(wrap=kill, env={"ASAN_OPTIONS": "detect_leaks=0"})
    killed.send_message(["alice@example.org"], TEXT)
    killed.finish()
    if not box.with_name("alice.undo").is_symlink():
        skip_because("strace did not strike")
    os.truncate(box, box.stat().st_size - 4)
    torn = box.read_bytes()[len(SEED) :]
    message_id = re.search(rb"\bid (\w+)", torn).group(1).decode()
    trace = world.folder / "trace"
    wrap = ["strace", "-qq", "-s", "200", "-o", trace, "-e", "trace=write,writev,ftruncate"]
    with world.session(wrap=wrap, env={"ASAN_OPTIONS": "detect_leaks=0"}) as session:
        assert session.send_message(["alice@example.org"], TEXT).startswith("250")
    assert f" restored peer=local mailbox={box} id={message_id} size={len(torn)} " in session.log
    assert len(parse_mbox(box.read_bytes())) == 2
    lines = trace.read_text().splitlines()
    (told,) = [i for i, line in enumerate(lines) if " restored peer=" in line]
    (done,) = [i for i, line in enumerate(lines) if line.startswith("ftruncate(")]
    assert told < done, "it is logged before it is done"


def stale_lock(path):
    """The lock file of a delivery that was killed."""
    lock = path.with_name(path.name + ".lock")
    lock.write_text(f"{dead_pid()}\n")
    os.utime(lock, (time.time() - 60,) * 2)


def test_an_undo_link_of_an_unmapped_user_is_not_believed(fresh):
    """Under PrivateUsers= the owner of a mailbox and all strangers look like one user. A stranger's undo link in a
    folder that everybody can write to must not truncate the mailbox."""
    needs("unshare")
    if os.geteuid() != 0:
        skip_because("chown needs root")
    fresh.folder.chmod(0o755)
    spool = fresh.folder / "spool"
    spool.mkdir()
    spool.chmod(0o1777)
    fresh.users.append(f"dave@example.org::mailbox={spool}/dave")
    fresh.build()
    box = spool / "dave"
    box.touch()
    box.chmod(0o666)
    assert fresh.deliver("dave@example.org", text=TEXT).startswith("250")
    whole = box.read_bytes()
    message_id = re.search(rb"\bid (\w+)", whole).group(1).decode()
    os.chown(box, 4242, 4242)
    stale_lock(box)
    link = box.with_name("dave.undo")
    link.symlink_to(f"0 {len(whole) + 1000} {box.stat().st_ino} {message_id}")
    os.lchown(link, 4343, 4343)
    session = fresh.session(wrap=["unshare", "--user", "--map-root-user"])
    with session:
        reply = session.send_message(["dave@example.org"], TEXT)
    if "unshare" in session.log:
        skip_because(f"no user name spaces here: {session.log}")
    assert box.read_bytes().startswith(whole), reply
    link.unlink(missing_ok=True)
    box.with_name("dave.lock").unlink(missing_ok=True)


def test_a_sparse_mailbox_with_an_undo_link_of_its_owner(world):
    """16 GiB of zeros that claim to be a torn message: no more is read than a message can be long."""
    needs("strace")
    alice, trace = world.preset("alice", SEED), world.folder / "trace"
    world.preset("bob", SEED)
    stale_lock(alice)
    try:
        os.truncate(alice, 16 << 30)
    except OSError as error:
        skip_because(f"no such files here: {error}")
    try:
        alice.with_name("alice.undo").symlink_to(f"{len(SEED)} {17 << 30} {alice.stat().st_ino} x")
        with open(alice, "r+b") as box:
            box.seek(len(SEED))
            box.write(b"From x\n")
        wrap = ["strace", "-qq", "-o", trace, "-e", "trace=pread64,mmap,read"]
        replies = [
            world.deliver("alice@example.org", "bob@example.org", wrap=wrap, env={"ASAN_OPTIONS": "detect_leaks=0"})
            for _ in range(2)
        ]
        text = trace.read_text()
        assert replies[0].startswith("250"), replies
        assert sum(map(int, re.findall(r"^pread64\(.*= (\d+)$", text, re.M))) < 60 << 20
        assert not re.search(r"mmap\(NULL, \d{9,}", text)
        assert alice.stat().st_size > 16 << 30
    finally:
        alice.unlink()


def test_a_rollback_removes_no_mail_of_others(world):
    """A program that ignores locks appends during a delivery that then fails."""
    needs("strace")
    box = world.preset("alice", SEED)
    wrap = ["strace", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync"]
    wrap += ["-e", "inject=fdatasync:error=EIO:delay_enter=1500000:when=1"]
    with world.session(wrap=wrap, env={"ASAN_OPTIONS": "detect_leaks=0"}) as session:
        session.greet()
        session.begin_text()
        session.send(b"Subject: t\r\n\r\nbody\r\n.\r\n")
        if not wait_until(lambda: box.stat().st_size > len(SEED), 10, 0.001):
            skip_because("strace did not strike")
        with open(box, "ab") as foreign:
            foreign.write(SEED)
        reply = session.reply()
    assert reply.startswith("451 4.3.0"), reply
    raw = box.read_bytes()
    assert raw.startswith(SEED + b"From s@client.example ") and raw.endswith(SEED) and raw.count(SEED) == 2
    assert re.search(r"deferred .*doing=undo mailbox=\S+ error=\"a program that ignores locks", session.log)
    assert world.deliver("alice@example.org", text=TEXT).startswith("250")
    assert box.read_bytes().startswith(raw)


@pytest.mark.parametrize("call", ["fdatasync", "fsync"])
def test_interrupted_sync(world, call):
    """A sync interrupted by a signal is repeated; the mail is not deferred."""
    needs("strace")
    trace = world.folder / "trace"
    wrap = ["strace", "-qq", "-o", trace, "-e", f"trace={call}", "-e", f"inject={call}:error=EINTR:when=1..2"]
    reply = world.deliver("carol@example.net", wrap=wrap, text=TEXT, env={"ASAN_OPTIONS": "detect_leaks=0"})
    results = re.findall(r"= (0|-1 EINTR)", trace.read_text())
    assert reply.startswith("250"), reply
    assert results[:3] == ["-1 EINTR", "-1 EINTR", "0"]
    assert world.sent("carol@example.net") == [TEXT]


def test_order_of_the_steps_of_a_delivery(world):
    """The order that must survive a power cut: the undo link before the text, the text on the disk before the undo
    link is removed, and the locks are removed last."""
    needs("strace")
    if os.geteuid() != 0:
        skip_because("only root sees what the server names in its system calls")
    trace = world.folder / "trace"
    world.preset("alice", SEED)
    wrap = ["strace", "-qq", "-y", "-o", trace]
    world.deliver("alice@example.org", wrap=wrap, env={"ASAN_OPTIONS": "detect_leaks=0"})
    wanted = [
        r'linkat\(.*"alice\.lock"',
        r'symlinkat\(.*"alice\.undo"',
        r"write\(\d+</\S*/alice>",
        r"fdatasync\(\d+</\S*/alice>",
        r'unlinkat\(.*"alice\.undo"',
        r'unlinkat\(.*"alice\.lock"',
    ]
    lines = trace.read_text(errors="replace").splitlines()
    found = [[i for i, line in enumerate(lines) if re.match(w, line)] for w in wanted]
    assert all(found), list(zip(wanted, found))
    for earlier, later in zip(found, found[1:]):
        assert earlier[-1] < later[0], list(zip(wanted, found))


@pytest.mark.parametrize("owner", ["stranger", "ours"])
def test_forged_undo(world, owner):
    """An undo link that somebody else has made removes no mail, nor does one of ours that no longer matches the
    mailbox."""
    if owner == "stranger" and os.geteuid() != 0:
        skip_because("chown needs root")
    path = world.preset("alice", SEED)
    world.deliver("alice@example.org", text=TEXT)
    whole = path.read_bytes()
    message_id = re.search(rb"\bid (\w+)", whole).group(1).decode()
    link = path.with_name("alice.undo")
    end = len(whole) + (1000 if owner == "stranger" else 0)
    link.symlink_to(f"{len(SEED)} {end} {path.stat().st_ino} {message_id}")
    if owner == "stranger":
        os.lchown(link, 4242, 4242)
    assert re.match(r"250|4\d\d 4\.", world.deliver("alice@example.org", text=TEXT))
    assert path.read_bytes().startswith(whole)
    link.unlink(missing_ok=True)


def test_malformed_undo(world):
    """A malformed link, or another kind of file in its place, is not believed."""
    path = world.preset("alice", SEED)
    link = path.with_name("alice.undo")
    for text in ("x", "0 0 0 x", f"0 99999 {path.stat().st_ino} x", "-5 99999 1 x", "9" * 100, "/etc/passwd"):
        link.symlink_to(text)
        assert re.match(r"250|4\d\d 4\.", world.deliver("alice@example.org", text=TEXT))
        assert path.read_bytes().startswith(SEED)
        link.unlink(missing_ok=True)
    for make in (lambda: link.write_text("0 99999 1 x"), link.mkdir, lambda: os.mkfifo(link)):
        make()
        assert re.match(r"250|4\d\d 4\.", world.deliver("alice@example.org", text=TEXT))
        assert path.read_bytes().startswith(SEED)
        link.rmdir() if link.is_dir() else link.unlink(missing_ok=True)
