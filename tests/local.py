"""The role local: sessions of a system user, by a socket pair, or by a socket with a path as mailslot-submit.socket has it."""

import contextlib
import os
import pwd
import socket
import threading

from basics import skip_because
from client import Line, Session
from processes import spawn, wait_until

UNKNOWN = 54321  # the id of nobody


def open_folder(world):
    """A folder that others may enter, if they start in it."""
    folder = world.folder / "open"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    return folder


@contextlib.contextmanager
def in_folder(path):
    """Other users cannot reach a test's folder by its path."""
    before = os.open(".", os.O_PATH)
    os.chdir(os.path.dirname(path))
    try:
        yield
    finally:
        os.fchdir(before)
        os.close(before)


@contextlib.contextmanager
def acting_as(uid):
    """The credentials of a socket are those of the moment when it is made or connected."""
    if uid is None or uid == os.geteuid():
        yield
        return
    if os.geteuid() != 0:
        skip_because("only root can act as another user")
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)


def name_of(uid=None):
    return pwd.getpwuid(os.geteuid() if uid is None else uid).pw_name


def connect_as(path, uid=None):
    """A Line to the socket of a listener, as this user."""

    def attempt():
        sock = socket.socket(socket.AF_UNIX)
        try:
            with in_folder(path), acting_as(uid):
                sock.connect(os.path.basename(path))
            return sock
        except (FileNotFoundError, ConnectionRefusedError):
            sock.close()

    sock = wait_until(attempt)
    assert sock, f"nobody listens on {path}"
    return Line(sock=sock)


class LocalSession(Session):
    """A session of the role local, whose client has this user id (default: ours)."""

    def __init__(self, world, uid=None, role="local", **more):
        self.uid = uid
        super().__init__(world, args=["-r", role], **more)

    def make_pair(self):
        with acting_as(self.uid):
            return super().make_pair()


class LocalServer:
    """Accepts connections at a path, and starts a server for each, as a socket unit with Accept=yes does."""

    def __init__(self, world, path, role="local"):
        self.world, self.path, self.role = world, path, role
        self.processes = []
        self.log_path = world.log_file()
        self.log_path.touch()

    @property
    def log(self):
        return self.log_path.read_text(errors="backslashreplace")

    def __enter__(self):
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(os.fsencode(self.path))
        os.chmod(self.path, 0o666)
        self.listening.listen(16)
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()
        return self

    def serve(self):
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:  # shut down
                return
            with connection, open(self.log_path, "ab") as log:
                command = self.world.command("-r", self.role)
                self.processes.append(spawn(command, stdin=connection, stdout=connection, stderr=log))

    def __exit__(self, kind, *_):
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        self.thread.join()
        os.unlink(self.path)
        for process in self.processes:
            process.wait(20)
        assert "Sanitizer" not in self.log and "runtime error" not in self.log, self.log
