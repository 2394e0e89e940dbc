"""Processes that are ended after their test."""

import ctypes
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from basics import PATIENCE

PR_SET_CHILD_SUBREAPER = 36
_started = []
kept = set()  # ids of processes that serve several tests; the fixture that started one ends it


def become_subreaper():
    """Orphans of our servers become our children instead of init's, so that we find them all."""
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
    """Reaps dead children that no Popen object knows; returns the live ones."""
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
    """Kills and reaps all that a test has started. Returns the orphans that did not end by themselves."""
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


def wait_until(condition, seconds=PATIENCE, step=0.01):
    """The first true value of condition(), or its last value when the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(step)


def free_port(address="127.0.0.1"):
    """A port that is free at this moment. Another process may take it: be ready to try again."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]


def dead_pid():
    """The id of a process that has just ended."""
    process = subprocess.Popen(["/bin/true"])
    process.wait()
    return process.pid
