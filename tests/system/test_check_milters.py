"""mailslot-check: each filter is negotiated with as in a session, and what is wrong with it is reported, with what to type."""

import os
import re
import subprocess

import pytest

import filters
from basics import binary, make_library
from house import House, find, wrong
from milter import CLOSE, HANG
from milter_packet import ADDHDRS, CHGBODY, CHGFROM, CHGHDRS, DISCARD, NOCONNECT, NR_CONN, PROGRESS, REJECT, SHUTDOWN, packet
from test_check import CONF, PASSWORD, SET_UP, serve

ALL = "header, body, sender, recipients, quarantine"


@pytest.fixture
def check(world):
    """check(milter=..., ...): the lines about filters of mailslot-check, with these settings."""

    def run(env=None, **settings):
        world.build(**settings)
        command = [binary("mailslot-check"), "-d", world.db]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, **(env or {})})
        assert done.stderr == "", done
        return [line for line in done.stdout.splitlines() if line.split()[1] == "filter"]

    return run


def only(lines, mark, said):
    """There is one line about a filter; everything but ok ends with a command."""
    assert len(lines) == 1 and lines[0].startswith(mark) and re.search(said, lines[0]), lines
    assert mark == "ok" or re.search("; .*type: .", lines[0]), lines


def test_filter(check, milters):
    """It is told of a client on this host, and of nothing else."""
    filter = milters("filter")
    only(check(milter=filter.path), "ok", f"/filter: milter 6, may change: {ALL}; asked in roles: smtp mx submission submissions local$")
    filter.wait_for("quit")
    (session,) = filter.sessions
    assert filter.names == ["negotiate", "connect", "quit"]
    assert (session.family, session.address) == ("4", "127.0.0.1")
    assert session.events[0].macros.get("j") == "mx.example.org"
    assert session.offered[0] == 6


def test_no_filter(check):
    assert check() == []


def test_roles_of_several_lines(check, milters):
    """One filter in two lines is asked once."""
    filter, signer = milters("filter"), milters("signer", version=4, actions=CHGBODY | CHGFROM)
    lines = check(milter=[f"{filter.path} mx", f"{signer.path} submission", f"{filter.path} lmtp"])
    assert len(lines) == 2
    only(lines[:1], "ok", f"/filter: milter 6, may change: {ALL}; asked in roles: mx lmtp$")
    only(lines[1:], "ok", "/signer: milter 4, may change: body, sender; asked in roles: submission$")
    assert filter.names.count("connect") == 1


@pytest.mark.parametrize(
    "script, said",
    [
        ({"actions": 0}, "may change: nothing;"),
        ({"actions": ADDHDRS}, "may change: header;"),
        ({"actions": CHGHDRS}, "may change: header;"),
        ({"version": 2, "actions": 0x3F}, "milter 2, may change: header, body, recipients, quarantine;"),
        ({"steps": NOCONNECT}, "milter 6"),
        ({"steps": NR_CONN}, "milter 6"),
        ({"macros": {"connect": "j {client_addr}"}}, "milter 6"),
        ({"macros": {"connect": ""}}, "milter 6"),
        ({"connect": packet("a")}, "milter 6"),
        ({"connect": DISCARD}, "milter 6"),
        ({"connect": PROGRESS * 3 + packet("c")}, "milter 6"),
    ],
    ids=str,
)
def test_what_filters_may_answer(check, milters, script, said):
    only(check(milter=milters("filter", **script).path), "ok", said)


MISTAKES = {
    "closes at once": ({"negotiate": CLOSE}, "FAIL", "is not ready: it has closed the connection"),
    "closes later": ({"connect": CLOSE}, "FAIL", "is not ready: it has closed the connection"),
    "another protocol": ({"negotiate": b"220 mx ESMTP\r\n"}, "FAIL", "it does not speak the milter protocol"),
    "unknown letter": ({"connect": packet("?")}, "FAIL", "it breaks the milter protocol"),
    "far too long": ({"connect": b"\xff\xff\xff\xffc"}, "FAIL", "it breaks the milter protocol"),
    "version 7": ({"version": 7}, "FAIL", "or only a version that cannot be used"),
    "refuses": ({"connect": REJECT}, "WARN", "refuses clients on this host: 550 5.7.1"),
    "defers": ({"connect": "451-4.3.2 Not\r\n451 4.3.2 now"}, "WARN", "refuses clients on this host: 451 4.3.2 Not now; if that"),
    "closes the session": ({"connect": SHUTDOWN}, "WARN", "refuses clients on this host: 421"),
}


@pytest.mark.parametrize("script, mark, said", MISTAKES.values(), ids=MISTAKES)
def test_mistakes(check, milters, script, mark, said):
    only(check(milter=milters("filter", **script).path), mark, said)


def test_a_filter_without_which_mail_is_accepted(check, milters, tmp_path):
    """Then nothing is deferred."""
    only(check(milter=milters("filter", negotiate=CLOSE).path, milter_failure="accept"), "WARN", "closed the connection")
    only(check(milter=tmp_path / "none", milter_failure="accept"), "WARN", "no program listens on /.*/none")
    only(check(milter=tmp_path / "none", milter_failure="defer"), "FAIL", "no program listens on /.*/none")


@pytest.mark.parametrize("step", ["negotiate", "connect"])
def test_hanging_costs_seconds(check, milters, tmp_path, step):
    """On a clock that runs faster."""
    clock = {"LD_PRELOAD": str(make_library(tmp_path, "fast_clock.c")), "ASAN_OPTIONS": "verify_asan_link_order=0"}
    filter = milters("filter", **{step: HANG})
    only(check(env=clock, milter=filter.path), "FAIL", "no reply in time")


FILTER = """
import os, signal, sys
sys.path[:0] = [sys.argv[2]]
import milter
os.umask(0)
milter.Milter("filter", path=sys.argv[1], **dict.fromkeys(sys.argv[3:], milter.CLOSE))
print("ready", flush=True)
signal.pause()
"""


def serve_filter(house, path, *steps):
    """It closes the connection at these steps."""
    server = house.serve("/usr/bin/python3", "-c", FILTER, path, os.path.dirname(os.path.dirname(__file__)), *steps)
    assert server.stdout.readline() == b"ready\n"


def listen(house, path):
    house.type(f"install -d -o opendkim -g opendkim -m 750 {os.path.dirname(path)}")
    serve_filter(house, path)
    house.type(f"chown opendkim:opendkim {path}; chmod 770 {path}")


@pytest.fixture
def house(tmp_path, certificates):
    made = House(tmp_path / "house", CERTIFICATES=str(certificates), CONF=CONF)
    made.type(SET_UP + "getent passwd opendkim || useradd -r -U opendkim", stdin=PASSWORD)
    serve(made)
    return made


def test_permissions_as_in_debian(house):
    """OpenDKIM has a folder and a socket for its group."""
    path = "/run/opendkim/opendkim.sock"
    house.type(f"echo milter = {path} >>/etc/mailslot/mailslot.conf; mailslot-build")
    found = find(house.check(), "FAIL", "filter", f"no program listens on {path}")
    assert "OpenDKIM" in found.text and "systemctl restart opendkim" in found.remedy

    listen(house, path)
    found = find(house.check(), "FAIL", "filter", r"opendkim.sock \(opendkim:opendkim 0770\): mailslot cannot connect: Permission denied")
    assert found.remedy == "usermod -aG opendkim mailslot"
    house.type("chmod 755 /run/opendkim")  # as rspamd's
    found = find(house.check(), "FAIL", "filter", "cannot connect: Permission denied")
    assert found.remedy == "usermod -aG opendkim mailslot"

    house.type(f"chmod 700 {path}")
    found = find(house.check(), "FAIL", "filter", "opendkim 0700.*set `UMask 007` in /etc/opendkim.conf")
    assert found.remedy == "systemctl restart opendkim"

    house.type(f"chmod 770 {path}; usermod -aG opendkim mailslot")
    assert find(house.check(), "ok", "filter", f"{path}: milter 6") and not wrong(house.check())


def test_groups_of_the_units(house):
    """All services that are enabled need the group of the filter."""
    path, units = "/run/opendkim/opendkim.sock", "/etc/systemd/system"
    house.type(f"echo milter = {path} >>/etc/mailslot/mailslot.conf; mailslot-build")
    listen(house, path)
    house.type(f"""
        mkdir -p /run/systemd/system {units}/sockets.target.wants {units}/mailslot@.service.d
        ln -s /dev/null {units}/sockets.target.wants/mailslot.socket
        printf '[Service]\\nSupplementaryGroups=opendkim\\n' >{units}/mailslot@.service.d/filter.conf
    """)
    assert find(house.check(), "ok", "filter", f"{path}: milter 6")
    house.type(f"ln -s /dev/null {units}/sockets.target.wants/mailslot-lmtp.socket")
    assert find(house.check(), "FAIL", "filter", "cannot connect"), "sessions of the other service do not have the group"


def test_a_group_that_a_stranger_has_chosen(house):
    """Root is not asked to give mailslot a group by whoever can put a socket where the filter's should be."""
    path = "/run/opendkim/opendkim.sock"
    house.type(f"echo milter = {path} >>/etc/mailslot/mailslot.conf; mailslot-build")
    listen(house, path)
    house.type(f"chown erin /run/opendkim; chmod 755 /run/opendkim; chown opendkim:shadow {path}")
    found = find(house.check(), "FAIL", "filter", "cannot connect: Permission denied")
    assert "usermod" not in found.text


def test_a_folder_for_everybody(house):
    path = "/run/filters/filter.sock"
    house.type(f"echo milter = {path} >>/etc/mailslot/mailslot.conf; mailslot-build")
    listen(house, path)
    house.type(f"chmod 1777 /run/filters; chmod 666 {path}")
    found = find(house.check(), "WARN", "filter", "every user can create this socket while the filter does not run")
    assert found.remedy == f"namei -l {path}"


def test_the_socket_of_rspamd(house):
    """Whatever the mode, its group is root's unless the configuration names another one."""
    path = "/run/rspamd/milter.sock"
    house.type(f"echo milter = {path} >>/etc/mailslot/mailslot.conf; mailslot-build; install -d /run/rspamd")
    serve_filter(house, path)
    for mode in ("644", "660"):
        house.type(f"chmod {mode} {path}")
        found = find(house.check(), "FAIL", "filter", "cannot connect: Permission denied")
        assert "add mode=0660 and group=_rspamd to `bind_socket`" in found.text and found.remedy == "systemctl restart rspamd"


def test_filters_on_a_port(house):
    """By the proxy; and how to start that. If the filter itself does not run, the proxy closes the connection."""
    house.type("echo milter = /run/mailslot/127.0.0.1:11332 >>/etc/mailslot/mailslot.conf; mailslot-build")
    found = find(house.check(), "FAIL", "filter", "no program listens")
    assert found.remedy == "systemctl enable --now mailslot-proxy@127.0.0.1:11332.socket"
    house.type("install -d /run/mailslot")
    serve_filter(house, "/run/mailslot/127.0.0.1:11332", "negotiate")
    found = find(house.check(), "FAIL", "filter", "is not ready: it has closed the connection; to see what the proxy")
    assert found.remedy == "journalctl -n 20 -u mailslot-proxy@127.0.0.1:11332.service"


@pytest.mark.world
@pytest.mark.parametrize("kind", [filters.Rspamd, filters.OpenDkim, filters.OpenDmarc, filters.ClamAv, filters.SpamAssassin])
def test_real_filters(servers, check, kind):
    only(check(milter=servers(kind).path), "ok", "/milter: milter 6, may change: header")
