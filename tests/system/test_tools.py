"""What mailslot-build, mailslot-user and mailslot-show have in common: usage, output, locks, links."""

import fcntl
import os
import subprocess
from pathlib import Path

import pytest
from basics import BUILD, make_library, private_mount, skip_because
from tools import CONF, PASSWORD, good, run, start


@pytest.mark.parametrize("name", ["build", "user", "show"])
def test_help_version_and_wrong_usage(folder, name):
    program = BUILD / f"mailslot-{name}"

    def call(*words, **options):
        return subprocess.run([program, *words], capture_output="stdout" not in options, text=True,
                              check=False, **options)

    result = call("--help")
    assert result.returncode == 0 and f"usage: mailslot-{name}" in result.stdout
    result = call("--version")
    assert result.returncode == 0 and result.stdout.startswith(f"mailslot-{name} (mailslot) ")
    result = call("--no-such-option")
    assert result.returncode == 100 and not result.stdout and "usage: " in result.stderr
    with open("/dev/full", "w", encoding="ascii") as full:
        result = call("--help", stdout=full, stderr=subprocess.PIPE)
        assert result.returncode == 111 and "No space left" in result.stderr
    result = call("-C", folder / "nowhere", *(["list"] if name == "user" else []))
    assert result.returncode in (100, 111) and result.stderr


def test_lost_output_is_an_error(house):
    for command in ('"$0" -C "$1" {} >/dev/full', '"$0" -C "$1" {} >&-',
                    '"$0" -C "$1" {} | true; exit "${{PIPESTATUS[0]}}"'):
        for name, words in (("show", "alice"), ("user", "list"), ("show", "--help")):
            result = subprocess.run(["bash", "-c", "sleep 0.01; " + command.format(words),
                                     BUILD / f"mailslot-{name}", house],
                                    stderr=subprocess.PIPE, text=True, check=False)
            if "|" in command and result.returncode == 0:
                continue  # it finished before its reader had closed
            assert result.returncode == 111 and "standard output" in result.stderr


def test_closed_descriptors_are_not_written_into_the_database(house):
    before = (house / "mailslot.cdb").read_bytes()
    (house / "aliases").write_text((house / "aliases").read_text().replace("postmaster: ", "x: "))
    for closed in ("2>&-", "<&- >&- 2>&-"):
        command = f'"$0" -C "$1" {closed}'
        subprocess.run(["bash", "-c", command, BUILD / "mailslot-build", house], check=True)
        good("show", house)
    assert (house / "mailslot.cdb").read_bytes() != before


def test_nothing_secret_in_arguments_or_environment(folder):
    process = start("user", folder, "add", "alice", stdin=subprocess.PIPE)
    process.stdin.write(PASSWORD)
    process.stdin.flush()
    for name in ("cmdline", "environ"):
        assert b"horse" not in Path(f"/proc/{process.pid}/{name}").read_bytes()
    process.communicate()
    assert process.returncode == 0


def test_domain_of_the_machine(folder):
    """Without `domains`, the machine's own name is the domain, if it contains a dot."""
    (folder / "mailslot.conf").write_text("")
    (folder / "users").write_text("alice::\n")
    build = f"{BUILD}/mailslot-build -C {folder}"
    for name, code, said in ("mx1.corp.example", 0, "postmaster@mx1.corp.example"), ("mx1", 100, "domains"):
        done = subprocess.run(["unshare", "--uts", "sh", "-c", f"hostname {name} && {build}"], capture_output=True, text=True)
        if "unshare" in done.stderr:
            pytest.skip(done.stderr)
        assert done.returncode == code and said in done.stderr, done


def test_a_user_who_can_only_read_the_folder_cannot_block_the_tools(folder):
    """Such a user can lock the folder for ever. Therefore the tools lock a file of mode 0600 instead, and they report
    which process they wait for."""
    reader = os.open(folder, os.O_RDONLY)
    fcntl.flock(reader, fcntl.LOCK_SH)
    good("build", folder)
    os.close(reader)
    holder = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.lockf(holder, fcntl.LOCK_EX)
    waiting = start("build", folder)
    said = waiting.stderr.readline().decode()
    assert f"waiting for process {os.getpid()}, which has locked {folder}/.lock" in said
    os.close(holder)
    assert waiting.wait(60) == 0
    waiting.communicate()
    assert not (folder / ".lock").exists()


@pytest.fixture(scope="module")
def no_sleep(tmp_path_factory):
    """The environment of a tool whose usleep(3) returns at once; $SLEEPS names the file that counts the calls."""
    library = make_library(tmp_path_factory.mktemp("sleep"), "no_sleep.c")
    return {**os.environ, "LD_PRELOAD": str(library), "ASAN_OPTIONS": "detect_leaks=0:verify_asan_link_order=0"}


def test_a_tool_gives_up_after_a_minute(folder, tmp_path_factory, no_sleep):
    good("build", folder)
    before = (folder / "mailslot.cdb").read_bytes()
    (folder / "mailslot.conf").write_text(CONF + "max-recipients = 107\n")
    counted = tmp_path_factory.mktemp("count") / "slept"
    holder = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.lockf(holder, fcntl.LOCK_EX)
    for name, *words in (("build",), ("user", "add", "-n", "carol")):
        counted.write_bytes(b"")
        result = run(name, folder, *words, env={**no_sleep, "SLEEPS": str(counted)})
        assert result.returncode == 111, result
        said = result.stderr.splitlines()
        assert len(said) == 2 and f"waiting for process {os.getpid()}, which has locked {folder}/.lock" in said[0], said
        assert f"process {os.getpid()} has locked {folder}/.lock for a minute" in said[1], said
        assert sum(map(int, counted.read_text().split())) == 60_000_000  # microseconds
        assert (folder / "mailslot.cdb").read_bytes() == before and (folder / ".lock").exists()
    os.close(holder)
    good("build", folder)
    assert (folder / "mailslot.cdb").read_bytes() != before and not (folder / ".lock").exists()


@pytest.mark.parametrize("kind", ["link", "dangling", "hard link", "folder", "fifo", "stranger's"])
def test_an_odd_file_in_place_of_the_lock_is_refused(folder, tmp_path_factory, kind):
    """In a folder like /tmp anybody may create FOLDER/.lock. A link is not followed, and the tools do not wait."""
    place, victim = tmp_path_factory.mktemp("tmp"), tmp_path_factory.mktemp("victim") / "file"
    place.chmod(0o1777)
    victim.write_text("precious")
    lock = place / ".lock"
    if kind in ("link", "dangling"):
        lock.symlink_to(victim if kind == "link" else victim.with_name("none"))
    elif kind == "hard link":
        os.link(victim, lock)
    elif kind == "folder":
        lock.mkdir()
    elif kind == "fifo":
        os.mkfifo(lock)
    elif os.geteuid() != 0:
        skip_because("chown needs root")
    else:
        lock.write_text("")
        os.chown(lock, 12345, 12345)
    result = run("build", folder, "-o", str(place / "db"))
    assert result.returncode == 111 and f"{lock}, which belongs to user" in result.stderr, result
    assert "waiting" not in result.stderr and "remove it" in result.stderr
    assert os.listdir(place) == [".lock"] and os.listdir(victim.parent) == ["file"] and victim.read_text() == "precious"


def test_if_no_lock_can_be_made_the_tool_reports_it(folder):
    """Another user in root's folder, and a read-only file system: the tool does not wait."""
    if os.geteuid() != 0:
        skip_because("needs root")
    good("build", folder)
    tool = [BUILD / "mailslot-user", "-C", folder, "add", "-n", "carol"]
    for wrap, said in (
        ([*private_mount(), "sh", "-c", 'mount --bind -o ro "$0" "$0" && exec "$@"', folder], "Read-only file system"),
        (["setpriv", "--reuid=12345", "--clear-groups"], "Permission denied"),
    ):
        done = subprocess.run([*wrap, *tool], capture_output=True, text=True, check=False)
        assert done.returncode == 111 and said in done.stderr and "waiting" not in done.stderr, done
    assert not (folder / ".lock").exists()


@pytest.mark.parametrize("kind", ["the file", "a folder on the way", "the end of two links", "users"])
def test_root_does_not_follow_a_users_link(folder, tmp_path_factory, kind):
    """Root writes to a user's folder, where the user has replaced the output by a link to one of root's files."""
    if os.geteuid() != 0:
        skip_because("chown needs root")
    place, victim = tmp_path_factory.mktemp("place"), tmp_path_factory.mktemp("victim") / "db"
    victim.write_text("precious")
    good("build", folder)
    output, link = place / "db", place / "db"
    if kind == "a folder on the way":
        link = place / "sub"
        link.symlink_to(victim.parent)
        output = link / "db"
    elif kind == "the end of two links":
        link = place / "own"
        link.symlink_to(victim)
        output.symlink_to(link)
    elif kind == "users":
        place, link, output = folder, folder / "users", folder / "users"
        victim.write_text("")
        link.symlink_to(victim)
    else:
        link.symlink_to(victim)
    before = victim.read_bytes()
    os.chown(place, 12345, -1)
    os.chown(link, 12345, -1, follow_symlinks=False)
    for words in [["user", "add", "-n", "carol"]] if kind == "users" else [["build", "-o"], ["build", "--ticket-secret", "-o"]]:
        result = run(words[0], folder, *words[1:], *([] if kind == "users" else [str(output)]))
        assert result.returncode == 111 and f"{link} is a symbolic link that belongs to user 12345" in result.stderr, result
        assert victim.read_bytes() == before and os.listdir(victim.parent) == ["db"]
    os.chown(link, 0, -1, follow_symlinks=False)  # root's own link is followed
    good("user", folder, "add", "-n", "carol") if kind == "users" else good("build", folder, "-o", str(output))
    assert victim.read_bytes() != before
