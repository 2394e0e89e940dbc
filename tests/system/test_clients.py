"""Mail sent by real clients, and read back by real readers."""

import concurrent.futures
import email
import email.message
import os
import re
import shutil
import smtplib
import subprocess

import pytest
from basics import HOSTNAME, needs, unpacked, unpacked_environment
from mbox import python_reads, stored_form
from readers import mutt

MAIL = b"From: s@client.example\nTo: alice@example.org\nSubject: hello\n\nFrom here,\n.\n..\nto there.\n"
WIRE = MAIL.replace(b"\n", b"\r\n")  # smtplib corrects the line ends of str, but not of bytes


def client(*argv, **more):
    done = subprocess.run(
        [str(a) for a in argv], capture_output=True, timeout=60, stdin=more.pop("stdin", subprocess.DEVNULL), **more
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_smtplib(world, listener):
    with smtplib.SMTP("127.0.0.1", listener.port, local_hostname="client.example") as smtp:
        assert smtp.ehlo()[0] == 250
        assert smtp.esmtp_features["size"] == "52428800"
        assert smtp.verify("bob@example.org") == (250, b"2.1.5 <bob@example.org>")
        assert smtp.sendmail("s@client.example", ["alice@example.org", "bob@example.org"], WIRE) == {}
        assert smtp.noop()[0] == 250
        refused = smtp.sendmail("s@client.example", ["alice@example.org", "nobody@example.org"], WIRE)
        assert refused["nobody@example.org"][0] == 550
    assert world.sent("alice") == [MAIL, MAIL] and world.sent("bob") == [MAIL]


def test_smtplib_message_object(world, listener):
    message = email.message.EmailMessage()
    message["From"], message["To"], message["Subject"] = "s@client.example", "alice@example.org", "j\xf6rg"
    message.set_content("caf\xe9\n" * 200, cte="8bit")
    message.add_attachment(os.urandom(300000), maintype="application", subtype="octet-stream")
    with smtplib.SMTP("127.0.0.1", listener.port) as smtp:
        smtp.send_message(message)
    read = email.message_from_bytes(python_reads(world.mailbox("alice"))[0], policy=email.policy.default)
    ours, theirs = list(message.walk()), list(read.walk())
    assert read["Subject"] == "j\xf6rg" and len(ours) == len(theirs) == 3
    assert theirs[2].get_content() == ours[2].get_content()


def test_swaks(world, listener):
    needs("swaks")
    out = client(
        "swaks", "--server", "127.0.0.1", "--port", listener.port, "--from", "s@client.example", "--to",
        "alice@example.org,carol@example.net", "--pipeline", "--h-Subject", "by swaks", "--body", "From here\n.\nto there",
    )  # fmt: skip
    assert b"250 2.0.0" in out
    for who in ("alice", "carol@example.net"):
        (message,) = world.messages(who)
        assert message.header("Subject") == "by swaks" and b"From here\n.\nto there" in message.sent


def test_curl(world, listener):
    needs("curl")
    path = world.folder / "mail.txt"
    path.write_bytes(MAIL)
    client(
        "curl", "-sS", "--crlf", f"smtp://127.0.0.1:{listener.port}/client.example", "--mail-from",
        "s@client.example", "--mail-rcpt", "alice@example.org", "--mail-rcpt", "bob@example.org",
        "--upload-file", path,
    )  # fmt: skip
    assert world.sent("alice") == world.sent("bob") == [MAIL]
    out = client("curl", "-sS", f"smtp://127.0.0.1:{listener.port}", "--request", "VRFY bob@example.org")
    assert b"bob@example.org" in out


def test_msmtp(world, listener):
    needs("msmtp")
    subprocess.run(
        ["msmtp", "-C", "/dev/null", "--host=127.0.0.1", f"--port={listener.port}", "--from=s@client.example",
         "--tls=off", "--auth=off", "--domain=client.example", "--set-date-header=off",
         "--set-msgid-header=off", "alice@example.org", "bob@example.org"],
        input=MAIL, check=True, timeout=60,
    )  # fmt: skip
    assert world.sent("alice") == world.sent("bob") == [MAIL]


def smtp_source(port, *options):
    program = unpacked("postfix", "usr/sbin/smtp-source")
    return client(
        program, *options, "-f", "s@client.example", "-M", "client.example", f"127.0.0.1:{port}",
        env=unpacked_environment(), cwd="/",
    )  # fmt: skip


@pytest.mark.world
def test_smtp_source_many_connections(world, listener):
    """A connection for each message, eight at a time."""
    smtp_source(listener.port, "-c", "-s", "8", "-m", "120", "-l", "4000", "-t", "alice@example.org")
    assert len(world.messages("alice")) == 120
    assert len({message.sent.partition(b"\n\n")[2] for message in world.messages("alice")}) == 1


@pytest.mark.world
def test_smtp_source_one_connection(world, listener):
    """All messages in one session (-d), several recipients each (-r)."""
    # Postfix 3.7 sends to 1user to 3user in each transaction, Postfix 3.10 to user0, user1, ...
    users = [f"{i}user@example.org" for i in range(1, 4)] + ["user@example.org"] + [f"user{i}@example.org" for i in range(121)]
    world.users += [f"{user}::" for user in users]
    world.build()
    smtp_source(listener.port, "-d", "-s", "2", "-m", "40", "-r", "3", "-l", "100", "-t", "user@example.org")
    counts = {user: len(world.messages(user)) for user in users}
    assert sum(counts.values()) == 120, counts


def test_many_clients_at_once(world, listener):
    def send(number):
        text = b"Subject: %d\n\n" % number + b"x" * (number * 1000) + b"\n"
        with smtplib.SMTP("127.0.0.1", listener.port, local_hostname="client.example") as smtp:
            smtp.sendmail("s@client.example", ["alice@example.org", "carol@example.net"], text.replace(b"\n", b"\r\n"))
        return text

    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        sent = sorted(pool.map(send, range(36)))
    assert sorted(world.sent("alice")) == sorted(world.sent("carol@example.net")) == sent


# ---- readers -----------------------------------------------------------------------------------

TRICKY = [
    b"Subject: plain\n\nbody\n",
    b"Subject: empty\n\n",
    b"Subject: from\n\nFrom here\n>From there\n\nFrom evil@client.example Mon Jan  1 00:00:00 2001\nSubject: forged\n\nx\n",
    b"Subject: blank lines\n\n\n\nbody\n\n\n\n",
    b"Subject: dots\n\n.\n..\n...\n",
    b"Subject: long\n\n" + b"x" * 100000 + b"\n",
    b"Subject: eight bit\n\n" + bytes(range(128, 256)) + b"\n",
    b"Subject: false length\nContent-Length: 3\nLines: 1\n\nmuch longer than that\nFrom me\n",
]


def fill(world):
    with world.session() as session:
        session.greet()
        for text in TRICKY:
            assert session.transaction(["alice@example.org"], text).startswith("250 2.0.0")


def unquoted(text):
    return re.sub(rb"^>(>*From )", rb"\1", text, flags=re.M)


def test_python_reads_back(world):
    """Python's mailbox module finds exactly the messages that were sent."""
    fill(world)
    read = python_reads(world.mailbox("alice"))
    assert len(read) == len(TRICKY)
    for sent, text in zip(TRICKY, read):
        assert unquoted(text).endswith(b"\n" + stored_form(sent)), sent[:40]


def test_mutt_reads_back(world, tmp_path):
    """mutt finds all messages, and copies each of them whole. It does not undo the quoting."""
    fill(world)
    box = tmp_path / "mutt" / "box"
    box.parent.mkdir()
    shutil.copy(world.mailbox("alice"), box)
    read = [text.partition(b"Subject: ")[2] for text in mutt(box)]
    wanted = [stored_form(text).partition(b"Subject: ")[2] for text in TRICKY]
    assert len(read) == len(wanted)
    for ours, theirs in zip(wanted, read):
        assert unquoted(theirs).rstrip(b"\n") == ours.rstrip(b"\n")


def test_a_simple_reader_finds_all_messages(world):
    """Readers like formail split a mailbox at each blank line that is followed by `From `."""
    fill(world)
    raw = world.raw("alice")
    assert len(re.findall(rb"(?:\A|\n\n)From \S+ ", raw)) == len(TRICKY)


def test_replies_contain_the_hostname(world, listener):
    with smtplib.SMTP("127.0.0.1", listener.port) as smtp:
        code, text = smtp.helo("client.example")
        assert code == 250 and text.startswith(HOSTNAME.encode())
