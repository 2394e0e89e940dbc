#!/usr/bin/python3
"""Clients that run inside the machine of test_systemd*.py: machine_client.py WHAT ARGUMENT..."""

import base64
import imaplib
import json
import re
import select
import smtplib
import socket
import ssl
import sys
import threading
import time
from pathlib import Path

CERTIFICATE = "/etc/letsencrypt/live/mx.example.org/fullchain.pem"


def text(tag, size=0):
    return f"Subject: {tag}\r\n\r\n<{tag}> Dry and safe.\r\n" + ("y" * 78 + "\r\n") * (size // 80)


def verifying():
    context = ssl.create_default_context(cafile=CERTIFICATE)
    context.check_hostname = False  # because we connect to an address
    return context


def send(host, tag, *recipients):
    with smtplib.SMTP(host, 25, timeout=20) as smtp:
        smtp.sendmail(f"{tag}@client.example", recipients, text(tag))


def send_by_tls(tag, size, *recipients):
    with smtplib.SMTP("127.0.0.1", 25, timeout=20) as smtp:
        smtp.starttls(context=verifying())
        smtp.sendmail("s@client.example", recipients, text(tag, int(size)))
        print(smtp.sock.version())


def send_by_lmtp(path, tag, *recipients):
    with smtplib.LMTP(path) as smtp:
        smtp.sendmail("s@client.example", recipients, text(tag))
        for _ in recipients[1:]:  # smtplib reads one reply, but each recipient has one
            assert smtp.getreply()[0] == 250


def refused(port, recipient):
    """The code of the reply that refuses the message."""
    try:
        with smtplib.SMTP("127.0.0.1", int(port), timeout=30) as smtp:
            smtp.sendmail("s@client.example", [recipient], text("refused"))
            print("accepted")
    except smtplib.SMTPResponseException as error:
        print(error.smtp_code)


def burst(count):
    """Opens so many connections at once: how many were greeted, and how many were not even accepted."""
    sockets = [socket.socket() for _ in range(int(count))]
    for s in sockets:
        s.setblocking(False)
        s.connect_ex(("127.0.0.1", 25))
    greeted = refused = 0
    for s in sockets:
        s.settimeout(30)
        try:
            greeted += s.recv(512).startswith(b"220 ")
        except ConnectionRefusedError:
            refused += 1
        except ConnectionError:
            pass
        s.close()
    print(greeted, refused)


def hold(count, most):
    """Opens so many connections: how many are served at one time. After the maximum is reached, we wait half a
    second for more."""
    poll, sockets, greeted = select.poll(), {}, 0
    for _ in range(int(count)):
        s = socket.create_connection(("127.0.0.1", 25), 30)
        poll.register(s, select.POLLIN)
        sockets[s.fileno()] = s
    while sockets and (ready := poll.poll(30_000 if greeted < int(most) else 500)):
        for fd, _ in ready:
            poll.unregister(fd)
            try:
                greeted += sockets[fd].recv(512).startswith(b"220 ")
            except ConnectionError:
                pass
    print(greeted)


class Sender(threading.Thread):
    """Sends messages one by one, each over its own connection, until it is stopped."""

    def __init__(self, name, recipient):
        super().__init__()
        self.name, self.recipient = name, recipient
        self.acknowledged, self.refused, self.broken = [], [], 0
        self.stopping = threading.Event()

    def run(self):
        for count in range(100000):
            if self.stopping.is_set():
                return
            tag = f"{self.name}.{count}"
            try:
                with smtplib.SMTP("127.0.0.1", 25, timeout=40) as smtp:
                    smtp.sendmail("s@client.example", [self.recipient], text(tag))
                    self.acknowledged.append(tag)
            except ConnectionRefusedError as error:
                self.refused.append(f"{tag}: {error}")
            except (smtplib.SMTPException, ConnectionError):
                self.broken += 1  # the reply was to try again: not acknowledged


def load(clients, recipient):
    """Sends mail from so many clients until a line arrives on standard input; then prints the results."""
    senders = [Sender(f"m{i}", recipient) for i in range(int(clients))]
    for sender in senders:
        sender.start()
    print("sending", flush=True)
    sys.stdin.readline()
    for sender in senders:
        sender.stopping.set()
    for sender in senders:
        sender.join()
    print(
        json.dumps(
            {
                "acknowledged": [t for s in senders for t in s.acknowledged],
                "refused": [t for s in senders for t in s.refused],
                "broken": sum(s.broken for s in senders),
            }
        )
    )


def half(recipient):
    """Begins a message, and ends it when a line arrives on standard input."""
    with smtplib.SMTP("127.0.0.1", 25, timeout=30) as smtp:
        smtp.ehlo()
        smtp.mail("s@client.example")
        smtp.rcpt(recipient)
        smtp.docmd("DATA")
        smtp.send("Subject: half\r\n\r\n<half> Dry ")
        print("begun", flush=True)
        sys.stdin.readline()
        try:
            smtp.send("and safe.\r\n.\r\n")
            print(smtp.getreply()[0])
        except (smtplib.SMTPException, ConnectionError):
            print("lost")


def mailbox_of(user, password):
    imap = imaplib.IMAP4("127.0.0.1")
    imap.login(user, password)
    return imap


def taken(imap):
    """The tags of the messages in INBOX; the messages are expunged."""
    imap.select("INBOX")
    _, numbers = imap.search(None, "ALL")
    tags = []
    for number in numbers[0].split():
        _, parts = imap.fetch(number, "(BODY[TEXT])")
        tags.append(re.match(rb"<(.*)> Dry and safe\.\r\n", parts[0][1]).group(1).decode())
        imap.store(number, "+FLAGS", r"(\Deleted)")
    imap.expunge()
    return tags


def read_by_imap(user, password):
    """Reads and expunges all messages until a line arrives on standard input; then prints their tags."""
    with mailbox_of(user, password) as imap:
        tags = taken(imap)
        print("reading", flush=True)
        while not select.select([sys.stdin], [], [], 0)[0]:
            tags += taken(imap)
        print(json.dumps(tags + taken(imap)))


def found(mailbox):
    """The tags of the messages in a mailbox, in order. Each message must be whole."""
    path = Path(mailbox)
    content = path.read_text() if path.exists() else ""
    messages = re.split(r"^From .*\n", content, flags=re.M)[1:]
    tags = [re.search(r"^<(.*)> Dry and safe\.\n", m, re.M) for m in messages]
    assert all(tags), f"torn: {messages}"
    print(json.dumps([t.group(1) for t in tags]))


def smarthost(port, name, *words):
    """A server of a provider, with STARTTLS, or TLS at once on port 465, and AUTH by these mechanisms. Prints what it has received."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    import hop

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"/etc/ssl/private/{name}.pem")
    server = hop.Hop(name, port=int(port), tls="implicit" if port == "465" else "starttls", context=context,
                     extensions=("PIPELINING", "8BITMIME", "SIZE 104857600", "AUTH " + " ".join(words)))  # fmt: skip
    print("ready", flush=True)
    sys.stdin.readline()
    messages = [{"sender": m.sender, "recipients": m.recipients, "text": m.text.decode()} for m in server.messages]
    print(json.dumps({"commands": server.commands, "messages": messages}))


def held_smarthost(port):
    """A smarthost without TLS that answers a final dot when /run/answer exists. It lists in /var/tmp/accepted what it has accepted,
    and prints that when a line arrives on standard input."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    import hop

    accepted = Path("/var/tmp/accepted")

    def answer(session, _):
        Path("/run/dotted").touch()
        while not Path("/run/answer").exists():
            time.sleep(0.02)
        subject = re.search(rb"^Subject: (.*)$", session.messages[-1].text, re.M)
        accepted.write_text(accepted.read_text() + subject[1].decode() + "\n")
        return "250 2.0.0 Taken"

    accepted.write_text("")
    server = hop.Hop("smarthost", port=int(port), dot=answer)
    print("ready", flush=True)
    sys.stdin.readline()
    print(accepted.read_text())
    server.stop()


def milter(place, name):
    """A filter at this port or path, which adds a field with its name. Prints how many messages it has seen, and by how many
    connections."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    import milter
    from milter_packet import add_field

    where = {"port": int(place)} if place.isdecimal() else {"path": Path(place)}
    server = milter.Milter(name, changes=add_field("X-Filter", name), **where)
    print("ready", flush=True)
    sys.stdin.readline()
    print(len(server.messages), len(server.sessions))
    server.stop()


def send_slowly(tag, recipient):
    """As alice, by port 587; stops in the text until a line arrives on standard input. Prints the last reply."""
    with socket.create_connection(("127.0.0.1", 587), 120) as sock, sock.makefile("rwb") as file:
        login = base64.b64encode(b"\0alice@example.org\0a secret").decode()
        commands = ("EHLO c", f"AUTH PLAIN {login}", "MAIL FROM:<alice@example.org>", f"RCPT TO:<{recipient}>", "DATA")
        reply_of(file)
        for command in commands:
            file.write(command.encode() + b"\r\n")
            file.flush()
            assert (reply := reply_of(file))[:1] in b"23", reply
        head, _, body = text(tag).encode().partition(b"\r\n\r\n")
        file.write(head + b"\r\n\r\n")
        file.flush()
        print("in the text", flush=True)
        sys.stdin.readline()
        try:
            file.write(body + b".\r\n")
            file.flush()
            print(reply_of(file).decode())
        except ConnectionError:
            print(reply_of(file).decode())


def reply_of(file):
    """The last line of a reply."""
    while (line := file.readline())[3:4] == b"-":
        pass
    return line.strip()


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
