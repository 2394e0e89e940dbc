"""mailslot-sendmail as programs call it: cron, PHP, mutt, vacation; its exit codes; what it changes in a message."""

import email
import email.header
import email.policy
import email.utils
import os
import signal
import smtplib
import socket
import subprocess
import time

import pytest
from basics import binary, needs, needs_path_for_others
from local import LocalServer, in_folder, name_of, open_folder
from processes import spawn, wait_until

ALICE, BOB, DAEMON = "alice@example.org", "bob@example.org", 1
ME = f"{name_of()}@example.org"
IS_ROOT = os.geteuid() == 0
TEXT = b"Subject: t\n\nx\n"


@pytest.fixture
def server(world):
    with LocalServer(world, open_folder(world) / "submit") as server:
        yield server


def heed_signals():
    """A shell without job control lets what it starts in the background ignore SIGINT, nohup SIGHUP."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def start(server, *arguments, uid=None, name="mailslot-sendmail", env=None, **more):
    """sendmail with these arguments, in the folder of the socket, as this user."""
    program = binary("mailslot-sendmail")
    if uid is not None:
        needs_path_for_others(program)
        more["user"] = uid
    environment = {**os.environ, "MAILSLOT_SUBMIT": "submit", **(env or {})}
    return spawn(
        [name, *arguments], executable=program, cwd=server.path.parent, env=environment,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=heed_signals, **more,
    )  # fmt: skip


def sendmail(server, *arguments, text=TEXT, code=0, **more):
    """Returns what it has written, to both outputs."""
    process = start(server, *arguments, **more)
    out, err = process.communicate(text, timeout=60)
    assert process.returncode == code, (process.returncode, out, err)
    return (out + err).decode()


def the_only(world, user="alice"):
    (message,) = world.messages(user)
    return message


def parsed(world, user="alice"):
    """Without our trace fields: those that came with the message, or that sendmail and the server have added."""
    return email.message_from_bytes(the_only(world, user).text, policy=email.policy.default)


# ---- as programs call it -----------------------------------------------------------------------


def test_cron(world, server):
    """Debian's cron: `sendmail -FCronDaemon -i -B8BITMIME -oem root`, with names that have no domain."""
    world.aliases.append(f"root@example.org: {ALICE}")
    world.build()
    text = (
        "From: root (Cron Daemon)\nTo: root\nSubject: Cron <root@host> run-parts\nMIME-Version: 1.0\n"
        "Content-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\nX-Cron-Env: <SHELL=/bin/sh>\n\nübel\n.\nend\n"
    )
    assert sendmail(server, "-FCronDaemon", "-i", "-B8BITMIME", "-oem", "root", text=text.encode()) == ""
    message = parsed(world)
    assert message["From"].addresses[0].addr_spec == "root@example.org"
    assert message["To"].addresses[0].addr_spec == "root@example.org"
    assert message["X-Cron-Env"] == "<SHELL=/bin/sh>" and message["Date"] and message["Message-ID"]
    assert the_only(world).text.endswith("\n\nübel\n.\nend\n".encode())
    assert the_only(world).header("Return-Path") == f"<{ME}>"


def test_php(world, server):
    """mail(): `sendmail -t -i` by sh, and header lines whose ends differ from those of the text; -f from the fifth argument."""
    text = b"To: alice@example.org\r\nSubject: =?UTF-8?Q?W=C3=B6rter?=\r\nFrom: Shop <shop@example.org>\r\nX-PHP: 8\r\n\r\none\ntwo\r\n"
    world.build(local_submission=name_of())
    sendmail(server, "-t", "-i", "-fshop@example.org", text=text)
    message = parsed(world)
    assert message["From"] == "Shop <shop@example.org>" and message["Subject"] == "Wörter"
    assert the_only(world).text.endswith(b"\nX-PHP: 8\n\none\ntwo\n")
    assert the_only(world).header("Return-Path") == "<shop@example.org>"


def test_mutt(world, server):
    """`sendmail -oem -oi -f alice -- recipients`, with Bcc in the header (write_bcc)."""
    text = b"Date: Mon, 30 Nov 2026 07:00:00 +0000\nFrom: Me <me@example.org>\nTo: alice@example.org\nBcc: bob@example.org\nMessage-ID: <1@mutt>\n\nhi\n"
    sendmail(server, "-oem", "-oi", "-f", ME, "--", ALICE, BOB, text=text)
    for user in ("alice", "bob"):
        message = parsed(world, user)
        assert message["Bcc"] is None and message["Message-ID"] == "<1@mutt>" and len(message.get_all("Date")) == 1


def test_vacation(world, server):
    """`sendmail -f <> recipient`, or with an empty argument: a reply that nobody answers."""
    for sender in ("<>", ""):
        sendmail(server, "-f", sender, ALICE)
    assert [m.header("Return-Path") for m in world.messages("alice")] == ["<>", "<>"]


@pytest.mark.skipif(not IS_ROOT, reason="needs root")
def test_other_users(world, server):
    """The kernel tells who it is; -f does not help."""
    sendmail(server, ALICE, uid=DAEMON)
    assert the_only(world).header("Return-Path") == "<daemon@example.org>"
    assert parsed(world)["From"].addresses[0].addr_spec == "daemon@example.org"
    said = sendmail(server, "-f", BOB, ALICE, uid=DAEMON, code=77)
    assert said == f"mailslot-sendmail: {BOB}: 550 5.7.1 You may not send from this address\n"
    said = sendmail(server, ALICE, uid=54321, code=77)
    assert "550 5.7.1 Your user id has no name on this system" in said
    assert len(world.messages("alice")) == 1


def test_from(world, server):
    """A From field is added with -F, $NAME, or the name in the system's user database, encoded where that is necessary."""
    for name, due in (
        ("Alice Example", "Alice Example"), ("A. \"B\" (C)", "A. \"B\" (C)"), ("Jörg", "Jörg"), ("Wörter " * 20, ("Wörter " * 20).strip()),
        ("", ""),
    ):  # fmt: skip
        sendmail(server, "-F", name, ALICE)
        raw = world.messages("alice")[-1].text
        assert all(len(line) <= 78 for line in raw.split(b"\n")[:20]) and raw.isascii()
        value = str(email.header.make_header(email.header.decode_header(email.message_from_bytes(raw)["From"])))
        shown, address = email.utils.parseaddr(value)
        assert address == ME and shown.strip() == due
    sendmail(server, ALICE, env={"NAME": "By Environment"})
    assert b"From: By Environment <" in world.messages("alice")[-1].text
    sendmail(server, ALICE, text=b"Subject: t\nFROM : x@y\n\nFrom: body\n")
    assert world.messages("alice")[-1].text.count(b"From: ") == 1  # that of the body


def test_no_header(world, server):
    """A text that does not begin with a header gets one."""
    sendmail(server, ALICE, text=b"just a line\nTo: nobody\n")
    message = parsed(world)
    assert message.get_content() == "just a line\nTo: nobody\n" and message["To"].groups[0].display_name == "undisclosed-recipients"
    sendmail(server, ALICE, text=b"")
    sendmail(server, ALICE, text=b"Subject: only a header")
    assert world.messages("alice")[-1].text.endswith(b"Subject: only a header\n\n")
    sendmail(server, ALICE, text=b"From alice Mon Nov 30 07:00:00 2026\nSubject: of an mbox\n\nx\n")
    assert b"Mon Nov 30" not in world.messages("alice")[-1].text.replace(b"\n\tMon, 30 Nov", b"")


# ---- recipients --------------------------------------------------------------------------------


def test_recipients_of_the_header(world, server):
    """-t: To, Cc and Bcc, in any form that RFC 5322 allows, added to those on the command line; nobody sees Bcc."""
    text = (
        b'To: "Example, Alice" <alice@example.org> (the first),\n bob (no domain)\nCC: Team: carol@example.net, <alice@example.org>;\n'
        b"bcc: alice@example.net\nBcc:\n closed@example.org (folded)\nSubject: t\n\nBcc: stays\n"
    )
    world.users.remove("closed@example.org::disabled")
    world.users.append("closed@example.org::")
    world.build()
    sendmail(server, "-ti", text=text)
    for user in ("alice", "bob", "carol@example.net", "alice@example.net", "closed@example.org"):
        message = the_only(world, user)
        assert b"bcc:" not in message.text.lower().replace(b"\n\nbcc: stays", b"") and b"folded" not in message.text
        assert b"\n bob@example.org (no domain)\n" in message.text and message.text.endswith(b"\n\nBcc: stays\n")
    assert "recipients=5 " in server.log
    sendmail(server, "-t", "bob", text=b"To: alice@example.org\n\nx\n")
    assert len(world.messages("alice")) == 2 and len(world.messages("bob")) == 2


def test_resent(world, server):
    sendmail(server, "-t", text=b"Resent-To: bob\nResent-Bcc: alice@example.org\nTo: nobody@example.org\nBcc: nobody\nSubject: t\n\nx\n")
    assert world.sent("bob")[0] == world.sent("alice")[0] and b"Bcc" not in the_only(world).text
    assert parsed(world)["Resent-To"].addresses[0].addr_spec == BOB


def test_recipients_as_arguments(world, server):
    """Lists and names are understood, and one who is named twice is asked for once; without -t the header is only text."""
    sendmail(server, "alice,  Bob <bob@example.org>", "alice@example.org", text=b"To: nobody@example.org\n\nx\n")
    assert len(world.messages("alice")) == len(world.messages("bob")) == 1
    assert "recipients=2 " in server.log


def test_all_or_none(world, server):
    """If one is refused, nobody gets the message, and all who are refused are named."""
    said = sendmail(server, ALICE, "nobody@example.org", BOB, "x@elsewhere.example", code=67)
    assert "nobody@example.org: 550 5.1.1 No such user here" in said and "x@elsewhere.example: 550 5.7.1 " in said
    assert "nothing was sent to anybody" in said
    assert not world.everything()


# ---- the text ----------------------------------------------------------------------------------


def test_dots(world, server):
    """A lone dot ends the message, unless -i or -oi is given; other dots mean nothing."""
    dots = b"Subject: t\n\n..\n.x\n. \n"
    sendmail(server, ALICE, text=dots + b".\nBcc: secret\n")
    assert world.messages("alice")[-1].text.endswith(b"\n\n..\n.x\n. \n")
    for option in ("-i", "-oi"):
        sendmail(server, option, ALICE, text=dots + b".\nmore\n.")
        assert world.messages("alice")[-1].text.endswith(b"\n\n..\n.x\n. \n.\nmore\n.\n")
    sendmail(server, ALICE, text=b"Subject: t\r\n\r\nx\r\n.\r\nmore\r\n")
    assert world.messages("alice")[-1].text.endswith(b"\n\nx\n")


def test_line_ends_and_long_lines(world, server):
    """LF and CRLF; lines of any length, and 8-bit text of any kind, arrive as they are."""
    long = b"y" * 100000
    body = b"\xff\xfe\x80 latin\n" + long + b"\n" + "ß".encode() * 5000 + b"\nlast line without its end"
    sendmail(server, "-i", ALICE, text=b"Subject: t\n\n" + body)
    assert the_only(world).text.endswith(b"\n\n" + body + b"\n")
    sendmail(server, "-i", BOB, text=(b"Subject: t\n\n" + body).replace(b"\n", b"\r\n"))
    assert the_only(world, "bob").text.endswith(b"\n\n" + body + b"\n")


def test_large_message(world, server):
    world.build(max_message_size="1M")
    said = sendmail(server, ALICE, text=TEXT + b"z" * 70 + b"\n" * (1 << 20), code=69)
    assert "552 5.3.4" in said
    sendmail(server, ALICE, text=TEXT + (b"z" * 70 + b"\n") * 14000)
    assert len(the_only(world).text) > 900000


def test_slow_producer(world, server):
    """A job of cron may write for hours: the server is not connected before it has ended."""
    process = start(server, "-i", ALICE)
    process.stdin.write(TEXT)
    process.stdin.flush()
    time.sleep(0.3)
    assert not server.processes
    process.stdin.close()
    assert process.wait(20) == 0
    assert the_only(world).text.endswith(TEXT)


def test_without_a_folder_for_temporary_files(world, server):
    """In a chroot of a web server there may be no /tmp."""
    needs("unshare")
    # The program itself may be below /tmp.
    script = 'exec 3<"$1" && shift && mount -t tmpfs -o ro,size=4k none /tmp && exec /proc/self/fd/3 "$@"'
    argv = ["unshare", "-m", "sh", "-c", script, "sh", binary("mailslot-sendmail"), ALICE]
    if not IS_ROOT:
        pytest.skip("needs root")
    path = f"/proc/{os.getpid()}/cwd/submit"
    with in_folder(server.path):
        done = subprocess.run(argv, input=TEXT, env={**os.environ, "MAILSLOT_SUBMIT": path}, capture_output=True, timeout=20)
    assert done.returncode == 0, done
    assert the_only(world).text.endswith(TEXT)


# ---- exit codes --------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments, text, code, said", [
    ([], TEXT, 64, "name the recipients, or use -t"),
    (["-t"], TEXT, 64, "the header names no recipients"),
    (["--no-such"], TEXT, 64, "--help"),
    (["-y", ALICE], TEXT, 64, "--help"),
    (["-f", "a b", ALICE], TEXT, 64, "-f a b: this is not an address"),
    (["-f", "a@b, c@d", ALICE], TEXT, 64, "-f a@b, c@d: write one address"),
    (["-bd"], b"", 64, "systemctl enable --now mailslot.socket"),
    (["-bv", ALICE], b"", 64, "-bv is not supported"),
    (["John Doe"], TEXT, 65, "John Doe: this is not an address"),
    (["<>"], TEXT, 65, "<> cannot be a recipient"),
    (["-t"], b"To: alice bob\n\nx\n", 65, "To: this is not a list of addresses: alice bob"),
    (["nobody@example.org"], TEXT, 67, "nobody@example.org: 550 5.1.1 No such user here"),
    (["closed@example.org"], TEXT, 67, "closed@example.org: 550 5.2.1 "),
    (["x@elsewhere.example"], TEXT, 77, "x@elsewhere.example: 550 5.7.1 "),
    (["-bp"], b"", 0, "Mail queue is empty"),
    (["-bi"], b"", 0, "mailslot-build"),
    (["-q"], b"", 0, ""),
    (["-q30m"], b"", 0, ""),
    (["--version"], b"", 0, "mailslot-sendmail (mailslot) "),
    (["--help"], b"", 0, "usage: mailslot-sendmail"),
])  # fmt: skip
def test_exit_codes(world, server, arguments, text, code, said):
    assert said in sendmail(server, *arguments, text=text, code=code)
    assert not world.everything()


def test_other_names(server):
    """As /usr/bin/mailq and newaliases, which are links to sendmail."""
    assert "Mail queue is empty" in sendmail(server, name="mailq", text=b"")
    assert "mailslot-build" in sendmail(server, name="/usr/bin/newaliases", text=b"")


def test_options_without_effect(world, server):
    """What callers of Postfix, Exim, sendmail, dma and msmtp give."""
    sendmail(
        server, "-Am", "-Ac", "-B", "8BITMIME", "-C/etc/mail.cf", "-G", "-h", "5", "-L", "tag", "-m", "-n", "-N", "never", "-O", "Opt=1",
        "-o7", "-oem", "-om", "-R", "hdrs", "-U", "-V", "id", "-X", "/log", "-bm", "-em", "-x", "-p", "esmtp:host", "-d0.1", "-oi", ALICE,
    )  # fmt: skip
    assert the_only(world).text.endswith(TEXT)


def test_verbose(world, server):
    assert "mailslot-sendmail: Delivered, id " in sendmail(server, "-v", ALICE)


def test_no_server(world, server):
    """75: cron's and mutt's cue to try again."""
    for path, error in (("nowhere", "No such file"), ("x" * 200, "too long")):
        said = sendmail(server, ALICE, env={"MAILSLOT_SUBMIT": path}, code=75)
        assert f"cannot connect to {path}" in said and error in said
    said = sendmail(server, "-bs", env={"MAILSLOT_SUBMIT": "nowhere"}, text=b"", code=75)
    assert said.startswith("421 4.3.2 ")


def test_deferred(world, server):
    """A database that cannot be read, and a mailbox that is locked: 75."""
    world.preset("alice", b"", mode=0o000) if not IS_ROOT else world.mailbox("alice").mkdir(parents=True)
    assert "451 4.2.0" in sendmail(server, ALICE, code=75)
    world.db.write_bytes(b"x" * 4096)
    assert "451 4.3.0" in sendmail(server, ALICE, code=75)


def test_permanent_before_temporary(world, server):
    """If one recipient is refused for good, trying again is of no use."""
    world.users[0] = "alice@example.org::quota=1K"
    world.build()
    text = TEXT + b"x" * 2000
    assert "452 4.2.2" in sendmail(server, BOB, ALICE, text=text, code=75)
    sendmail(server, ALICE, "nobody@example.org", text=text, code=67)
    sendmail(server, "nobody@example.org", ALICE, text=text, code=67)
    assert not world.everything()


class Script:
    """A server that replies with these bytes, one for each time it has read something."""

    def __init__(self, path, *replies):
        self.path, self.replies, self.processes = path, replies, []

    def __enter__(self):
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(str(self.path))
        self.listening.listen()
        if os.fork() == 0:
            connection, _ = self.listening.accept()
            for number, reply in enumerate(self.replies):
                if number > 0:
                    connection.recv(65536)
                connection.sendall(reply)
            connection.close()
            os._exit(0)
        return self

    def __exit__(self, *_):
        self.listening.close()
        self.path.unlink()
        os.wait()


HELLO = (b"220 x ESMTP\r\n", b"250-x\r\n250-PIPELINING\r\n250 XLOCAL me@example.org\r\n")
ENVELOPE = b"250 2.1.0 ok\r\n250 2.1.5 ok\r\n"


@pytest.mark.parametrize("replies, code, said", [
    ((b"",), 75, "hung up"),
    ((b"421 4.3.2 stopping\r\n",), 75, "421 4.3.2 stopping"),
    ((b"554 5.7.1 go away\r\n",), 77, "554 5.7.1 go away"),
    ((b"nonsense\r\n",), 75, "not replied properly"),
    (HELLO, 75, "hung up"),
    ((*HELLO, b"250 2.1.0 ok\r\n421 4.3.2 stopping\r\n"), 75, "421 4.3.2 stopping"),
    ((*HELLO, b"552 5.3.4 too large\r\n503 no\r\n"), 69, "me@example.org: 552 5.3.4 too large"),
    ((*HELLO, b"250 ok\r\n550 no\r\n"), 69, "alice@example.org: 550 5.0.0 no"),
    ((*HELLO, b"250 ok\r\n550 5.1.2 no such host\r\n"), 68, "550 5.1.2"),
    ((*HELLO, ENVELOPE, b"554 5.6.0 content\r\n"), 65, "the message: 554 5.6.0 content"),
    ((*HELLO, ENVELOPE, b"354 go\r\n"), 75, "the message: the server has hung up"),
    ((*HELLO, ENVELOPE, b"354 go\r\n", b"554 5.7.1 spam\r\n"), 77, "the message: 554 5.7.1 spam"),
    ((*HELLO, ENVELOPE, b"354 go\r\n", b"554 5.4.6 loop\r\n"), 69, "554 5.4.6 loop"),
    ((*HELLO, ENVELOPE, b"354 go\r\n", b"451 4.4.1 not now\r\n"), 75, "451 4.4.1 not now"),
    ((*HELLO, ENVELOPE, b"354 go\r\n", b"250 2.0.0 done\r\n"), 0, ""),
])  # fmt: skip
def test_what_servers_say(world, replies, code, said):
    with Script(open_folder(world) / "submit", *replies) as server:
        assert said in sendmail(server, ALICE, code=code)


# ---- signals, and SMTP on standard input -------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_killed_while_it_reads(world, server, number):
    process = start(server, "-i", ALICE)
    process.stdin.write(TEXT)
    process.stdin.flush()
    wait_until(lambda: False, 0.1)
    process.send_signal(number)
    assert process.wait(20) == -number
    assert not server.processes and not world.everything()


def test_killed_while_it_sends(world, server, strace_works):
    """The server gets no dot, and so delivers nothing."""
    text = TEXT + (b"x" * 70 + b"\n") * 200000
    trace = world.folder / "trace"
    slow = ["strace", "-f", "-qq", "-o", trace, "-e", "trace=sendto", "-e", "inject=sendto:signal=KILL:when=6"]
    with in_folder(server.path):
        done = subprocess.run(
            [*slow, binary("mailslot-sendmail"), "-i", ALICE], input=text, timeout=60,
            env={**os.environ, "MAILSLOT_SUBMIT": "submit", "ASAN_OPTIONS": "detect_leaks=0"}, capture_output=True,
        )  # fmt: skip
    assert done.returncode in (-9, 137), done
    assert wait_until(lambda: server.processes and all(p.poll() is not None for p in server.processes))
    assert not world.everything()


def test_smtp_on_standard_input(world, server):
    """-bs, for programs that speak SMTP to a pipe; pipelined, and closed after the last command."""
    text = (
        f"EHLO x\r\nMAIL FROM:<{ME}>\r\nRCPT TO:<{ALICE}>\r\nDATA\r\nSubject: t\r\n\r\nx\r\n.\r\nQUIT\r\n"
    ).encode()
    said = sendmail(server, "-bs", text=text)
    assert [line[:3] for line in said.splitlines() if line[3] == " "] == ["220", "250", "250", "250", "354", "250", "221"]
    assert the_only(world).text.endswith(TEXT)
    assert "QUIT" not in sendmail(server, "-bs", text=b"")


def test_smtplib_over_standard_input(world, server):
    process = start(server, "-bs")

    class Pipe(smtplib.SMTP):
        def _get_socket(self, *_):
            class Socket:
                def makefile(self, *_):
                    return process.stdout

                def sendall(self, data):
                    process.stdin.write(data)
                    process.stdin.flush()

                def close(self):
                    process.stdin.close()

            return Socket()

    with Pipe("pipe") as client:
        assert client.has_extn("xlocal") is False and client.ehlo("x")[0] == 250
        client.sendmail(ME, [ALICE], TEXT.decode())
    assert process.wait(20) == 0
    assert the_only(world).text.endswith(TEXT)
