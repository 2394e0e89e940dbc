"""Every way of being started, the peer that each one reports, where the log goes, and exit codes."""

import contextlib
import email.utils
import os
import re
import resource
import signal
import socket
import subprocess
import time

import pytest
from basics import needs, private_mount, skip_because, unpacked, unpacked_environment
from client import Closed, Line, connect, is_listening, start_listener, start_own
from processes import children, free_port, is_alive, spawn, wait_until

TEXT = b"Subject: hello\n\nOne line.\n"


def send_one(line):
    """Sends one message to alice, and closes."""
    reply = line.send_message(["alice@example.org"], TEXT)
    line.close()
    return reply


def received(world, number=-1):
    assert world.sent("alice")[number] == TEXT
    return world.messages("alice")[number].header("Received")


def peer(world, number=-1):
    """What Received contains about the client, in brackets."""
    return re.match(r"from client\.example \((.*?)\) by ", received(world, number)).group(1)


def tcpserver(world, *options, address="127.0.0.1", **more):
    needs("tcpserver")
    return start_listener(
        world,
        lambda port: ["tcpserver", *(options or ("-HRl0",)), address, port, *world.command()],
        address,
        **more,
    )


def inetd(world, address="127.0.0.1"):
    program = unpacked("openbsd-inetd", "usr/sbin/inetd")
    if os.geteuid() != 0:
        skip_because("inetd needs root")
    config = world.folder / "inetd.conf"
    path, *arguments = map(str, world.command())

    def argv(port):
        family = "tcp6" if ":" in address else "tcp"
        name = f"[{address}]" if ":" in address else address
        words = [f"{name}:{port}", "stream", family, "nowait", "root", path, path, *arguments]
        config.write_text(" ".join(words) + "\n")
        hide = 'mount -t tmpfs none /run && exec "$@"'  # because it writes /run/inetd.pid
        return [*private_mount(), "sh", "-c", hide, "sh", program, "-i", config]

    return start_listener(world, argv, address, env=unpacked_environment())


def socket_activate(world, *options, address="127.0.0.1"):
    needs("systemd-socket-activate")
    return start_listener(
        world,
        lambda port: ["systemd-socket-activate", *options, "-l", f"{address}:{port}", *world.command()],
        address,
    )


# ---- ways of being started ---------------------------------------------------------------------


@pytest.mark.parametrize("over", ["socket", "pipe"])
def test_descriptors(world, over):
    assert world.deliver("alice@example.org", text=TEXT, over=over).startswith("250 2.0.0 ")
    assert "unknown" in peer(world) or "local" in peer(world)


def test_tcpserver(world):
    server = tcpserver(world)
    assert send_one(server.connect()).startswith("250 2.0.0 ")
    assert "[127.0.0.1]" in peer(world)


@pytest.mark.world
def test_inetd(world):
    server = inetd(world)
    assert send_one(server.connect()).startswith("250 2.0.0 ")
    assert "[127.0.0.1]" in peer(world)


@pytest.mark.parametrize("options", [[], ["--accept"], ["--accept", "--inetd"]], ids=" ".join)
def test_systemd_socket_activate(world, options):
    server = socket_activate(world, *options)
    for _ in range(2):
        assert send_one(server.connect()).startswith("250 2.0.0 ")
        assert "[127.0.0.1]" in peer(world)
    assert len(world.messages("alice")) == 2


def test_a_socket_is_named_after_its_role(world):
    """FileDescriptorName= of systemd.socket(5); with any other name, -r gives the role."""
    for name, reply in (("submission", "530 5.7.0"), ("mx", "250 2.1.0"), ("other", "250 2.1.0")):
        line = socket_activate(world, f"--fdname={name}").connect()
        line.reply()
        line.ask("EHLO client.example")
        assert line.ask("MAIL FROM:<s@client.example>").startswith(reply), name
        line.close()


def test_a_listener_notifies_systemd(world, tmp_path):
    """sd_notify(3), when it listens and when it stops."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        env = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}
        server = start_listener(
            world, lambda port: world.command("-l", f"127.0.0.1:{port}"), "127.0.0.1", env=env
        )
        assert manager.recv(100) == b"READY=1"
        server.process.terminate()
        assert manager.recv(100) == b"STOPPING=1"
        assert server.process.wait(20) == 0


def test_stopping_waits_for_a_message(world):
    """A client in the middle of a message may finish it; an idle client is disconnected."""
    server = start_own(world)
    idle, busy = server.connect(), server.connect()
    for line in (idle, busy):
        line.reply()
        line.ask("EHLO client.example")
    assert busy.ask("MAIL FROM:<s@client.example>").startswith("250")
    assert busy.ask("RCPT TO:<alice@example.org>").startswith("250")
    server.process.terminate()
    assert idle.reply().startswith("421 4.3.2 ")
    assert busy.ask("DATA").startswith("354")
    busy.send(b"Subject: t\r\n\r\nbody\r\n.\r\n")
    assert busy.reply().startswith("250 2.0.0")
    assert busy.reply().startswith("421 4.3.2 ")
    assert server.process.wait(20) == 0
    assert world.sent("alice") == [b"Subject: t\n\nbody\n"]


def test_a_stopping_listener_refuses_new_clients(world):
    """Clients that connect while it waits for a message to end are refused at once."""
    server = start_own(world)
    busy = server.connect()
    busy.reply()
    busy.ask("EHLO client.example")
    assert busy.ask("MAIL FROM:<s@client.example>").startswith("250")
    server.process.terminate()
    assert wait_until(lambda: not is_listening(server.port))
    assert busy.ask("RSET").startswith("250 ")
    assert server.process.wait(20) == 0


def test_stops_while_a_connection_is_always_pending(world):
    """A client that cannot be accepted for lack of descriptors stays pending, so the listener never blocks in ppoll()."""
    env = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}  # LeakSanitizer needs descriptors itself
    server = start_listener(world, lambda port: world.command("-l", f"127.0.0.1:{port}"), env=env)
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (3, 3))
    with socket.create_connection(("127.0.0.1", server.port)):
        time.sleep(0.5)
        server.process.terminate()
        assert server.process.wait(10) == 0


def test_no_front_outlives_its_back(world):
    """When the back is killed the kernel kills the front, which may have had time to send a reply."""
    server = start_own(world)
    line = server.connect()
    line.reply()
    (back,) = children(server.process.pid)
    fronts = children(back)
    os.kill(back, signal.SIGKILL)
    with contextlib.suppress(Closed):
        assert line.reply().startswith("421 4.3.0 ")
    assert fronts and wait_until(lambda: not any(map(is_alive, fronts)))
    server.process.terminate()
    assert server.process.wait(20) == 0


def test_own_listener(world):
    server = start_own(world)
    for _ in range(3):
        assert send_one(server.connect()).startswith("250 2.0.0 ")
    assert "[127.0.0.1]" in peer(world)
    assert server.process.poll() is None


def test_no_address_takes_all_sessions(world):
    """The number of sessions from one address is limited: the next one gets a reply that says so; others are served."""
    server = start_own(world)
    lines = [server.connect() for _ in range(100)]
    assert all(line.reply().startswith("220") for line in lines)
    assert server.connect().rest().startswith(b"421 4.7.0 ")
    assert connect(server.port, "127.0.0.1", source="127.0.0.2").reply().startswith("220")
    lines.pop().close()
    assert wait_until(lambda: server.connect().reply().startswith("220"))
    assert "too many connections" in server.log


def test_own_listener_on_several_ports(world):
    others = []

    def argv(port):
        others.append(free_port())
        return world.command("-l", f"127.0.0.1:{port}", "-l", f"127.0.0.1:{others[-1]}")

    server = start_listener(
        world, argv, ready=lambda port: is_listening(port) and is_listening(others[-1])
    )
    for port in (server.port, others[-1]):
        assert send_one(connect(port)).startswith("250 2.0.0 ")
    assert len(world.messages("alice")) == 2


def has_ipv6():
    try:
        free_port("::1")
        return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
def test_own_listener_ipv6(world):
    server = start_own(world, address="::1")
    assert send_one(server.connect()).startswith("250 2.0.0 ")
    assert "[IPv6:::1]" in peer(world)


def test_own_listener_without_an_address(world):
    """`-l PORT`: IPv4 clients can connect, and are logged as IPv4 even if the socket is an IPv6 one."""
    server = start_listener(world, lambda port: world.command("-l", port))
    assert send_one(server.connect()).startswith("250 2.0.0 ")
    assert "[127.0.0.1]" in peer(world) and "ffff" not in peer(world)


def test_own_listener_serves_many_at_once(world):
    server = start_own(world)
    lines = [server.connect() for _ in range(20)]
    for line in lines:
        line.greet()
    for line in reversed(lines):
        assert line.transaction(["alice@example.org"], TEXT).startswith("250")
        line.close()
    assert len(world.messages("alice")) == 20


def test_own_listener_ends_on_sigterm(world):
    server = start_own(world)
    send_one(server.connect())
    server.process.terminate()
    assert server.process.wait(10) is not None
    assert not is_listening(server.port)


def test_own_listener_tells_all_clients_when_it_ends(world):
    """This includes sessions that have just begun; a connection not yet accepted is reset."""
    for number in range(15):
        server = start_own(world)
        clients = [socket.create_connection(("127.0.0.1", server.port), timeout=20) for _ in range(4)]
        time.sleep(number % 10 * 0.0003)
        server.process.terminate()
        for client in clients:
            with client, contextlib.suppress(ConnectionResetError):
                assert client.recv(100)[:3] in (b"220", b"421")
        server.process.wait(10)


def test_passed_listener_that_others_accept_on(world):
    """Another process may accept a connection first. Then the listener must not block in accept(), and must still
    react to SIGTERM. strace makes it slow."""
    needs("strace")
    trace = world.folder / "trace"
    start = 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$@" 3<&0 0</dev/null'
    slow = ["strace", "-D", "-qq", "-o", trace, "-e", "trace=accept4", "-e", "inject=accept4:delay_enter=500ms"]
    argv = ["sh", "-c", start, "sh", *slow, *world.command()]
    env = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
    with socket.socket() as listening, socket.socket() as client, open(world.log_file(), "wb") as log:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = spawn(argv, stdin=listening, stderr=log, env=env)
        client.connect(listening.getsockname())
        assert wait_until(lambda: trace.exists() and "accept4" in trace.read_text())
        listening.accept()[0].close()
        assert wait_until(lambda: re.search("EAGAIN|accept4.*DELAYED", trace.read_text()), 1), "stuck in accept()"
        server.terminate()
        assert server.wait(3) == 0


def test_passed_sockets_all_listen(world):
    """A socket that is always readable and cannot accept would cause a busy loop."""
    start = 'LISTEN_FDS=2 LISTEN_PID=$$ exec "$@" 3<&0 4<&1 0</dev/null 1>&2'
    with socket.socket() as listening, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        done = subprocess.run(
            ["sh", "-c", start, "sh", *world.command()],
            stdin=listening, stdout=datagrams, stderr=subprocess.PIPE, text=True, timeout=20,
        )  # fmt: skip
    assert done.returncode == 100 and "is not a listening socket: write ListenStream=" in done.stderr, done


# ---- the peer ----------------------------------------------------------------------------------


def on_socket_pair(world, ours, theirs, **env):
    """Serves a connected TCP socket as descriptors 0 and 1."""
    log = open(world.log_file(), "wb")
    spawn(world.command(), stdin=theirs, stdout=theirs, stderr=log, env={**os.environ, **env})
    theirs.close()
    log.close()
    return Line(sock=ours)


def tcp_pair(listen="127.0.0.1", target=None):
    family = socket.AF_INET6 if ":" in listen else socket.AF_INET
    with socket.socket(family) as listener:
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((listen, 0))
        listener.listen()
        ours = socket.create_connection((target or listen, listener.getsockname()[1]))
        return ours, listener.accept()[0]


LIES = {"PROTO": "TCP", "TCPREMOTEIP": "203.0.113.9", "TCPREMOTEHOST": "liar.example"}


def test_peer_of_a_socket(world):
    send_one(on_socket_pair(world, *tcp_pair()))
    assert "[127.0.0.1]" in peer(world)


def test_variables_do_not_count_on_a_socket(world):
    """If there is a socket, getpeername() gives the peer."""
    send_one(on_socket_pair(world, *tcp_pair(), **LIES))
    assert "[127.0.0.1]" in peer(world)
    assert "203.0.113.9" not in received(world) and "liar" not in received(world)


def test_variables_do_not_count_on_a_unix_socket(world):
    world.deliver("alice@example.org", text=TEXT, env=LIES)
    assert "203.0.113.9" not in received(world) and "liar" not in received(world)


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
def test_mapped_addresses_are_ipv4(world):
    send_one(on_socket_pair(world, *tcp_pair("::", "127.0.0.1")))
    assert "[127.0.0.1]" in peer(world) and "ffff" not in peer(world)
    send_one(on_socket_pair(world, *tcp_pair("::1")))
    assert "[IPv6:::1]" in peer(world)


@pytest.mark.parametrize(
    "variables, shown",
    [
        ({"PROTO": "TCP", "TCPREMOTEIP": "192.0.2.7"}, "[192.0.2.7]"),
        ({"PROTO": "TCP6", "TCP6REMOTEIP": "2001:db8::7"}, "[IPv6:2001:db8::7]"),
        ({"PROTO": "TCP", "TCPREMOTEIP": "2001:db8::7"}, "[IPv6:2001:db8::7]"),
        ({"PROTO": "TCP", "TCPREMOTEIP": "::ffff:192.0.2.7"}, "[192.0.2.7]"),
        ({"PROTO": "TCP"}, "unknown"),
        ({"TCPREMOTEIP": "192.0.2.7"}, "unknown"),
        ({"PROTO": "SSL", "SSLREMOTEIP": "192.0.2.8", "TCPREMOTEIP": "192.0.2.7"}, "[192.0.2.8]"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_ucspi_variables(world, variables, shown):
    clean = {k: "" for k in ("PROTO", "TCPREMOTEIP", "TCP6REMOTEIP", "SSLREMOTEIP")}
    world.deliver("alice@example.org", text=TEXT, over="pipe", env={**clean, **variables})
    assert shown in peer(world)


@pytest.mark.parametrize(
    "value", ["x\ny", "1.2.3.4)\r\nX-Forged: yes", "x" * 5000, "\x01", "1.2.3.4; evil", "%n%n"]
)
def test_ucspi_variables_cannot_forge_headers(world, value):
    """Values of the environment that are not addresses are ignored."""
    env = {"PROTO": "TCP", "TCPREMOTEIP": value}
    world.deliver("alice@example.org", text=TEXT, over="pipe", env=env)
    assert "forged" not in received(world).lower() and "evil" not in received(world)
    trace = world.messages("alice")[0].trace
    assert all(32 <= b < 127 or b in b"\t\n" for b in trace)
    assert max(map(len, trace.split(b"\n"))) < 998


def test_received_field(world):
    world.deliver("alice@example.org", text=TEXT)
    fields = received(world)
    assert re.match(r"from client\.example \(.*\) by mx\.example\.org .*with ESMTP id \S+", fields)
    date = email.utils.parsedate_to_datetime(fields.rpartition(";")[2].strip())
    now = email.utils.localtime()
    assert abs((now - date.astimezone(now.tzinfo)).total_seconds()) < 30


# ---- the log -----------------------------------------------------------------------------------


def final_id(reply):
    return reply.split()[-1]


def test_log_on_stderr_under_tcpserver(world):
    """tcpserver and multilog: the log is stderr, one line per event, without a time stamp."""
    server = tcpserver(world)
    found = final_id(send_one(server.connect()))
    lines = [row for row in wait_until(lambda: server.log).splitlines() if found in row]
    assert lines, server.log
    assert not re.match(r"\W*(\d{4}-|[A-Z][a-z]{2} +\d+ \d\d:)", lines[0])


@pytest.mark.world
def test_log_does_not_reach_the_client_under_inetd(world):
    """Under inetd, descriptor 2 is the client's socket, so the log goes to syslog."""
    server = inetd(world)
    line = server.connect()
    line.greet()
    found = final_id(line.transaction(["alice@example.org"], TEXT))
    assert line.ask("RCPT TO:<x@y>").startswith("503")
    line.send(b"NONSENSE\r\nQUIT\r\n")
    rest = line.rest()
    assert re.fullmatch(rb"500 [^\r]*\r\n221 [^\r]*\r\n", rest), rest
    assert len(world.messages("alice")) == 1 and found


def test_log_when_all_three_are_one_socket(world):
    ours, theirs = socket.socketpair()
    process = spawn(world.command(), stdin=theirs, stdout=theirs, stderr=theirs)
    theirs.close()
    line = Line(sock=ours)
    line.greet()
    assert line.transaction(["alice@example.org"], TEXT).startswith("250 2.0.0")
    line.send(b"QUIT\r\n")
    assert re.fullmatch(rb"221 [^\r]*\r\n", line.rest())
    assert process.wait(10) == 0


def test_log_lines_cannot_be_forged(world):
    """Text from a client is escaped in the log, on one line."""
    with world.session() as session:
        session.greet("EHLO client.example")
        session.ask(b"MAIL FROM:<\x1b[31m@client.example>")
        session.ask(b'MAIL FROM:<"a b=c d"@client.example>')
        session.ask(b"RCPT TO:<nobody\x80@example.org>")
        session.ask("RCPT TO:<nobody@example.org>")
        session.send(b"QUIT\r\n")
        session.rest()
    assert all(32 <= ord(c) < 127 for row in session.log.splitlines() for c in row), session.log


# ---- exit codes --------------------------------------------------------------------------------


def run(world, *args, **more):
    return subprocess.run(
        [*map(str, world.command()[:1]), *map(str, args)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=8,
        **more,
    )


@pytest.mark.parametrize(
    "args",
    [
        ["-x"],
        ["-d"],
        ["-l"],
        ["-r"],
        ["-r", "nonsense"],
        ["-r", "pop3"],
        ["extra"],
        ["-l", "nonsense"],
        ["-l", "127.0.0.1:99999"],
        ["-l", "127.0.0.1:"],
        ["-l", "127.0.0.1:0x19"],
        ["-l", "[::1:25"],
        ["-l", "127.0.0.1:0"] * 17,
        ["--nonsense"],
    ],
    ids=" ".join,
)
def test_wrong_usage(world, args):
    done = run(world, "-d", world.db, *args)
    assert done.returncode == 100
    assert not done.stdout.startswith(b"220")


@pytest.mark.parametrize(
    "args", [["-r", "pop3"], ["extra"], ["-x"], ["-d"], ["--nonsense"]], ids=" ".join
)
def test_wrong_usage_under_inetd(world, args):
    """All three descriptors are the client's connection: the client gets one reply, and no error message."""
    ours, theirs = socket.socketpair()
    process = spawn([*world.command(), *args], stdin=theirs, stdout=theirs, stderr=theirs)
    theirs.close()
    line = Line(sock=ours)
    seen = line.rest()
    assert re.fullmatch(rb"421 4\.3\.5 [^\r\n]*\r\n", seen), seen
    assert process.wait(10) == 100
    line.close()


@pytest.mark.parametrize("role", ["smtp", "mx"])
def test_roles(world, role):
    assert world.deliver("alice@example.org", args=("-r", role)).startswith("250 2.0.0")


def test_busy_port_is_reported(world):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run(world, "-d", world.db, "-l", f"127.0.0.1:{port}")
    assert done.returncode == 111
    assert str(port).encode() in done.stderr


@pytest.mark.parametrize("last", [b"", b"NONSENSE\r\n", b"DATA\r\n", b"QUIT\r\n", b"\0\0\0", b"EHLO x"])
def test_exit_0_whatever_the_client_does(world, last):
    with world.session() as session:
        session.reply()
        session.try_send(last)


def test_exit_0_when_the_client_resets(world):
    """A reset connection is not an error of the server."""
    ours, theirs = tcp_pair()
    log = open(world.log_file(), "wb")
    process = spawn(world.command(), stdin=theirs, stdout=theirs, stderr=log)
    theirs.close()
    Line(sock=ours).greet()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    ours.send(b"NOOP\r\n" * 100)
    ours.close()
    assert process.wait(10) == 0


def test_client_that_does_not_read(world):
    """Unread replies block only this session; it ends when the client disconnects."""
    world.build(max_idle_commands=1000000)  # else the server ends it, if it is quicker than the client
    with world.session() as session:
        session.greet()
        session.sock.setblocking(False)
        try:
            while True:
                session.sock.send(b"NOOP\r\n" * 1000)
        except BlockingIOError:
            pass
        session.sock.setblocking(True)


def test_no_database_by_default(world):
    """Without -d the default path is used. If there is no database, the server still greets, and replies 451 later."""
    if os.path.exists("/etc/mailslot/mailslot.cdb") or os.path.exists("/usr/local/etc/mailslot"):
        skip_because("there is a real configuration on this machine")
    ours, theirs = socket.socketpair()
    process = spawn(world.command()[:1], stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL)
    theirs.close()
    line = Line(sock=ours)
    try:
        assert line.reply().startswith("220 ")
        line.ask("EHLO client.example")
        line.ask("MAIL FROM:<s@client.example>")
        assert line.ask("RCPT TO:<alice@example.org>").startswith("451 4.3.0")
    except Closed:
        pytest.fail("closed")
    line.close()
    assert process.wait(10) == 0


def test_database_of_a_stranger(world):
    """A database owned neither by root nor by the server's user is refused at start, and the log gives the reason."""
    if os.geteuid() != 0:
        skip_because("chown needs root")
    os.chown(world.db, 4242, 4242)
    session = world.session()
    assert session.reply().startswith("421 4.3.5")
    assert session.rest() == b""
    assert session.finish() == 100
    assert str(world.db) in session.log


def test_own_listener_without_a_database(world):
    """It listens, and logs at once what is missing; as soon as there is a database, it accepts mail."""
    world.db.rename(world.etc / "away")
    server = start_own(world)
    line = server.connect()
    line.reply()
    line.ask("EHLO client.example")
    line.ask("MAIL FROM:<s@client.example>")
    assert line.ask("RCPT TO:<alice@example.org>").startswith("451 4.3.0")
    line.close()
    (world.etc / "away").rename(world.db)
    send_one(server.connect())
    assert f"database path={world.db}" in server.log and "run mailslot-build" in server.log


def test_own_listener_with_an_unsafe_database(world):
    world.db.chmod(0o666)
    done = run(world, *world.command()[1:], "-l", "127.0.0.1:0")
    assert done.returncode == 100
    assert b"can be changed by others" in done.stderr


def test_database_replaced_while_serving(world):
    """A session sees one snapshot; the next session sees the new one."""
    with world.session() as session:
        session.greet()
        session.ask("MAIL FROM:<s@client.example>")
        assert session.ask("RCPT TO:<new@example.org>").startswith("550 5.1.1")
        world.users.append("new@example.org::")
        world.build()
        assert session.ask("RCPT TO:<alice@example.org>").startswith("250")
        assert session.ask("RCPT TO:<new@example.org>").startswith("550 5.1.1")
    assert world.deliver("new@example.org").startswith("250 2.0.0")


# ---- started as root ---------------------------------------------------------------------------


MOUNT = """
mount --bind "$1/passwd" /etc/passwd && mount --bind "$1/group" /etc/group &&
mount --bind "$1" /mnt && shift && exec "$@"
"""


class Machine:
    """This machine with other users, and the world in /mnt, where all users can reach it."""

    def __init__(self, world, users):
        if os.geteuid() != 0:
            skip_because("only root can become another user")
        world.build(mail_root="/mnt/mail")
        world.user = None
        accounts = "".join(f"{name}:x:{uid}:{uid}::/:/bin/false\n" for name, uid in users.items())
        (world.folder / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n" + accounts)
        groups = "".join(f"{name}:x:{uid}:\n" for name, uid in users.items())
        (world.folder / "group").write_text(f"root:x:0:\nmail:x:4300:{','.join(users)}\n" + groups)
        self.owned = next(iter(users.values()), 0)
        for path in (world.folder, world.etc, world.root, world.db):
            path.chmod(0o750)
            os.chown(path, 0, self.owned)
        os.chown(world.root, self.owned, self.owned)
        self.world = world
        self.wrap = [*private_mount(), "sh", "-c", MOUNT, "sh", world.folder]
        world.db = "/mnt/etc/mailslot.cdb"

    def listen(self, *more):
        world = self.world
        argv = lambda port: [*self.wrap, *world.command("-l", f"127.0.0.1:{port}", *more)]  # noqa: E731
        return start_listener(world, argv)

    def run(self, *args):
        argv = [*self.wrap, *self.world.command(*args)]
        return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=20)


def identity(pid):
    """All four user ids, all four group ids, and the supplementary groups."""
    with open(f"/proc/{pid}/status") as file:
        rows = dict(row.split(":\t", 1) for row in file if ":\t" in row)
    return [set(map(int, rows[name].split())) for name in ("Uid", "Gid", "Groups")]


@pytest.mark.parametrize(
    "options, uid", [((), 4321), (("-u", "other"), 4322), (("-u", "root"), 0)], ids=["default", "-u", "root"]
)
def test_listener_of_root_becomes_a_user(fresh, options, uid):
    """Root only opens the port: listener, back and front run as the user, with the user's groups."""
    machine = Machine(fresh, {"mailslot": 4321, "other": 4322})
    if uid == 4322:  # the folders belong to this user
        for path in (fresh.folder, fresh.etc, fresh.root, fresh.etc / "mailslot.cdb"):
            os.chown(path, uid if path == fresh.root else 0, uid)
    server = machine.listen(*options)
    client = server.connect()
    client.greet()
    (back,) = children(server.process.pid)
    (front,) = children(back)
    groups = {uid, 4300} if uid else identity("self")[2]
    for pid in (server.process.pid, back, front):
        assert identity(pid) == [{uid}, {uid}, groups], server.log
    assert client.transaction(["alice@example.org"], TEXT).startswith("250 2.0.0"), server.log
    client.close()
    assert fresh.mailbox("alice").stat().st_uid == uid
    assert " root " not in server.log


def test_session_of_root_becomes_the_user(fresh):
    """The same for one connection, if inetd or tcpserver was configured without a user."""
    machine = Machine(fresh, {"mailslot": 4321})
    with fresh.session(wrap=machine.wrap) as session:
        session.greet()
        assert identity(session.process.pid)[0] == {4321}
        assert session.transaction(["alice@example.org"], TEXT).startswith("250 2.0.0"), session.log
    assert fresh.mailbox("alice").stat().st_uid == 4321


@pytest.mark.parametrize("options", [(), ("-u", "mailslot")], ids=["default", "-u"])
def test_no_way_back_to_root(fresh, options):
    """Started with the user's effective id, but root's real id: the process must not be able to become root again."""
    machine = Machine(fresh, {"mailslot": 4321})
    machine.wrap += ["setpriv", "--ruid=0", "--euid=4321"]
    with fresh.session(wrap=machine.wrap, args=options) as session:
        session.greet()
        assert identity(session.process.pid) == [{4321}, {4321}, {4321, 4300}]


@pytest.mark.parametrize("users", [{}, {"mailslot": 0}], ids=["no user", "root by another name"])
def test_listener_of_root_without_a_user(fresh, users):
    """It refuses to start, and says what to do."""
    done = Machine(fresh, users).run("-l", "127.0.0.1:0")
    assert done.returncode == 100
    assert b"systemd-sysusers" in done.stderr and b"-u" in done.stderr and b"mailslot" in done.stderr


def test_session_of_root_without_a_user(fresh):
    """Mail is accepted, and a line in the log tells the administrator."""
    machine = Machine(fresh, {})
    ours, theirs = tcp_pair()
    path = fresh.log_file()
    with open(path, "wb") as log:
        process = spawn([*machine.wrap, *fresh.command()], stdin=theirs, stdout=theirs, stderr=log)
    theirs.close()
    assert send_one(Line(sock=ours)).startswith("250 2.0.0")
    assert process.wait(10) == 0
    assert re.search(r"^mailslot\[\d+\]: root peer=127.0.0.1 do=", path.read_text(), re.M), path.read_text()


def test_unknown_user(fresh):
    machine = Machine(fresh, {"mailslot": 4321})
    done = machine.run("-u", "nosuch", "-l", "127.0.0.1:0")
    assert done.returncode == 100 and b"no such user: nosuch" in done.stderr
    machine.wrap += ["setpriv", "--reuid=4321", "--regid=4321", "--clear-groups"]
    done = machine.run("-u", "root", "-l", "127.0.0.1:0")
    assert done.returncode == 100 and b"only root can switch to the user root" in done.stderr
