"""mailslot-build: which files it compiles, what it replaces, kills and limits, and the format of the database."""

import os
import random
import shutil
import signal
import stat
import subprocess
import time

import pytest
from basics import BUILD
from tools import CONF, PASSWORD, auth, good, names, record, run, start


# --- building


@pytest.mark.parametrize(
    "name, text, said",
    [
        ("mailslot.conf", CONF + "colour = blue\n", "mailslot.conf:4: colour: "),
        ("mailslot.conf", "domains = -\n", "mailslot.conf:1: domains: "),
        ("mailslot.conf", CONF + "milter = /m mx\nmilter = /m port25\n",
         "mailslot.conf:5: milter: write roles after the path, with blanks between them: smtp, mx, submission, submissions, lmtp or local"),
        ("mailslot.conf", CONF + "milter = /m mx\nmilter = /m\n", "mailslot.conf:5: milter: a line above names the same filter"),
        ("mailslot.conf", CONF + "milter = /run/mailslot/lmtp\n", "mailslot.conf:4: milter: /run/mailslot/lmtp is a socket of mail"),
        ("mailslot.conf", CONF + "quarantine = keep\n", "mailslot.conf:4: quarantine: write reject, defer or deliver"),
        ("users", "alice::\n\nalice::\n", "users:3: user alice@example.org is already defined in line 1"),
        ("users", "alice:secret-word:\n", "users:1: alice@example.org: not a crypt(3) hash"),
        ("users", "alice:_J9..Y2xuzjMCOm4ZV0o\n", "users:1: alice@example.org: not a crypt(3)"),
        ("users", "alice:$3$$cfc43211ba8dc470832267827cac1407\n",
         "users:1: alice@example.org: an NT hash has no salt"),
        ("users", "alice:{SCRAM-SHA-256}4096,AAAA,secret-word,AAAA\n",
         "users:1: alice@example.org: the SCRAM verifier is damaged"),
        ("users", "bob::\nalice:$6$rounds=999999999$abcdefgh$" + "a" * 86 + "\n",
         "users:2: alice@example.org: a sha512crypt hash may have up to 1000000 rounds"),
        ("users", "alice:!$2b$31$" + "a" * 53 + "\n",
         "users:1: alice@example.org: a bcrypt hash may have a cost of up to 14"),
        ("users", "a/b::\n", "users:1: `a/b` cannot be"),
        ("aliases", "x: nobody\n", "aliases:1: nobody@example.org: "),
        ("aliases", "x: y\ny: x\n", "aliases:2: these aliases form a loop"),
        ("aliases", "x: x\n", "aliases:1: x@example.org refers to itself"),
        ("aliases", "x: a@gmail.com\n", "aliases:1: `a@gmail.com`: gmail.com is not one of"),
    ],
)
@pytest.mark.parametrize("words", [(), ("-n",)])
def test_bad_files_leave_the_old_database(house, name, text, said, words):
    before = (house / "mailslot.cdb").read_bytes(), (house / "mailslot.cdb").stat().st_ino
    listed = names(house)
    (house / name).write_text(text)
    result = run("build", house, *words)
    assert result.returncode == 100
    assert f"{house}/{said}" in result.stderr
    assert "secret-word" not in result.stderr
    assert before == ((house / "mailslot.cdb").read_bytes(), (house / "mailslot.cdb").stat().st_ino)
    assert names(house) == listed


def test_all_errors_are_reported_at_once(folder):
    (folder / "users").write_text("a\nb\n")
    (folder / "aliases").write_text("c\n")
    result = run("build", folder)
    for place in ("users:1", "users:2", "aliases:1"):
        assert f"{folder}/{place}: " in result.stderr
    assert "3 errors" in result.stderr


def test_checking_writes_nothing(folder):
    (folder / "users").write_text("postmaster::\n")
    good("build", folder, "-n")
    assert names(folder) == ["mailslot.conf", "users"]


def test_mode_and_group_of_the_database_stay(house):
    database = house / "mailslot.cdb"
    database.chmod(0o644)
    if os.geteuid() == 0:
        os.chown(database, -1, 12345)
    group = database.stat().st_gid
    good("build", house)
    assert stat.S_IMODE(database.stat().st_mode) == 0o644 and database.stat().st_gid == group
    database.chmod(0o666)
    good("build", house)
    assert stat.S_IMODE(database.stat().st_mode) == 0o644


def test_a_new_database_has_the_folders_group(house):
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder to another group")
    (house / "mailslot.cdb").unlink()
    os.chown(house, -1, 12345)
    good("build", house)
    assert (house / "mailslot.cdb").stat().st_gid == 12345


def test_a_link_to_the_database_stays_a_link(house, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "real.cdb"
    (house / "mailslot.cdb").rename(elsewhere)
    (house / "mailslot.cdb").symlink_to(elsewhere)
    inode = elsewhere.stat().st_ino
    good("build", house)
    assert (house / "mailslot.cdb").is_symlink() and elsewhere.stat().st_ino != inode


@pytest.mark.parametrize("name", ["mailslot.conf", "users", "aliases"])
def test_a_dangling_link_is_not_an_empty_file(house, name):
    """If the target is on a file system that is not mounted, all users would seem to be gone."""
    before = (house / "mailslot.cdb").read_bytes()
    (house / name).unlink()
    (house / name).symlink_to(house / "not-mounted" / name)
    for argv in (("build", house), ("user", house, "add", "-n", "dave")):
        done = run(*argv)
        assert done.returncode == 111 and f"{name}: Link has been severed" in done.stderr, done
    assert (house / name).is_symlink() and (house / "mailslot.cdb").read_bytes() == before


def test_the_output_can_be_elsewhere(house, tmp_path_factory):
    output = tmp_path_factory.mktemp("elsewhere") / "out.cdb"
    before = (house / "mailslot.cdb").read_bytes()
    good("build", house, "-o", output)
    # Each has its own secret; everything else is the same, whatever other files the folder has.
    assert auth(output.parent, "out.cdb")["secret"] != auth(house)["secret"]
    assert len(output.read_bytes()) == len(before)
    assert record(output.parent, "user:alice@example.org", "out.cdb") == record(
        house, "user:alice@example.org")
    good("show", house, "-d", output, "alice")
    (house / "mailslot.cdb").unlink()
    made = output.read_bytes()
    good("build", house, "-o", output)
    assert output.read_bytes() == made
    (house / "mailslot.cdb").write_bytes(before)
    assert run("build", house, "-o", output.parent / "no" / "out.cdb").returncode == 111
    assert run("build", house, "-o", output.parent).returncode == 111
    assert names(output.parent) == ["out.cdb"]


# --- the format, read by another program


@pytest.mark.skipif(not shutil.which("cdb"), reason="tinycdb is not installed")
def test_cdb_reads_the_database(house):
    good("user", house, "add", "dave", "quota=1K", stdin=PASSWORD)
    database = house / "mailslot.cdb"

    def query(key):
        return subprocess.run(["cdb", "-q", database, key], capture_output=True, text=True,
                              check=False)

    assert query("user:alice@example.org").stdout == (
        "address=alice@example.org\nmailbox=example.org/alice\nquota=1073741824\n"
        "send-as=sales@example.org\nsend-as=@example.net\n")
    assert query("user:carol@example.org").stdout == (
        "address=carol@example.org\nmailbox=/var/mail/carol\naliased=yes\n")
    assert query("alias:team@example.org").stdout == "alice@example.org\ncarol@example.org\n"
    assert query("alias:carol@example.org").stdout == "carol@example.org\nalice@example.org\n"
    assert query("alias:@example.net").stdout == "alice@example.org\n"
    assert query("domain:example.net").returncode == 0
    assert query("credential:dave@example.org").stdout.startswith("crypt=$y$")
    assert "\nscram-sha-256=10000," in query("credential:dave@example.org").stdout
    lines = [line.split("=")[0] for line in query("auth").stdout.splitlines()]
    assert lines == ["decoy", "iterations", "secret", "scram"]
    assert query("credential:alice@example.org").returncode != 0
    assert query("user:nobody@example.org").returncode != 0
    assert "domains=example.org example.net\n" in query("settings").stdout
    assert query("folders").stdout == "/var/mail\n"
    dump = subprocess.run(["cdb", "-d", database], capture_output=True, check=True).stdout
    assert dump.startswith(b"+8,") and dump.endswith(b"\n\n")
    stats = subprocess.run(["cdb", "-s", database], capture_output=True, text=True, check=True)
    assert "number of records: 16\n" in stats.stdout


# --- many users, kills and limits


def many(folder, count):
    """Writes so many users, and as many aliases in one chain."""
    hashed = "$6$abcdefgh$" + "a" * 86
    (folder / "users").write_text(
        "".join(f"user{i:06}:{hashed}:quota=1G\n" for i in range(count)) + "postmaster::\n")
    (folder / "aliases").write_text(
        "".join(f"alias{i}: alias{i + 1}, user{i % 300:06}\n" for i in range(count - 1))
        + f"alias{count - 1}: user000000\n@example.net: alias0\n")


def test_filters_are_in_the_settings(folder):
    """In their order, with one space between words; what is not set has its default."""
    (folder / "mailslot.conf").write_text(CONF + "milter =  /m\tmx   smtp\nmilter-timeout = 1m\nmilter = /n\n")
    good("build", folder)
    settings = record(folder, "settings")
    assert [line for line in settings if "milter" in line or "quarantine" in line] == [
        "milter=/m mx smtp", "milter=/n", "milter-failure=defer", "quarantine=reject", "milter-timeout=60"]


def test_many_users_and_aliases(folder):
    many(folder, 20000)
    good("build", folder)
    good("show", folder, "user000000", "user019999", "alias19999", "alias0")
    shown = good("show", folder, "anyone@example.net").stdout
    assert shown.count("mailbox ") == 300


def test_after_a_kill_the_database_is_whole(folder):
    many(folder, 5000)
    started = time.monotonic()
    good("build", folder)
    took = time.monotonic() - started
    dice = random.Random(1)
    killed = 0
    for _ in range(25):
        process = start("build", folder)
        time.sleep(dice.uniform(0, took))
        process.kill()
        process.communicate()
        killed += process.returncode < 0
        good("show", folder, "alias0", "user004999")
    assert killed > 0
    good("build", folder)
    assert names(folder) == ["aliases", "mailslot.cdb", "mailslot.conf", "users"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_build_leaves_no_temporary_file(folder, number):
    many(folder, 20000)
    good("build", folder)
    before = (folder / "mailslot.cdb").stat().st_ino
    # If a shell runs the tests in the background, SIGINT may be ignored.
    process = start("build", folder, preexec_fn=lambda: signal.signal(number, signal.SIG_DFL))
    while not (folder / "mailslot.cdb.tmp").exists() and process.poll() is None:
        pass
    process.send_signal(number)
    process.communicate()
    assert names(folder) == ["aliases", "mailslot.cdb", "mailslot.conf", "users"]
    assert process.returncode == -number
    assert (folder / "mailslot.cdb").stat().st_ino == before


def test_a_file_size_limit_is_an_error_and_changes_nothing(folder):
    many(folder, 2000)
    good("build", folder)
    before = (folder / "mailslot.cdb").read_bytes(), (folder / "users").read_bytes()
    for name, *words in (("build",), ("user", "add", "-n", "eve")):
        command = f'ulimit -f 200; exec "{BUILD}/mailslot-{name}" -C "{folder}" "$@"'
        result = subprocess.run(["bash", "-c", command, "bash", *words], capture_output=True,
                                check=False)
        assert result.returncode == 111
        assert b"cannot write" in result.stderr or b"ulimit" in result.stderr
        assert names(folder) == ["aliases", "mailslot.cdb", "mailslot.conf", "users"]
    assert before == ((folder / "mailslot.cdb").read_bytes(), (folder / "users").read_bytes())
