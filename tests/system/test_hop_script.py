"""The scripted server of hop.py does what its scripts say, and records what it is sent."""

import smtplib
import socket
import ssl
import threading

import pytest
from client import Closed, Line
from hop import CLOSE, HANG, NOTHING, RESET, Cut, Endless, Until, Wait, connect_unix
from tls import context

TEXT = b"Subject: x\r\n\r\n.\r\n..two\r\nlast\r\n"


def line_to(hop):
    return Line(sock=connect_unix(hop.path))


def begin(hop, *recipients, hello="LHLO c"):
    line = line_to(hop)
    assert line.reply().startswith("220 ")
    assert line.ask(hello).startswith("250-")
    for command in ("MAIL FROM:<s@client.example> SIZE=3", *(f"RCPT TO:<{r}>" for r in recipients)):
        line.ask(command)
    return line


def send_text(line):
    assert line.ask("DATA").startswith("354")
    line.try_send(TEXT.replace(b"\r\n.", b"\r\n..") + b".\r\n")


def test_everything_is_accepted_and_recorded(hops):
    """By a real client, over UNIX; two messages in a session, to one recipient each: smtplib reads a single reply."""
    store = hops("store", lmtp=True)
    with smtplib.LMTP(str(store.path)) as client:
        for recipient in ("a@x", "b@x"):
            assert client.sendmail("s@client.example", [recipient], TEXT) == {}
    (session,) = store.sessions
    assert store.wait_for_end() == ["quit"]
    assert [m.recipients for m in store.messages] == [["a@x"], ["b@x"]]
    assert store.messages[0].text == TEXT.replace(b"\r\n", b"\n") and store.messages[0].dotted
    assert store.messages[0].wire == TEXT.replace(b"\r\n.", b"\r\n..")
    assert [recipient for recipient, _ in store.accepted] == ["a@x", "b@x"]
    assert [c.split()[0].lower() for c in session.commands[-2:]] == ["data", "quit"]
    assert hops.journal[:3] == [("store", "connect", ""), ("store", "greeting", ""), ("store", "hello", session.hello)]


def test_answers_by_argument_and_by_turn(hops):
    hop = hops(rcpt={"no@x": "550 5.1.1 No", None: ["250 1", "451 2"]}, lmtp=True, dot={"a@x": "452 4.2.2 Full"}, mail="250-a\n250 b")
    line = begin(hop, "no@x")
    assert [line.ask(f"RCPT TO:<{r}>") for r in ("a@x", "b@x", "no@x", "a@x")] == ["250 1", "451 2", "550 5.1.1 No", "451 2"]
    send_text(line)
    assert line.reply() == "452 4.2.2 Full"
    assert hop.messages[0].refused == ["no@x", "b@x", "no@x", "a@x"] and hop.messages[0].parameters == "SIZE=3"
    assert not hop.accepted
    line.close()
    assert hop.wait_for_end() == ["closed"]


def test_odd_answers(hops):
    """Half a reply, a reply ahead of its command, 354 twice, replies that are missing."""
    hop = hops(mail=(b"250 2", Wait(0.01), b".1.0 ok\r\n"), rcpt="250 ok\n250 ahead", data="354 a\n354 b", lmtp=True, dot=[NOTHING, ("250 ok", CLOSE)])
    line = begin(hop, "a@x")
    assert line.reply() == "250 ahead"
    assert line.ask("RCPT TO:<b@x>") == "250 ok" and line.reply() == "250 ahead"
    send_text(line)
    assert [line.reply(), line.reply()] == ["354 b", "250 ok"]
    with pytest.raises(Closed):
        line.reply()
    line.close()
    assert hop.messages[0].replies == ["", "250"] and hop.accepted[0][0] == "b@x"
    assert hop.wait_for_end() == ["cut"]


def test_endless_reply_and_reset(hops):
    hop = hops(tcp=True, greeting=[Endless(b"220-" + 1000 * b"x" + b"\r\n"), RESET])
    line = Line(sock=socket.create_connection(("127.0.0.1", hop.port)))
    got = sum(len(line.read()) for _ in range(100))
    line.close()
    assert got > 10000 and hop.wait_for_end() == ["closed"]


@pytest.mark.parametrize("cut", [0, 1, 7, 15, len(TEXT) + 2, len(TEXT) + 5])
def test_cut_in_the_text(hops, cut):
    hop = hops(text=Cut(cut))
    line = begin(hop, "a@x", hello="EHLO c")
    send_text(line)
    assert line.rest() == b""
    line.close()
    assert hop.wait_for_end() == ["cut"]
    sent = TEXT.replace(b"\r\n.", b"\r\n..") + b".\r\n"
    assert hop.messages[0].wire == sent[:cut] and not hop.messages[0].dotted and not hop.accepted


def test_cut_at_every_byte(hops):
    """Of what the server says, and of what it has read."""
    said = b"220 hop.example ready\r\n"
    for cut in range(len(said) + 1):
        hop = hops(f"out{cut}", cut=cut)
        line = line_to(hop)
        assert line.rest() == said[:cut]
        line.close()
    for cut in range(1, 8):
        hop = hops(f"in{cut}", cut_in=cut)
        line = line_to(hop)
        line.try_send(b"NOOP\r\nRSET\r\n")
        line.rest()
        line.close()
        assert hop.wait_for_end() == ["cut"]
        assert hop.sessions[0].received == b"NOOP\r\nR"[:cut] and hop.commands == ["NOOP"][: cut // 6]


def test_hanging_waiting_and_pipelining(hops):
    """A step waits for the test; another hangs until the test ends, which does not take long."""
    go = threading.Event()
    hop = hops(mail=(Until(go), "250 ok"), rset=HANG)
    line = line_to(hop)
    line.reply()
    line.send(b"MAIL FROM:<s@x>\r\nRCPT TO:<a@x>\r\n")
    hop.wait_for("mail")
    assert hop.steps[-1] == ("mail", "s@x")
    go.set()
    assert [line.reply(), line.reply()] == ["250 ok", "250 2.1.5 Ok"]
    line.send(b"RSET\r\n")
    hop.wait_for("rset")
    assert hop.sessions[0].together == [True, False, False]
    hop.hang_up()
    assert line.rest() == b""
    line.close()
    assert not hop.ends()


def test_stopped_and_started_again(hops):
    hop = hops()
    line = line_to(hop)
    line.reply()
    hop.stop()
    assert line.rest() == b"" and not hop.path.exists() and hop.ends() == ["stopped"]
    line.close()
    hop.start()
    begin(hop, "a@x").close()


def test_full_backlog(hops):
    hop = hops(backlog=0)
    hop.accepting.clear()
    lines = []
    with pytest.raises(BlockingIOError):
        for _ in range(3):
            sock = socket.socket(socket.AF_UNIX)
            sock.setblocking(False)
            lines.append(sock)
            sock.connect(str(hop.path))
    for sock in lines:
        sock.close()


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_tls_and_log_in(hops, certificates, tls):
    """AUTH is answered by a function of the script, which asks."""
    def login(session, argument):
        return "235 ok" if session.ask("334 ") == "AGEAYg==" else "535 no"  # fmt: skip

    hop = hops(tcp=True, tls=tls, auth=login, extensions=lambda session: ["AUTH PLAIN"] if session.tls else [])
    kind = smtplib.SMTP_SSL if tls == "implicit" else smtplib.SMTP
    with kind("localhost", hop.port, **({"context": context(certificates)} if tls == "implicit" else {})) as client:
        if tls == "starttls":
            client.ehlo()
            assert "auth" not in client.esmtp_features
            client.starttls(context=context(certificates))
        client.ehlo()
        client.user, client.password = "a", "b"
        assert client.auth("PLAIN", client.auth_plain, initial_response_ok=False)[0] == 235
        client.sendmail("s@x", ["a@x"], TEXT)
    assert hop.sessions[0].tls and len(hop.accepted) == 1


def test_wrong_certificate(hops, certificates):
    hop = hops(tcp=True, tls="implicit", certificate="other")
    with pytest.raises(ssl.SSLCertVerificationError):
        smtplib.SMTP_SSL("localhost", hop.port, context=context(certificates))
    assert hop.wait_for_end() == ["closed"] and "alert" in str(hop.sessions[0].tls_error).lower()
