"""What all tests share: scratch configurations, servers on sockets and pipes, strict readers of mbox.

No port is fixed, no process outlives its test, no lock file stays: each is checked behind every test.
"""

import ctypes
import fcntl
import mailbox
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import termios
import time
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("MAILSLOT_BUILD_DIR", TOP / "build")).resolve()
UNPACKED = TOP / "build" / "unpacked"
HOSTNAME = "mx.example.org"
PATIENCE = 20  # seconds until a server that says nothing counts as hung

CONF = {"hostname": HOSTNAME, "domains": "example.org example.net"}
USERS = (
    "alice@example.org::",
    "bob@example.org::",
    "carol@example.net::",
    "alice@example.net::",
    "closed@example.org::disabled",
)
ALIASES = (
    "postmaster@example.org: alice@example.org",
    "info@example.org: bob@example.org",
    "team@example.org: alice@example.org, bob@example.org, info@example.org",
)


def binary(name):
    return str(BUILD / name)


def sanitized():
    """Was the server built with AddressSanitizer?"""
    try:
        return b"__asan_init" in (BUILD / "mailslot-smtpd").read_bytes()
    except FileNotFoundError:
        return False


def skip_aloud(why):
    print("SKIPPED: " + why)
    pytest.skip(why)


# ---- processes ---------------------------------------------------------------------------------

PR_SET_CHILD_SUBREAPER = 36
_started = []
kept = set()  # process ids of what serves several tests, and is ended by who began it


def become_subreaper():
    """Orphans of our servers come to us instead of init, so that none can hide."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def spawn(argv, **more):
    """subprocess.Popen in a session of its own, killed and reaped when the test ends."""
    process = subprocess.Popen([str(a) for a in argv], start_new_session=True, **more)
    _started.append(process)
    return process


def children(pid="self"):
    """The process ids of a process's children."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(p) for p in task.read_text().split()]
        except OSError:
            pass
    return found


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def command_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return "?"


def reap_orphans(known):
    """Waits for dead children that no Popen object knows; returns the live ones."""
    alive = []
    for pid in children():
        if pid in known:
            continue
        try:
            if os.waitpid(pid, os.WNOHANG) == (0, 0) and is_alive(pid):
                alive.append(pid)
        except ChildProcessError:
            pass
    return alive


def end_processes():
    """Kills and reaps all that a test has started. Returns the orphans that would not go by
    themselves."""
    for process in _started:
        if process.poll() is None:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    pass
    _started.clear()
    deadline = time.monotonic() + 3
    while True:
        orphans = reap_orphans(known=kept)
        if not orphans or time.monotonic() > deadline:
            break
        time.sleep(0.01)
    named = [f"{pid} ({command_of(pid)})" for pid in orphans]
    for pid in orphans:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return named


def leftovers(folder):
    """Lock files and undo files beneath a folder."""
    found = []
    for where, _, names in os.walk(folder):
        found += [os.path.join(where, n) for n in names if re.search(r".\.(lock|undo)$", n)]
    return found


@pytest.fixture(autouse=True)
def nothing_stays(request):
    folder = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    orphans = end_processes()
    assert not orphans, f"processes left behind: {orphans}"
    left = leftovers(folder) if folder else []
    assert not left, f"locks left behind: {left}"


@pytest.fixture(scope="session", autouse=True)
def nothing_stays_at_the_end(tmp_path_factory):
    become_subreaper()
    yield
    assert not end_processes(), "processes left behind at the end"
    assert not leftovers(tmp_path_factory.getbasetemp()), "locks left behind at the end"


def wait_until(condition, seconds=PATIENCE, step=0.01):
    """The first true value of condition(), or the last false one when the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(step)


def free_port(address="127.0.0.1"):
    """A port that nobody has at this moment. Whoever uses it must be ready to try again."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]


def dead_pid():
    """The id of a process that has just gone."""
    process = subprocess.Popen(["/bin/true"])
    process.wait()
    return process.pid


# ---- mailboxes ---------------------------------------------------------------------------------

FROM_LINE = re.compile(
    rb"From \S+ (Mon|Tue|Wed|Thu|Fri|Sat|Sun) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
    rb" [ \d]\d \d\d:\d\d:\d\d \d{4}\Z"
)


class Message:
    """One message of a mailbox: its From_ line, our trace, and the text as it was sent (LF)."""

    TRACE = (b"Return-Path:", b"Delivered-To:", b"Received:")

    def __init__(self, from_line, text):
        self.from_line = from_line
        self.text = text
        lines = text.split(b"\n")
        end = 0
        for name in self.TRACE:
            assert lines[end].lower().startswith(name.lower()), f"{name} expected: {lines[end]!r}"
            end += 1
            while end < len(lines) and lines[end][:1] in (b" ", b"\t"):
                end += 1
        self.trace = b"\n".join(lines[:end]) + b"\n"
        self.sent = b"\n".join(lines[end:])

    def header(self, name):
        """The first header of this name, unfolded; None if there is none."""
        head = re.sub(rb"\n[ \t]+", b" ", self.text.partition(b"\n\n")[0])
        for line in head.split(b"\n"):
            if line.lower().startswith(name.lower().encode() + b":"):
                return line.partition(b":")[2].strip().decode("latin-1")
        return None

    @property
    def id(self):
        return re.search(r"\bid (\S+?)[;\s]", self.header("Received") + " ").group(1)


def parse_mbox(raw):
    """Reads an mboxrd file strictly: [(from_line, text)]; exactly one blank line behind each message
    is taken off. Raises AssertionError where the file is not what we promise to write."""
    if raw == b"":
        return []
    assert raw.endswith(b"\n\n"), f"no blank line at the end: {raw[-60:]!r}"
    found = []
    parts = re.split(rb"\n(?=\nFrom )", raw[:-1])
    for i, part in enumerate(parts):
        if i > 0:
            part = part[1:]
        if i < len(parts) - 1:
            part += b"\n"
        from_line, newline, text = part.partition(b"\n")
        assert newline and from_line.startswith(b"From "), f"not a From_ line: {from_line[:80]!r}"
        assert not re.search(rb"^From ", text, re.M), "an unquoted From_ line"
        found.append((from_line, re.sub(rb"^>(>*From )", rb"\1", text, flags=re.M)))
    return found


def messages_of(raw):
    """The messages of an mbox file that we alone have written to."""
    parts = parse_mbox(raw)
    for from_line, _ in parts:
        assert FROM_LINE.match(from_line), f"From_ line: {from_line!r}"
    return [Message(*part) for part in parts]


def python_reads(path):
    """The messages as Python's mailbox module sees them, as bytes."""
    box = mailbox.mbox(path, create=False)
    try:
        return [box.get_bytes(key) for key in box.keys()]
    finally:
        box.close()


# ---- a scratch configuration -------------------------------------------------------------------


class World:
    """A configuration folder, its database and its mailboxes beneath a scratch folder."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.etc = self.folder / "etc"
        self.root = self.folder / "mail"
        self.db = self.etc / "mailslot.cdb"
        self.conf = dict(CONF)
        self.users = list(USERS)
        self.aliases = list(ALIASES)
        self.logs = 0

    def build(self, **conf):
        """Writes the three text files and compiles them. Keywords: max_message_size="64K", ...;
        a list stands for a name that is given several times."""
        self.conf.update({k.replace("_", "-"): v for k, v in conf.items()})
        self.conf.setdefault("mail-root", str(self.root))
        self.etc.mkdir(mode=0o700, exist_ok=True)
        self.root.mkdir(mode=0o700, exist_ok=True)
        texts = {
            "mailslot.conf": [
                f"{k} = {v}"
                for k, values in self.conf.items()
                for v in (values if isinstance(values, list) else [values])
            ],
            "users": self.users,
            "aliases": self.aliases,
        }
        for name, lines in texts.items():
            (self.etc / name).write_text("".join(line + "\n" for line in lines))
            (self.etc / name).chmod(0o600)
        done = subprocess.run(
            [binary("mailslot-build"), "-C", self.etc], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, f"mailslot-build: {done.stderr}"
        return self

    def mailbox(self, address):
        """The file of a user; of a local part alone in the first domain."""
        local, _, domain = address.rpartition("@") if "@" in address else (address, "", "example.org")
        return self.root / domain / local

    def preset(self, address, raw, mode=0o600):
        """Puts a mailbox there before the server comes."""
        path = self.mailbox(address)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_bytes(raw)
        path.chmod(mode)
        return path

    def raw(self, address):
        try:
            return self.mailbox(address).read_bytes()
        except FileNotFoundError:
            return b""

    def messages(self, address):
        return messages_of(self.raw(address))

    def sent(self, address):
        """The texts in a mailbox as they were sent, without our trace."""
        return [message.sent for message in self.messages(address)]

    def everything(self):
        """{path: bytes} of every file beneath mail-root."""
        found = {}
        for where, _, names in os.walk(self.root):
            for name in names:
                path = os.path.join(where, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    found[os.path.relpath(path, self.root)] = Path(path).read_bytes()
        return found

    def command(self, *more, hook=False):
        return [binary("mailslot-smtpd-hook" if hook else "mailslot-smtpd"), "-d", self.db, *more]

    def log_file(self):
        self.logs += 1
        return self.folder / f"log.{self.logs}"

    def session(self, **more):
        return Session(self, **more)

    def deliver(self, *recipients, text=b"Subject: t\n\nx\n", sender="s@client.example", **more):
        """One whole session; returns the final reply, or the first one that refused."""
        with self.session(**more) as session:
            return session.send_message(recipients, text, sender)


@pytest.fixture
def fresh(tmp_path):
    """A configuration that is not built yet."""
    return World(tmp_path)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """The folder of tls.CERTIFICATES: NAME.crt and NAME.key."""
    import tls

    return tls.make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def secured(fresh, certificates):
    """A configuration that serves TLS; alice has a password."""
    import tls

    tls.use(fresh, "ecdsa", certificates=certificates)
    tls.set_password(fresh, "alice@example.org")
    return fresh


@pytest.fixture
def world(fresh):
    """The configuration that README.md shows, built."""
    return fresh.build()


# ---- a session ---------------------------------------------------------------------------------


class Closed(Exception):
    """The server has closed the connection."""


def to_wire(text):
    """A message text with LF as the lines of DATA: CRLF, dots stuffed, no final dot."""
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
        """Sends to a server that may have gone; True if all went."""
        try:
            self.send(data)
            return True
        except OSError:
            return False

    def unread(self):
        """How many bytes the server has not taken from the kernel yet."""
        request = termios.TIOCOUTQ if self.sock else termios.FIONREAD
        return struct.unpack("i", fcntl.ioctl(self.writer, request, b"\0\0\0\0"))[0]

    def settle(self, seconds=2):
        """Waits until the server has read all that was sent, so that what follows is another packet
        to it."""
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
            ready, _, _ = select_read(self.reader, left)
            if ready:
                try:
                    return os.read(self.reader, 65536)
                except ConnectionResetError:
                    return b""

    def line(self, patience=PATIENCE):
        """One line, its CRLF taken off. Raises Closed at the end."""
        while b"\r\n" not in self.buffer:
            more = self.read(patience)
            if not more:
                assert not self.buffer, f"a line without its end: {self.buffer!r}"
                raise Closed
            self.buffer += more
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        assert len(line) <= 510, f"a reply line of {len(line)} bytes"
        wide = b"" if line.startswith(b"250 2.1.5 <") else rb"\x80-\xff"  # VRFY by SMTPUTF8
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
        """All until the server closes."""
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

    # What most tests do

    def greet(self, helo="EHLO client.example"):
        greeting = self.reply()
        assert greeting.startswith(f"220 {HOSTNAME} ESMTP"), greeting
        answer = self.ask(helo)
        assert answer.startswith("250"), answer
        return greeting

    def send_message(self, recipients, text, sender="s@client.example"):
        """From the greeting to the final reply; QUIT where the server still listens."""
        try:
            self.greet()
            reply = self.transaction(recipients, text, sender)
        except (Closed, BrokenPipeError, ConnectionResetError):
            return "closed"
        if self.try_send(b"QUIT\r\n"):
            self.rest()
        return reply

    def transaction(self, recipients, text, sender="s@client.example"):
        commands = [f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{r}>" for r in recipients), "DATA"]
        self.send("".join(c + "\r\n" for c in commands).encode())
        replies = [self.reply() for _ in commands]
        if not replies[-1].startswith("354"):
            return next(r for r in replies if not r.startswith("2"))
        self.try_send(to_wire(text) + b".\r\n")
        return self.reply()


def select_read(fd, seconds):
    import select

    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return poll.poll(max(1, int(seconds * 1000))), None, None


class Session(Line):
    """A server of its own on a socketpair (or on pipes), and the client's end of it."""

    def __init__(self, world, over="socket", wrap=(), args=(), env=None, hook=False, **more):
        self.world = world
        self.log_path = world.log_file()
        environment = {**os.environ, **(env or {})}
        argv = [*wrap, *world.command(*args, hook=hook)]
        with open(self.log_path, "wb") as log:
            if over == "socket":
                ours, theirs = socket.socketpair()
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

    @property
    def log(self):
        return self.log_path.read_text(errors="backslashreplace")

    def finish(self, patience=PATIENCE):
        """Hangs up, waits for the server's end and returns its exit code."""
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
    """A server that listens, started by whatever; with its port and its log."""

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
    """Does anything listen on this TCP port? Asked of the kernel, for a connection would count."""
    wanted = f":{port:04X}"
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for row in Path(table).read_text().splitlines()[1:]:
            fields = row.split()
            if fields[1].endswith(wanted) and fields[3] == "0A":
                return True
    return False


def start_listener(world, argv_for, address="127.0.0.1", ready=is_listening, **more):
    """Starts argv_for(port) on a free port, with another one if that was taken meanwhile."""
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


@pytest.fixture
def listener(world):
    return start_own(world)


def unpacked_environment():
    """The environment for programs unpacked from Debian packages: their libraries lie beside them."""
    paths = {str(p.parent) for p in UNPACKED.glob("*/**/*.so*")}
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(sorted(paths))}


def unpacked(package, path):
    program = UNPACKED / package / path
    if not program.exists():
        skip_aloud(f"{package} is not unpacked in {UNPACKED}")
    shown = subprocess.run(["ldd", program], env=unpacked_environment(), capture_output=True, text=True)
    missing = re.findall(r"(\S+) => not found", shown.stdout)
    if missing:
        skip_aloud(f"{package} needs {', '.join(missing)}")
    return program


def needs(*programs):
    for program in programs:
        if not shutil.which(program):
            skip_aloud(f"{program} is not installed")


def make_library(folder, source):
    """One to preload, made of a C file beside the tests."""
    library = folder / Path(source).with_suffix(".so")
    compiler = os.environ.get("CC", "cc").split()
    path = TOP / "tests" / "system" / source
    subprocess.run([*compiler, "-shared", "-fPIC", "-O1", "-o", library, path], check=True)
    return library


def private_mount():
    """A prefix that gives a command a mount namespace of its own."""
    prefix = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    needs("unshare")
    if subprocess.run([*prefix, "true"], capture_output=True).returncode != 0:
        skip_aloud("no mount namespaces here")
    return prefix
