"""A client: sessions on socket pairs and pipes, connections to servers that listen."""

import fcntl
import os
import re
import select
import socket
import struct
import subprocess
import termios
import time
from pathlib import Path

from basics import HOSTNAME, PATIENCE
from processes import children, free_port, spawn, wait_until


class Closed(Exception):
    """The server has closed the connection."""


def to_wire(text):
    """A message text with LF line ends, as it is sent in DATA: CRLF, dots stuffed, no final dot."""
    return re.sub(rb"^\.", b"..", text, flags=re.M).replace(b"\n", b"\r\n")


class Line:
    """The client's end of a connection: a socket, or a pair of pipes."""

    def __init__(self, sock=None, reader=None, writer=None):
        self.sock = sock
        self.reader = sock.fileno() if sock else reader
        self.writer = sock.fileno() if sock else writer
        self.pipes = () if sock else (reader, writer)
        self.buffer = b""
        self.sending = True

    def send(self, data):
        data = memoryview(data)
        while data:
            data = data[os.write(self.writer, data) :]

    def try_send(self, data):
        """Sends to a server that may have closed; True if everything was sent."""
        try:
            self.send(data)
            return True
        except OSError:
            return False

    def unread(self):
        """How many bytes the server has not read from the kernel yet."""
        request = termios.TIOCOUTQ if self.sock else termios.FIONREAD
        return struct.unpack("i", fcntl.ioctl(self.writer, request, b"\0\0\0\0"))[0]

    def settle(self, seconds=2):
        """Waits until the server has read everything, so that the next bytes reach it as another packet."""
        wait_until(lambda: not self.unread(), seconds, 0.0005)

    def half_close(self):
        if not self.sending:
            return
        self.sending = False
        if self.sock:
            try:
                self.sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        else:
            os.close(self.writer)
            self.pipes = (self.reader,)

    def read(self, patience=PATIENCE):
        """Some bytes, b"" at the end."""
        deadline = time.monotonic() + patience
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"no answer in {patience} s, so far {self.buffer!r}")
            poll = select.poll()
            poll.register(self.reader, select.POLLIN)
            if poll.poll(max(1, int(left * 1000))):
                try:
                    return os.read(self.reader, 65536)
                except ConnectionResetError:
                    return b""

    def line(self, patience=PATIENCE):
        """One line without its CRLF. Raises Closed at the end."""
        while b"\r\n" not in self.buffer:
            more = self.read(patience)
            if not more:
                assert not self.buffer, f"a line without its end: {self.buffer!r}"
                raise Closed
            self.buffer += more
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        assert len(line) <= 510, f"a reply line of {len(line)} bytes"
        wide = b"" if line.startswith(b"250 2.1.5 <") else rb"\x80-\xff"  # VRFY with SMTPUTF8
        assert not re.search(rb"[\x00-\x1f\x7f" + wide + b"]", line), f"odd bytes in a reply: {line!r}"
        return line.decode()

    def reply(self, patience=PATIENCE):
        """One reply of any number of lines: "250-a\\n250 b"."""
        lines = [self.line(patience)]
        while re.match(r"\d{3}-", lines[-1]):
            lines.append(self.line(patience))
            assert lines[-1][:3] == lines[0][:3], f"codes differ: {lines}"
        assert re.match(r"\d{3} ", lines[-1]), f"not a reply: {lines}"
        return "\n".join(lines)

    def ask(self, command, patience=PATIENCE):
        if isinstance(command, str):
            command = command.encode()
        self.send(command + b"\r\n")
        return self.reply(patience)

    def rest(self, patience=PATIENCE):
        """Everything until the server closes."""
        while True:
            more = self.read(patience)
            if not more:
                rest, self.buffer = self.buffer, b""
                return rest
            self.buffer += more

    def close(self):
        if self.sock:
            self.sock.close()
        for fd in self.pipes:
            os.close(fd)
        self.pipes = ()

    # Dialogues that most tests use

    def greet(self, helo="EHLO client.example"):
        greeting = self.reply()
        assert greeting.startswith(f"220 {HOSTNAME} ESMTP"), greeting
        answer = self.ask(helo)
        assert answer.startswith("250"), answer
        return greeting

    def send_message(self, recipients, text, sender="s@client.example"):
        """From the greeting to the final reply; then QUIT if the server has not closed."""
        try:
            self.greet()
            reply = self.transaction(recipients, text, sender)
        except (Closed, BrokenPipeError, ConnectionResetError):
            return "closed"
        if self.try_send(b"QUIT\r\n"):
            self.rest()
        return reply

    def begin_text(self):
        """The commands that precede the text of a message for alice."""
        for command in ("MAIL FROM:<s@client.example>", "RCPT TO:<alice@example.org>", "DATA"):
            assert self.ask(command)[0] in "23"

    def transaction(self, recipients, text, sender="s@client.example"):
        commands = [f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{r}>" for r in recipients), "DATA"]
        self.send("".join(c + "\r\n" for c in commands).encode())
        replies = [self.reply() for _ in commands]
        if not replies[-1].startswith("354"):
            return next(r for r in replies if not r.startswith("2"))
        self.try_send(to_wire(text) + b".\r\n")
        return self.reply()


class Session(Line):
    """A server process on a socketpair (or on pipes), and the client's end of it."""

    def __init__(self, world, over="socket", wrap=(), args=(), env=None, hook=False, **more):
        self.world = world
        self.log_path = world.log_file()
        environment = {**os.environ, **(env or {})}
        argv = [*wrap, *world.command(*args, hook=hook)]
        with open(self.log_path, "wb") as log:
            if over == "socket":
                ours, theirs = self.make_pair()
                self.process = spawn(
                    argv, stdin=theirs, stdout=theirs, stderr=log, env=environment, **more
                )
                theirs.close()
                super().__init__(sock=ours)
            else:
                pipe = subprocess.PIPE
                self.process = spawn(
                    argv, stdin=pipe, stdout=pipe, stderr=log, env=environment, bufsize=0, **more
                )
                reader, writer = os.dup(self.process.stdout.fileno()), os.dup(self.process.stdin.fileno())
                self.process.stdout.close()
                self.process.stdin.close()
                super().__init__(reader=reader, writer=writer)

    def make_pair(self):
        return socket.socketpair()

    @property
    def log(self):
        return self.log_path.read_text(errors="backslashreplace")

    def finish(self, patience=PATIENCE):
        """Disconnects, waits for the server to end and returns its exit code."""
        self.half_close()
        self.close()
        code = self.process.wait(patience)
        log = self.log
        assert "Sanitizer" not in log and "runtime error" not in log, log
        return code

    def front(self):
        """The process id of the front."""
        found = wait_until(lambda: children(self.process.pid))
        return found[0]

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.code = self.finish()
        if kind is None and not getattr(self, "any_end", False):
            assert self.code == 0, f"exit {self.code}: {self.log}"


def connect(port, address="127.0.0.1", patience=PATIENCE, source=None):
    """A Line to a listening server."""

    def attempt():
        try:
            return socket.create_connection((address, port), patience, source and (source, 0))
        except ConnectionRefusedError:
            return None

    sock = wait_until(attempt, patience)
    assert sock, f"nobody listens on {address}:{port}"
    sock.settimeout(None)
    return Line(sock=sock)


class Listener:
    """A server that listens, started by any program; with its port and its log."""

    def __init__(self, process, port, log_path, address="127.0.0.1"):
        self.process = process
        self.port = port
        self.address = address
        self.log_path = log_path

    @property
    def log(self):
        return self.log_path.read_text(errors="backslashreplace")

    def connect(self):
        return connect(self.port, self.address)


def is_listening(port):
    """Does anything listen on this TCP port? We ask the kernel, because a connection would count as a client."""
    wanted = f":{port:04X}"
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for row in Path(table).read_text().splitlines()[1:]:
            fields = row.split()
            if fields[1].endswith(wanted) and fields[3] == "0A":
                return True
    return False


def start_listener(world, argv_for, address="127.0.0.1", ready=is_listening, **more):
    """Starts argv_for(port) on a free port, or on another one if it was taken meanwhile."""
    for _ in range(5):
        port = free_port(address)
        log_path = world.log_file()
        with open(log_path, "wb") as log:
            process = spawn(argv_for(port), stdin=subprocess.DEVNULL, stdout=log, stderr=log, **more)
        if wait_until(lambda: ready(port) or process.poll() is not None) and process.poll() is None:
            return Listener(process, port, log_path, address)
    raise AssertionError(f"did not start: {log_path.read_text()}")


def start_own(world, *more, address="127.0.0.1"):
    """The server's own listener, `-l`."""
    text = f"[{address}]" if ":" in address else address
    return start_listener(world, lambda port: world.command("-l", f"{text}:{port}", *more), address)
