"""The confinement of the front, seen from outside and tested from inside."""

import os
import re
import signal
from pathlib import Path

import pytest
from basics import BUILD, PATIENCE, needs, sanitized, skip_because
from processes import children, is_alive, wait_until

TEXT = b"Subject: t\n\nx\n"


def status(pid):
    rows = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(row.split(":\t", 1) for row in rows if ":\t" in row)


def descriptors(pid):
    folder = Path(f"/proc/{pid}/fd")
    try:
        return {int(entry.name): os.readlink(entry) for entry in folder.iterdir()}
    except PermissionError:
        return skip_because("the front shows its descriptors to nobody but root")


def is_bare(found):
    """In, out and the wall: sockets or pipes, and nothing else. A sanitizer may keep the log open."""
    wanted = [0, 1, 2]
    if sanitized() and len(found) == 4 and re.search(r"/log\.\d+$", found[3]):
        wanted.append(3)
    return sorted(found) == wanted and all(re.match(r"(socket|pipe):", found[n]) for n in range(3))


def in_every_phase(session):
    """Yields whenever the front waits: after the greeting, in a transaction, in the text, after a delivery."""
    session.greet()
    yield "greeted"
    session.ask("MAIL FROM:<s@client.example>")
    session.ask("RCPT TO:<alice@example.org>")
    yield "recipients"
    session.ask("DATA")
    session.send(b"Subject: x\r\n\r\n" + b"x\r\n" * 100000)
    session.settle()
    yield "text"
    session.send(b".\r\n")
    assert session.reply().startswith("250")
    yield "delivered"


def test_front_is_confined(world):
    """Its system calls are filtered and it cannot gain privileges, in every phase."""
    with world.session() as session:
        for phase in in_every_phase(session):
            rows = status(session.front())
            assert rows["Seccomp"].strip() == "2", phase
            assert rows["NoNewPrivs"].strip() == "1", phase


def test_listener_has_the_filter_of_its_sessions(listener):
    """The listener has one filter, which the back inherits; the front adds its own. The back of a server that passes nothing
    on takes connect(2) from itself, as soon as it knows its settings."""
    client = listener.connect()
    assert client.reply().startswith("220")
    (back,) = children(listener.process.pid)
    (front,) = children(back)
    filters = [int(status(pid)["Seccomp_filters"]) for pid in (listener.process.pid, back, front)]
    client.close()
    ours = int(status("self")["Seccomp_filters"])
    assert filters == [ours + 1, ours + 2, ours + 2]


@pytest.mark.parametrize("over", ["socket", "pipe"])
def test_front_has_three_descriptors(world, over):
    with world.session(over=over) as session:
        for phase in in_every_phase(session):
            found = descriptors(session.front())
            assert is_bare(found), f"{phase}: {found}"


def test_front_inherits_nothing(world):
    """Descriptors that the parent did not close do not reach the front."""
    secret = world.folder / "secret"
    secret.write_text("secret")
    with open(secret) as file:
        with world.session(pass_fds=[file.fileno()]) as session:
            session.greet()
            found = descriptors(session.front())
            assert is_bare(found), found


def test_front_cannot_grow(world):
    """Resource limits: no files, no processes, no core."""
    with world.session() as session:
        session.greet()
        limits = Path(f"/proc/{session.front()}/limits").read_text()
        for name in ("Max open files", "Max processes", "Max core file size"):
            soft, hard = re.search(rf"{name}\s+(\S+)\s+(\S+)", limits).groups()
            assert soft == hard and soft != "unlimited" and int(soft) <= 3, f"{name}: {soft} {hard}"
        most = {"Max cpu time": 301}
        if not sanitized():
            most |= {"Max data size": 64 << 20, "Max address space": 512 << 20}
        for name, limit in most.items():
            hard = re.search(rf"{name}\s+\S+\s+(\S+)", limits).group(1)
            assert hard != "unlimited" and int(hard) <= limit, f"{name}: {hard}"


def test_front_cannot_be_inspected(world):
    """It is not dumpable: its /proc entries belong to root, and other processes of its user cannot read its memory."""
    if os.geteuid() != 0:
        skip_because("only root can compare owners here")
    world.user = None
    program = os.open(world.command()[0], os.O_PATH)  # the folders that contain it may be closed to nobody
    with world.session(preexec_fn=as_nobody, executable=f"/proc/self/fd/{program}", pass_fds=[program]) as session:
        session.reply()
        front = session.front()
        assert os.stat(f"/proc/{front}/status").st_uid == 0
        assert "\nUid:\t65534\t" in Path(f"/proc/{front}/status").read_text()
        session.send(b"QUIT\r\n")
        session.rest()
    os.close(program)


def as_nobody():
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)


def test_a_session_is_two_processes(world):
    """Each has one thread."""
    with world.session() as session:
        for phase in in_every_phase(session):
            for pid in (session.process.pid, session.front()):
                assert len(list(Path(f"/proc/{pid}/task").iterdir())) == 1, phase
            assert len(children(session.process.pid)) == 1, phase


def test_front_killed(world):
    """When the front dies the session is over: the back logs it and changes no mailbox."""
    session = world.session()
    session.greet()
    session.ask("MAIL FROM:<s@client.example>")
    session.ask("RCPT TO:<alice@example.org>")
    session.ask("DATA")
    session.send(b"Subject: x\r\n\r\n" + b"x\r\n" * 100000)
    session.settle()
    os.kill(session.front(), 9)
    assert session.rest() == b""
    assert session.process.wait(10) is not None
    assert session.log and world.everything() == {}
    session.close()


def stop_front(session, secure):
    """Stops the first front, or the one after STARTTLS; returns its process id."""
    session.greet()
    front = session.front()
    if secure:
        first = front
        assert session.ask("STARTTLS").startswith("220")
        assert wait_until(lambda: not is_alive(first))
        front = session.front()
    os.kill(front, signal.SIGSTOP)
    return front


@pytest.mark.parametrize("secure", [False, True], ids=["first front", "after STARTTLS"])
def test_front_that_does_not_end_is_killed(secured, secure):
    """The back can kill it although the back is confined. Otherwise the front would outlive its session, and the back
    would wait for ever."""
    session = secured.session()
    front = stop_front(session, secure)
    session.process.terminate()
    assert session.process.wait(20) == 0
    assert not is_alive(front)
    session.close()


def test_keys_may_be_links(secured):
    """The back can read the target of a link in its folder, wherever it is."""
    elsewhere = secured.folder / "elsewhere"
    elsewhere.mkdir()
    for name in ("ecdsa.crt", "ecdsa.key"):
        (secured.etc / name).rename(elsewhere / name)
        (secured.etc / name).symlink_to(elsewhere / name)
    with secured.session() as session:
        session.greet()
        assert session.ask("STARTTLS").startswith("220")


def test_back_killed(world):
    """When the back dies, so does the front."""
    session = world.session()
    session.greet()
    front = session.front()
    os.kill(session.process.pid, 9)
    assert re.fullmatch(rb"(421 [^\r]*\r\n)?", session.rest())
    session.close()
    session.process.wait(10)
    assert wait_until(lambda: not is_alive(front), PATIENCE)


@pytest.mark.parametrize("secure", [False, True], ids=["first front", "after STARTTLS"])
def test_front_does_not_outlive_the_back(secured, secure):
    """Not even a front that hangs and therefore does not notice that the wall is closed."""
    session = secured.session()
    front = stop_front(session, secure)
    session.process.kill()
    session.process.wait(10)
    assert wait_until(lambda: not is_alive(front), 5)
    session.close()


def test_container_without_landlock(world):
    """A container's filter may answer Landlock's calls with EPERM. The session is served anyway, under our own
    filter."""
    needs("strace")
    trace = world.folder / "trace"
    call = "landlock_create_ruleset"
    wrap = ["strace", "-f", "-qq", "-o", trace, "-e", f"trace={call}", "-e", f"inject={call}:error=EPERM"]
    reply = world.deliver("alice@example.org", wrap=wrap, text=TEXT, env={"ASAN_OPTIONS": "detect_leaks=0"})
    assert reply.startswith("250 2.0.0"), reply
    assert "EPERM" in trace.read_text() and "INJECTED" in trace.read_text()


# ---- from inside -------------------------------------------------------------------------------


HOOKS = [
    *["open", "socket", "execve", "ptrace", "kill", "fork", "readv", "exec-memory", "memory"],
    *["send-fast-open", "send-elsewhere", "connect"],
]


@pytest.mark.parametrize("hook", HOOKS)
def test_hook(world, hook):
    """A front built to misbehave right after its confinement. It dies by SIGSYS, the log reports it, and the client
    receives nothing: neither a greeting nor what tests/hook.h sends if an attempt returns."""
    if not (BUILD / "mailslot-smtpd-hook").exists():
        skip_because("mailslot-smtpd-hook is not built")
    if hook in ("exec-memory", "memory") and sanitized():
        skip_because("the sanitizers' run-time may use mmap and mprotect")
    world.preset("alice", b"")
    session = world.session(hook=True, env={"MAILSLOT_TEST_HOOK": hook})
    assert session.rest() == b""
    session.finish()
    assert re.search(r" front-killed .*\bsignal=31\b", session.log), session.log
    assert world.raw("alice") == b""


def test_hook_does_nothing_by_default(world):
    """Without the variable the binary behaves like the server, so the tests above do test the confinement."""
    if not (BUILD / "mailslot-smtpd-hook").exists():
        skip_because("mailslot-smtpd-hook is not built")
    assert world.deliver("alice@example.org", hook=True, text=TEXT).startswith("250")


def test_shipped_server_has_no_hook(world):
    assert b"MAILSLOT_TEST_HOOK" not in (BUILD / "mailslot-smtpd").read_bytes()
    env = {"MAILSLOT_TEST_HOOK": "open"}
    assert world.deliver("alice@example.org", env=env, text=TEXT).startswith("250")
