"""The fixtures that all tests share.

Tests use no fixed ports. After every test, a check fails if a process, a lock file or an undo file is left.
"""

import os
import re
import subprocess

import pytest
from basics import needs, sanitized, skip_because
from client import start_own
from processes import become_subreaper, end_processes
from world import World


def leftovers(folder):
    """Lock files and undo files beneath a folder."""
    found = []
    for where, _, names in os.walk(folder):
        found += [os.path.join(where, n) for n in names if re.search(r".\.(lock|undo)$", n)]
    return found


# These test units, examples and other programs. The second run, with sanitizers, is for memory errors in our programs.
WITHOUT_SANITIZERS = re.compile(r"test_(systemd\w*|journal|migration|completion|tls_clients)$")


# Tools that are killed report no memory errors.
KILLED_TOOLS = re.compile(r"test_(build|tool_faults|rotate)\.py::test_(after_a_kill|an_interrupted|killed)")


def pytest_configure(config):
    config.addinivalue_line("markers", "world: needs other mail systems, super-servers, readers or scanners")


def pytest_collection_modifyitems(items):
    for item in items if sanitized() else []:
        if WITHOUT_SANITIZERS.match(item.module.__name__):
            item.add_marker(pytest.mark.skip(reason="tests units and other programs: only without sanitizers"))
        elif KILLED_TOOLS.search(item.nodeid):
            item.add_marker(pytest.mark.skip(reason="kills tools: only without sanitizers"))


@pytest.fixture(autouse=True)
def nothing_is_left(request):
    folder = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    orphans = end_processes()
    assert not orphans, f"processes left behind: {orphans}"
    left = leftovers(folder) if folder else []
    assert not left, f"locks left behind: {left}"


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_at_the_end(tmp_path_factory):
    become_subreaper()
    yield
    assert not end_processes(), "processes left behind at the end"
    assert not leftovers(tmp_path_factory.getbasetemp()), "locks left behind at the end"


@pytest.fixture
def fresh(tmp_path):
    """A configuration that has not been built yet."""
    return World(tmp_path)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """The folder with all of tls.CERTIFICATES, as NAME.crt and NAME.key."""
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


@pytest.fixture(scope="session")
def strace_works():
    needs("strace")
    if subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], capture_output=True).returncode != 0:
        skip_because("ptrace does not work here")


@pytest.fixture
def listener(world):
    return start_own(world)


def end_scripted(servers):
    for one in servers:
        one.stop()
    assert not [failure for one in servers for failure in one.failures], "a script failed, or a server was sent what it must not get"


@pytest.fixture
def hops(tmp_path, request):
    """hops(name, **script): a scripted server on the UNIX socket tmp_path/name, or with tcp=True on a port of 127.0.0.1; see
    hop.py. With tls="implicit" or "starttls", certificate= is a name of tls.CERTIFICATES. hops.journal has the steps of all."""
    import hop

    made, journal = [], []

    def make(name="hop", tcp=False, certificate="ecdsa", **more):
        if more.get("tls") and "context" not in more:
            more["context"] = hop.server_context(request.getfixturevalue("certificates"), certificate)
        made.append(hop.Hop(name, None if tcp else tmp_path / name, journal=journal, **more))
        return made[-1]

    make.journal = journal
    yield make
    end_scripted(made)


@pytest.fixture
def milters(tmp_path):
    """milters(name, **script): a scripted filter on the UNIX socket tmp_path/name, or with tcp=True on a port of 127.0.0.1; see
    milter.py. milters.journal has the steps of all."""
    import milter

    made, journal = [], []

    def make(name="milter", tcp=False, folder=tmp_path, **more):
        made.append(milter.Milter(name, None if tcp else folder / name, journal=journal, **more))
        return made[-1]

    make.journal = journal
    yield make
    end_scripted(made)


@pytest.fixture
def filtered(fresh, milters):
    """filtered(script, ..., setting=value): a world with a filter for each script, in world.filters."""

    def make(*scripts, **conf):
        fresh.filters = [milters(f"filter{number}", **script) for number, script in enumerate(scripts)]
        return fresh.build(milter=[str(one.path) for one in fresh.filters], **conf)

    return make
