"""The scripted filter of milter.py does what its scripts say, and records what it is sent."""

import struct
import threading

import pytest
from milter import CLOSE, HANG, NOTHING, Milter, Until, Wait, connect_unix
from milter_packet import (ACCEPT, CAN_SKIP, CONTINUE, DISCARD, HDR_LEADSPC, NOBODY, NOHELO, NR_HDR, PROGRESS, REJECT, SKIP, add_field,
    change_field, insert_field, negotiation, packet, replace_body, reply, strings)  # fmt: skip
from processes import wait_until

CONNECT = strings("mx.example") + b"4\0\x19" + strings("192.0.2.1")


class Client:
    """A client of the protocol, as simple as can be."""

    def __init__(self, filter, negotiate=True):
        self.sock = connect_unix(filter.path)
        self.sock.settimeout(20)
        if negotiate:
            self.say("O", struct.pack(">III", 6, 0x1FF, 0x1FFFFF))
            self.negotiated = self.packet()

    def say(self, letter, data=b""):
        self.sock.sendall(packet(letter, data))

    def bytes(self, size):
        data = b""
        while len(data) < size:
            more = self.sock.recv(size - len(data))
            if not more:
                break
            data += more
        return data

    def packet(self):
        """The next packet, as milter_packet makes them; b"" at the end."""
        head = self.bytes(4)
        return head + self.bytes(struct.unpack(">I", head)[0]) if head else b""

    def ask(self, letter, data=b""):
        self.say(letter, data)
        return self.packet()

    def begin(self):
        """Up to the end of a header with one field."""
        self.ask("C", CONNECT)
        self.ask("H", strings("client.example"))
        self.transaction()

    def transaction(self):
        self.ask("M", strings("<s@x>", "SIZE=3"))
        self.ask("R", strings("<a@x>"))
        self.ask("T")
        self.ask("L", strings("Subject", "a"))
        self.ask("N")

    def quit(self):
        self.say("Q")
        assert not self.sock.recv(1)
        self.sock.close()


def test_everything_is_accepted_and_recorded(milters):
    filter = milters("f")
    client = Client(filter)
    assert client.negotiated == negotiation(6, 0x1FF, 0)
    client.say("D", b"C" + strings("j", "mx.example.org", "{daemon_name}", "smtp"))
    assert client.ask("C", CONNECT) == CONTINUE
    client.ask("H", strings("client.example"))
    client.say("D", b"M" + strings("i", "1"))
    client.transaction()
    for chunk in (b"a\r\n", b"b\r\n"):
        assert client.ask("B", chunk) == CONTINUE
    client.say("D", b"E" + strings("i", "2"))
    assert client.ask("E") == CONTINUE
    client.ask("M", strings("<>"))
    client.say("A")
    client.quit()
    (session,) = filter.sessions
    assert filter.wait_for_end() == ["quit"]
    assert session.offered == (6, 0x1FF, 0x1FFFFF) and session.helo == "client.example"
    assert (session.host, session.family, session.port, session.address) == ("mx.example", "4", 25, "192.0.2.1")
    assert session.events[0].macros == {"j": "mx.example.org", "{daemon_name}": "smtp"}
    message, given_up = filter.transactions
    assert filter.messages == [message] and given_up.aborted and not given_up.ended and given_up.sender == ["<>"]
    assert message.sender == ["<s@x>", "SIZE=3"] and message.recipients == [["<a@x>"]] and message.fields == [("Subject", "a")]
    assert message.chunks == [b"a\r\n", b"b\r\n"] and message.body == b"a\nb\n" and message.macros == {"i": "2"}
    assert message.steps == filter.names[3:-3] and filter.names[-3:] == ["mail", "abort", "quit"]
    assert milters.journal[4] == ("f", "rcpt", "a@x")


def test_answers_by_argument_and_by_turn(milters):
    filter = milters(rcpt={"no@x": "550 5.7.1 No", None: [CONTINUE, "451-a\r\n451 b%%"]}, changes={"a": add_field("X", "y")},
                     end=[(insert_field(0, "A", "b"), ACCEPT), REJECT])  # fmt: skip
    client = Client(filter)
    client.begin()
    assert client.ask("E") == add_field("X", "y") and client.packet() == insert_field(0, "A", "b") and client.packet() == ACCEPT
    client.ask("M", strings("<s@x>"))
    answers = [client.ask("R", strings(f"<{name}@x>")) for name in ("no", "b")]
    assert answers == [reply("550 5.7.1 No"), packet("y", b"451-a\r\n451 b%%\0")]
    assert client.ask("E") == REJECT
    client.quit()


def test_odd_answers(milters):
    """Half a packet, a wait, progress, garbage, silence, and a connection that is closed."""
    go = threading.Event()
    filter = milters(connect=(CONTINUE[:3], Wait(0.01), CONTINUE[3:]), helo=(PROGRESS, PROGRESS, CONTINUE), mail=(Until(go), CONTINUE),
                     rcpt=b"garbage", data=NOTHING, eoh=CLOSE)  # fmt: skip
    client = Client(filter)
    assert client.ask("C", CONNECT) == CONTINUE
    assert client.ask("H", strings("x")) == PROGRESS and client.packet() == PROGRESS and client.packet() == CONTINUE
    client.say("M", strings("<s@x>"))
    filter.wait_for("mail")
    go.set()
    assert client.packet() == CONTINUE
    client.say("R", strings("<a@x>"))
    assert client.bytes(7) == b"garbage"
    client.say("T")
    client.say("N")
    assert client.packet() == b""
    client.sock.close()
    assert filter.wait_for_end() == ["cut"]


def test_negotiation(milters):
    """What the filter does not want it is not sent, and what it does not answer has no answer."""
    filter = milters(version=4, actions=1, steps=NOHELO | NR_HDR | HDR_LEADSPC | CAN_SKIP, macros={"mail": "i {auth_authen}"}, body=SKIP)
    client = Client(filter)
    lists = struct.pack(">I", 2) + b"i {auth_authen}\0"
    assert client.negotiated == packet("O", struct.pack(">III", 4, 1, NOHELO | NR_HDR | HDR_LEADSPC | CAN_SKIP) + lists)
    client.ask("C", CONNECT)
    client.ask("M", strings("<s@x>"))
    client.say("L", strings("Subject", " a"))
    client.say("L", strings("subject", " b"))
    assert client.ask("N") == CONTINUE and client.ask("B", b"x\r\n") == SKIP and client.ask("E") == CONTINUE
    client.quit()
    assert filter.messages[0].values("subject") == [" a", " b"]


@pytest.mark.parametrize("steps, sent", [
    (0, [("C", CONNECT)]),
    (0, [("O", struct.pack(">III", 6, 1, 1)), ("O", struct.pack(">III", 6, 1, 1))]),
    (0, [("O", b"1")]),
    (NOHELO, ["negotiate", ("H", strings("x"))]),
    (0, ["negotiate", ("D", b"C")]),
    (0, ["negotiate", ("D", b"C" + strings("a"))]),
    (0, ["negotiate", ("D", b"C" + strings("a", "b", "c"))]),
    (0, ["negotiate", ("D", b"C" + strings("", "b"))]),
    (0, ["negotiate", ("X", b"")]),
    (0, ["negotiate", ("C", CONNECT[:-1])]),
    (0, ["negotiate", ("C", CONNECT), ("M", strings("<s@x>")), ("M", strings("<s@x>"))]),
    (0, ["negotiate", ("C", CONNECT), ("M", strings("<s@x>")), ("H", strings("x"))]),
    (0, ["negotiate", ("M", strings("<s@x>")), ("N", b""), ("L", strings("a", "b"))]),
    (0, ["negotiate", ("L", strings("", "b"))]),
    (0, ["negotiate", ("L", strings("a"))]),
    (0, ["negotiate", ("B", 65536 * b"x")]),
    (CAN_SKIP, ["negotiate", ("N", b""), ("B", b"skip"), ("B", b"x")]),
    (0, ["negotiate", ("T", b""), ("N", b""), ("E", b"")]),
])  # fmt: skip
def test_clients_that_break_the_protocol(tmp_path, steps, sent):
    """A filter is strict. (The answer to the third step is the filter's last word.)"""
    filter = Milter("f", tmp_path / "f", steps=steps, data=DISCARD, body=SKIP)
    client = Client(filter, negotiate="negotiate" in sent)
    for one in sent:
        try:
            if one != "negotiate":
                client.say(*one)
        except OSError:
            break  # it has closed the connection
    assert wait_until(lambda: filter.failures)
    client.sock.close()
    filter.stop()


def test_large_body_and_hanging(milters):
    filter = milters(connect=HANG, changes=NOTHING)
    client = Client(filter)
    client.say("C", CONNECT)
    filter.wait_for("connect")
    filter.hang_up()
    assert client.packet() == b""
    client.sock.close()
    assert replace_body(b"x" * 65536) == packet("b", b"x" * 65535) + packet("b", b"x") and replace_body(b"") == packet("b", b"")
    assert change_field(1, "a", "é") == packet("m", b"\0\0\0\1a\0\xc3\xa9\0")
