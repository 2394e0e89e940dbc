"""mailslot-build, mailslot-user and mailslot-show as an administrator uses them."""

import base64
import fcntl
import hashlib
import hmac
import os
import pty
import random
import select
import shutil
import signal
import stat
import subprocess
import termios
import time
from pathlib import Path

import pytest

from basics import make_library, private_mount, skip_because
from seal import image_of, seal

BUILD = Path(os.environ.get("MAILSLOT_BUILD_DIR", "build")).resolve()
CONF = "# our mail\ndomains = example.org, example.net\nhostname = mx.example.org\n"
PASSWORD = b"correct horse battery\n"


def start(name, folder, *words, **options):
    command = [BUILD / f"mailslot-{name}", "-C", folder, *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def run(name, folder, *words, stdin=b"", **options):
    process = start(name, folder, *words, stdin=subprocess.PIPE, **options)
    out, err = process.communicate(stdin, timeout=120)
    return subprocess.CompletedProcess(words, process.returncode, out.decode(), err.decode())


def good(*arguments, **options):
    result = run(*arguments, **options)
    assert result.returncode == 0, result
    return result


@pytest.fixture
def folder(tmp_path):
    tmp_path.chmod(0o755)
    (tmp_path / "mailslot.conf").write_text(CONF)
    return tmp_path


@pytest.fixture
def house(folder):
    """A folder with users and aliases, and the database."""
    (folder / "users").write_text(
        "# who lives here\n"
        "alice::quota=1G,send-as=sales@example.org,@example.net\n"
        "bob::disabled\n"
        "carol::mailbox=/var/mail/carol\n"
    )
    (folder / "aliases").write_text(
        "postmaster: alice\nteam: alice,\n  carol\ncarol: carol, alice\noff: bob\n"
        "@example.net: alice\n"
    )
    good("build", folder)
    return folder


PERL = ["perl", "-e", "exit(crypt($ARGV[0], $ARGV[1]) ne $ARGV[1])"]  # newer versions of Python have no crypt


def fits(password, hashed):
    """Does this crypt(3) hash match the password?"""
    return subprocess.run([*PERL, password, hashed], check=False).returncode == 0


def credentials(folder, name="alice"):
    """The credentials of a user in `users`, item by item."""
    for line in (folder / "users").read_text().splitlines():
        if line.startswith((f"{name}:", f"{name}@")):
            return line.split(":")[1].split()
    raise AssertionError(name)


def verifier(password, salt, iterations):
    """RFC 5802 section 3, computed by Python; password: prepared bytes."""
    salted = hashlib.pbkdf2_hmac("sha256", password, salt, iterations)
    client = hmac.digest(salted, b"Client Key", "sha256")
    keys = hashlib.sha256(client).digest(), hmac.digest(salted, b"Server Key", "sha256")
    parts = [base64.b64encode(part).decode() for part in (salt, *keys)]
    return ",".join([str(iterations), *parts])


def record(folder, key, database="mailslot.cdb"):
    """The lines of a record, read by tinycdb."""
    data = (folder / database).read_bytes()
    at, end = 2048, int.from_bytes(data[:4], "little")
    while at < end:
        key_len, len_ = (int.from_bytes(data[at + i:at + i + 4], "little") for i in (0, 4))
        if data[at + 8:at + 8 + key_len] == key.encode():
            return data[at + 8 + key_len:at + 8 + key_len + len_].decode().splitlines()
        at += 8 + key_len + len_
    return None


def auth(folder, database="mailslot.cdb"):
    return dict(line.split("=", 1) for line in record(folder, "auth", database))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# --- one command


def test_one_command_adds_a_user_to_an_empty_folder(folder):
    good("user", folder, "add", "alice", stdin=PASSWORD)
    assert names(folder) == ["mailslot.cdb", "mailslot.conf", "users"]
    for name in ("users", "mailslot.cdb"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o640
    line = (folder / "users").read_text()
    assert line.startswith("alice@example.org:$y$") and line.endswith(":\n")
    shown = good("show", folder, "Alice@Example.ORG")
    assert "250 2.1.5" in shown.stdout and "credentials  yescrypt\n" in shown.stdout
    assert "credentials  SCRAM-SHA-256, 10000 iterations\n" in shown.stdout
    for secret in line.split(":")[1].replace(",", " ").split():
        assert secret not in shown.stdout
    assert not shown.stderr


# As typed, as prepared by SASLprep, and as OpaqueString if that is different.
FORMS = [
    ("correct horse battery",),
    ("pässwörd zwölf", "pässwörd zwölf"),
    ("pa\u0308sswo\u0308rd zwo\u0308lf", "pässwörd zwölf"),
    ("pässwörd-①", "pässwörd-1", "pässwörd-①"),
    ("no\u00a0break\u00adhere", "no breakhere", "no break\u00adhere"),
]


@pytest.mark.parametrize("forms", FORMS, ids=lambda forms: ascii(forms[0]))
def test_the_stored_password_is_the_typed_one(folder, forms):
    good("user", folder, "add", "alice", stdin=f"{forms[0]}\n".encode())
    hashed, *verifiers = credentials(folder)
    forms = forms[-1:] if len(forms) == 1 else forms[1:]
    assert fits(forms[0], hashed) and not fits("another password", hashed)
    salt = base64.b64decode(verifiers[0].split(",")[1])
    assert len(salt) == 16
    assert verifiers == ["{SCRAM-SHA-256}" + verifier(form.encode(), salt, 10000)
                         for form in forms]
    assert record(folder, "credential:alice@example.org") == [
        f"crypt={hashed}", *(one.replace("{SCRAM-SHA-256}", "scram-sha-256=") for one in verifiers)]


@pytest.mark.parametrize(
    "typed, said",
    [
        (b"", "no password given"),
        (b"\n", "no password given"),
        (b"seven77\n", "fewer than 8 characters"),
        ("sövön77\n".encode(), "fewer than 8 characters"),
        (b"nul\0in the middle\n", "NUL"),
        (b"x" * 600 + b"\n", "at most 511 bytes"),
        ("ﷺ correct horse ".encode() * 22 + b"\n", "at most 511 bytes once it is prepared"),
        (b"latin \xe4\xf6\xfc\n", "not UTF-8"),
        (b"tab\tin the middle\n", "control characters"),
        (b"aabbaabbaabb\n", "fewer than 5 different"),
        (b"12345678\n", "sequence of characters or keys"),
        (b"poiuytrewq\n", "sequence of characters or keys"),
        (b"wonderALICEland\n", "the user's name"),
        (b"so Alice@example.org\n", "the user's name"),
        (b"Password2024!\n", "one of the most common ones"),
        ("ｐａｓｓｗｏｒｄ\n".encode(), "one of the most common ones"),
    ],
    ids=lambda text: ascii(text)[:30],
)
def test_bad_passwords_are_refused_with_the_reason(folder, typed, said):
    result = run("user", folder, "add", "alice", stdin=typed)
    assert result.returncode == 100 and said in result.stderr
    assert typed.strip().decode("latin-1") not in result.stderr or not typed.strip()
    assert names(folder) == ["mailslot.conf"]
    (folder / "users").write_text("alice::\n")
    assert run("user", folder, "passwd", "alice", stdin=typed).stderr == result.stderr
    assert (folder / "users").read_text() == "alice::\n"


def test_a_missing_library_is_named(folder, tmp_path_factory):
    broken = tmp_path_factory.mktemp("broken")
    (broken / "libgnutls.so.30").write_text("")
    result = run("user", folder, "add", "alice", stdin=PASSWORD,
                 env={**os.environ, "LD_LIBRARY_PATH": str(broken)})
    assert result.returncode == 111 and "package libgnutls30" in result.stderr
    assert names(folder) == ["mailslot.conf"]


def test_only_the_first_line_of_stdin_is_the_password(folder):
    good("user", folder, "add", "alice", stdin=b"correct horse\r\nsecond line\n")
    assert fits("correct horse", credentials(folder)[0])


# --- editing


def test_other_lines_stay_byte_for_byte(folder):
    users = folder / "users"
    text = b"# one\r\n\n  bob : : disabled \n#alice::\nalice:: quota=1G\r\n\"c d\"::\n# no newline"
    users.write_bytes(text)
    users.chmod(0o600)
    good("user", folder, "passwd", "alice", stdin=PASSWORD)
    hashed = users.read_bytes().split(b"alice:")[2].split(b":")[0]
    assert users.read_bytes() == text.replace(b"\nalice:", b"\nalice:" + hashed)
    good("user", folder, "lock", "alice")
    assert users.read_bytes() == text.replace(b"\nalice:", b"\nalice:!" + hashed)
    good("user", folder, "unlock", "alice")
    assert users.read_bytes() == text.replace(b"\nalice:", b"\nalice:" + hashed)
    good("user", folder, "passwd", "-n", "alice")
    assert users.read_bytes() == text
    good("user", folder, "add", "-n", "eve", "quota=5M,mailbox=/m/eve")
    assert users.read_bytes() == text + b"\neve@example.org::quota=5M,mailbox=/m/eve\n"
    good("user", folder, "del", "eve")
    assert users.read_bytes() == text + b"\n"
    good("user", folder, "del", '"c d"@example.org')
    assert users.read_bytes() == text.replace(b'"c d"::\n', b"") + b"\n"
    assert stat.S_IMODE(users.stat().st_mode) == 0o600


@pytest.mark.parametrize("address", ["#x@example.org", '"#x"@example.org', "#x"])
def test_a_name_that_would_begin_a_comment_is_quoted(folder, address):
    users = folder / "users"
    users.write_text("alice::\n")
    good("user", folder, "add", "-n", address, "quota=5M")
    assert users.read_text() == 'alice::\n"#x"@example.org::quota=5M\n'
    assert "250 2.1.5" in good("show", folder, "#x@example.org").stdout
    assert "#x@example.org" in good("user", folder, "list").stdout
    assert run("user", folder, "add", "-n", address).returncode == 100
    good("user", folder, "del", address)
    assert users.read_text() == "alice::\n"


def test_del_names_the_mailbox_that_stays(house):
    (house / "aliases").unlink()
    result = good("user", house, "del", "carol")
    assert "/var/mail/carol" in result.stdout
    assert run("show", house, "carol").returncode == 1


def test_a_user_named_by_an_alias_is_not_deleted(house):
    before = (house / "users").read_bytes(), (house / "mailslot.cdb").read_bytes()
    result = run("user", house, "del", "carol")
    assert result.returncode == 100
    assert f"{house}/aliases:4: " in result.stderr
    assert "aliases:3: " not in result.stderr  # in that line, carol is the alias
    assert before == ((house / "users").read_bytes(), (house / "mailslot.cdb").read_bytes())


def test_a_locked_user_cannot_log_in_but_receives_mail(folder):
    good("user", folder, "add", "alice", stdin=PASSWORD)
    good("user", folder, "lock", "alice")
    shown = good("show", folder, "alice").stdout
    assert "250 2.1.5" in shown and "credentials  locked (receives mail, cannot log in)" in shown
    assert record(folder, "credential:alice@example.org") is None
    assert "scram" not in auth(folder)
    old = set(credentials(folder)[1:])
    good("user", folder, "passwd", "alice", stdin=b"another password\n")
    hashed, *verifiers = credentials(folder)
    assert hashed.startswith("!$y$") and fits("another password", hashed[1:])
    assert len(verifiers) == 1 and not old & set(verifiers)
    assert "credentials  locked" in good("show", folder, "alice").stdout
    good("user", folder, "unlock", "alice")
    assert credentials(folder) == [hashed[1:], *verifiers]
    assert "credentials  yescrypt" in good("show", folder, "alice").stdout


def test_passwd_replaces_all_credentials(folder):
    two = f"{scram(b'one')} {CHEAP['descrypt']} {scram('①'.encode())}"
    (folder / "users").write_text(f"alice: {two} :quota=1G\nbob:! {two}\n")
    good("user", folder, "passwd", "alice", stdin=PASSWORD)
    good("user", folder, "passwd", "bob", stdin=PASSWORD)
    assert len(credentials(folder)) == 2 and (folder / "users").read_text().count("{CRYPT}") == 0
    assert credentials(folder, "bob")[0].startswith("!$y$")
    good("user", folder, "passwd", "-n", "alice")
    good("user", folder, "passwd", "-n", "bob")
    assert (folder / "users").read_text() == "alice::quota=1G\nbob:!\n"


def test_list_is_aligned(house):
    lines = good("user", house, "list").stdout.splitlines()
    assert len({line.index("/") for line in lines[1:]}) == 1
    assert lines[0].split() == ["ADDRESS", "PASSWORD", "STATE", "QUOTA", "MAILBOX"]
    assert lines[1].split() == ["alice@example.org", "-", "-", "1G",
                                "/var/lib/mailslot/example.org/alice"]
    assert "disabled" in lines[2]
    assert run("user", house, "list", "nobody").returncode == 1


def test_list_shows_kinds_of_credentials_but_no_secrets(folder):
    one, two = scram(b"one"), scram("①".encode(), 4096)
    users = {
        "none": ("", "-", []),
        "crypt": (CHEAP["$1$"], "md5crypt", ["md5crypt"]),
        "des": (CHEAP["descrypt"], "descrypt", ["descrypt"]),
        "bsdi": (CHEAP["bsdicrypt"], "bsdicrypt", ["bsdicrypt"]),
        "scram": (one, "scram", ["SCRAM-SHA-256, 5000 iterations"]),
        "both": (f"{one} {CHEAP['$gy$']}", "gost-yescrypt+scram",
                 ["gost-yescrypt", "SCRAM-SHA-256, 5000 iterations"]),
        "forms": (f"{CHEAP['$6$']} {two} {two}", "sha512crypt+scram",
                  ["sha512crypt", *["SCRAM-SHA-256, 4096 iterations"] * 2]),
    }
    (folder / "users").write_text("".join(f"{name}:{row[0]}\n" for name, row in users.items()))
    good("build", folder)
    listed = good("user", folder, "list").stdout
    assert len({line.index("/") for line in listed.splitlines()[1:]}) == 1
    for name, (text, kind, kinds) in users.items():
        line = next(line for line in listed.splitlines() if line.startswith(f"{name}@"))
        assert line.split()[1] == kind
        assert good("user", folder, "list", name).stdout.split()[1] == kind
        shown = good("show", folder, name).stdout
        found = [row.split(maxsplit=1)[1] for row in shown.splitlines() if "credentials" in row]
        assert found == (kinds or ["none (receives mail, cannot log in)"])
        for secret in text.replace("}", " ").replace(",", " ").split():
            assert len(secret) < 8 or secret == "SCRAM-SHA-256" or secret.startswith("{") \
                or secret not in listed + shown
    good("user", folder, "lock", "scram")
    assert "not locked: receives mail, and can log in" in good("user", folder, "unlock", "scram").stdout
    assert "users: 7 (6 with a password)" in good("show", folder).stdout


@pytest.mark.parametrize("command", ["passwd", "del", "lock", "unlock", "list"])
def test_an_unknown_user_is_exit_code_1(house, command):
    result = run("user", house, command, "nobody", stdin=PASSWORD)
    assert result.returncode == 1 and "nobody@example.org is not in" in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("add", "-n", "alice"),
        ("add", "-n", "eve@foreign.example"),
        ("add", "-n", "no address"),
        ("add", "-n", "eve", "quota=much"),
        ("add", "-n", "eve", "quota=1G\nroot::"),
        ("add", "-n", "eve:x", ""),
        ("add", "-n", "../eve"),
        ("add", "-n", "eve", "mailbox=/var/mail/carol"),
        ("del", "bob", "carol"),
        ("del", "-n", "carol"),
        ("frobnicate", "alice"),
        (),
    ],
)
def test_wrong_usage_changes_nothing(house, words):
    before = {name: (house / name).read_bytes() for name in names(house)}
    result = run("user", house, *words)
    assert result.returncode == 100 and result.stderr
    assert before == {name: (house / name).read_bytes() for name in names(house)}


def test_concurrent_changes_are_all_kept(folder):
    processes = [start("user", folder, "add", "-n", f"user{i}") for i in range(8)]
    processes += [start("build", folder) for _ in range(4)]
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    users = (folder / "users").read_text().splitlines()
    assert sorted(users) == [f"user{i}@example.org::" for i in range(8)]
    good("show", folder, *(f"user{i}" for i in range(8)))
    assert names(folder) == ["mailslot.cdb", "mailslot.conf", "users"]


# --- a password at a terminal


class Terminal:
    """mailslot-user on a terminal."""

    def __init__(self, folder, *words):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            program = str(BUILD / "mailslot-user")
            os.execv(program, [program, "-C", str(folder), *words])
        self.seen = b""

    def expect(self, text):
        end = time.monotonic() + 20
        while text not in self.seen and time.monotonic() < end:
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    self.seen += os.read(self.fd, 4096)
                except OSError:
                    break
        assert text in self.seen, self.seen
        self.seen = self.seen.split(text, 1)[1]

    def echoes(self):
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def type(self, text):
        os.write(self.fd, text)

    def wait(self):
        rest = b""
        try:
            while chunk := os.read(self.fd, 4096):
                rest += chunk
        except OSError:
            pass
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.fd)
        return status, (self.seen + rest).decode()


def test_a_terminal_is_asked_twice_without_echo(folder):
    terminal = Terminal(folder, "add", "alice")
    terminal.expect(b"Password: ")
    assert not terminal.echoes()
    terminal.type(PASSWORD)
    terminal.expect(b"again: ")
    assert not terminal.echoes()
    terminal.type(PASSWORD)
    terminal.expect(b"added")
    status, rest = terminal.wait()
    assert status == 0 and "horse" not in rest
    assert "alice@example.org:$y$" in (folder / "users").read_text()


def test_two_different_passwords_change_nothing(folder):
    terminal = Terminal(folder, "add", "alice")
    terminal.expect(b"Password: ")
    terminal.type(PASSWORD)
    terminal.expect(b"again: ")
    terminal.type(b"something else\n")
    status, rest = terminal.wait()
    assert status == 100 and "differ" in rest
    assert names(folder) == ["mailslot.conf"]


def test_an_interrupt_turns_the_echo_on_again(folder):
    terminal = Terminal(folder, "add", "alice")
    terminal.expect(b"Password: ")
    other_end = os.open(os.readlink(f"/proc/{terminal.pid}/fd/0"), os.O_RDWR | os.O_NOCTTY)
    assert not terminal.echoes()
    terminal.type(b"half a pass\x03")
    assert os.waitstatus_to_exitcode(os.waitpid(terminal.pid, 0)[1]) == -signal.SIGINT
    assert terminal.echoes()
    os.close(other_end)
    os.close(terminal.fd)
    assert names(folder) == ["mailslot.conf"]


# --- building


@pytest.mark.parametrize(
    "name, text, said",
    [
        ("mailslot.conf", CONF + "colour = blue\n", "mailslot.conf:4: colour: "),
        ("mailslot.conf", "domains = -\n", "mailslot.conf:1: domains: "),
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


# --- replies to unknown users


# One hash of each kind, not of any user's password.
CHEAP = {
    "$y$": "$y$j75$abcdefgh$" + "a" * 43,
    "$gy$": "$gy$j75$abcdefgh$" + "a" * 43,
    "$2b$": "$2b$04$" + "a" * 53,
    "$6$": "$6$rounds=1000$abcdefgh$" + "a" * 86,
    "$1$": "$1$abcdefgh$" + "a" * 22,
    "bsdicrypt": "{CRYPT}_J9..Y2xuzjMCOm4ZV0o",
    "descrypt": "{DES-CRYPT}itfCIl1erVSlo",
}


def scram(password, iterations=5000, salt=b"sixteen bytes it"):
    return "{SCRAM-SHA-256}" + verifier(password, salt, iterations)


def write_users(folder, *fields):
    (folder / "users").write_text("".join(f"u{i}:{field}\n" for i, field in enumerate(fields)))
    return good("build", folder).stderr


def test_without_users_there_are_values_for_unknown_users_too(folder):
    good("build", folder)
    made = auth(folder)
    assert list(made) == ["decoy", "iterations", "secret"]
    assert made["decoy"].startswith("$y$j9T$") and made["iterations"] == "10000"
    assert len(base64.b64decode(made["secret"], validate=True)) == 32


def test_secret_and_decoy_stay_the_same_in_each_build(folder):
    good("user", folder, "add", "alice", stdin=PASSWORD)
    first = auth(folder)
    assert first["scram"] == "yes"
    good("build", folder)
    assert auth(folder) == first
    good("user", folder, "add", "bob", stdin=b"another password\n")
    assert auth(folder) == first
    good("user", folder, "lock", "alice")
    assert auth(folder) == first
    good("user", folder, "passwd", "-n", "bob")
    assert auth(folder) == {**{name: first[name] for name in ("decoy", "iterations", "secret")}}
    good("user", folder, "unlock", "alice")
    assert auth(folder) == first


@pytest.mark.parametrize("how", ["missing", "unsafe", "damaged", "cut short"])
def test_a_database_that_cannot_be_trusted_gives_no_secret(folder, how):
    good("build", folder)
    first = auth(folder)
    database = folder / "mailslot.cdb"
    data = database.read_bytes()
    if how == "missing":
        database.unlink()
    elif how == "unsafe":
        database.chmod(0o666)
    elif how == "damaged":
        at = data.index(first["secret"].encode())
        database.write_bytes(data[:at] + b"A" * 8 + data[at + 8:])
    else:
        database.write_bytes(data[:-1])
    good("build", folder)
    made = auth(folder)
    assert made["secret"] != first["secret"] and "AAAAAAAA" not in made["secret"]
    assert len(base64.b64decode(made["secret"], validate=True)) == 32
    assert made["decoy"] != first["decoy"]


def test_an_old_database_without_the_record_is_replaced(folder):
    good("build", folder)
    data = (folder / "mailslot.cdb").read_bytes()
    first = auth(folder)
    # As an older mailslot-build would have written the database, or a newer one with other values.
    for value in ("x" * 44, first["secret"][:-1] + "x", "." * 44):
        forged = folder / "forged"
        forged.write_bytes(seal(image_of(data).replace(first["secret"].encode(), value.encode())))
        forged.replace(folder / "mailslot.cdb")
        good("show", folder)
        good("build", folder)
        assert len(base64.b64decode(auth(folder)["secret"], validate=True)) == 32
        assert auth(folder)["decoy"] == first["decoy"]


@pytest.mark.parametrize("kind", CHEAP)
def test_the_decoy_is_of_the_kind_that_most_users_have(folder, kind):
    other = CHEAP["$1$" if kind != "$1$" else "$6$"]
    write_users(folder, other, CHEAP[kind], CHEAP[kind])
    decoy, text = auth(folder)["decoy"], CHEAP[kind].split("}")[-1]
    cost = {"bsdicrypt": 5, "descrypt": 0, "$2b$": 7, "$1$": 3}.get(kind, text.find("$", 3 + (
        kind == "$gy$")) + 1)
    assert decoy[:cost] == text[:cost] and len(decoy) >= len(text) and decoy != text
    assert subprocess.run(["perl", "-e", "exit(length crypt('x', $ARGV[0]) != length $ARGV[0])",
                           decoy], check=False).returncode == 0
    # If as many users have the other kind, the decoy stays as it is.
    write_users(folder, other, other, CHEAP[kind], CHEAP[kind])
    assert auth(folder)["decoy"] == decoy
    write_users(folder, other, other, CHEAP[kind])
    assert auth(folder)["decoy"][:3] == other[:3]


def test_users_who_cannot_log_in_do_not_count(folder):
    one = CHEAP["$6$"]
    write_users(folder, one, "!" + CHEAP["$1$"], CHEAP["$1$"] + ":disabled",
                "!" + scram(b"x", 4096), scram(b"x", 4096) + ":disabled", "")
    made = auth(folder)
    assert made["decoy"].startswith("$6$rounds=1000$") and made["iterations"] == "10000"
    assert "scram" not in made
    assert [record(folder, f"credential:u{i}@example.org") is None for i in range(6)] == [
        False, True, True, True, True, True]
    write_users(folder, scram(b"x"), scram(b"x", 4096), scram(b"x"))
    assert auth(folder)["iterations"] == "5000" and auth(folder)["scram"] == "yes"
    assert record(folder, "credential:u1@example.org") == [
        scram(b"x", 4096).replace("{SCRAM-SHA-256}", "scram-sha-256=")]
    write_users(folder, scram(b"x", 4096), scram(b"x"))
    assert auth(folder)["iterations"] == "5000"
    write_users(folder, scram(b"x", 4096))
    assert auth(folder)["iterations"] == "4096"


def test_a_cost_that_crypt_refuses_does_not_prevent_a_build(folder):
    write_users(folder, "$2b$03$" + "a" * 53)
    first = auth(folder)
    assert first["decoy"].startswith("$y$j9T$")
    good("build", folder)
    assert auth(folder) == first


def test_users_without_a_verifier_cause_a_warning(folder):
    said = "has no SCRAM verifier"
    assert said not in write_users(folder, CHEAP["$6$"], CHEAP["$1$"])
    assert said not in write_users(folder, CHEAP["$6$"], "!" + scram(b"x"), "")
    assert said not in write_users(folder, "!" + CHEAP["$6$"], scram(b"x"),
                                   CHEAP["$1$"] + ":disabled", "")
    warned = write_users(folder, scram(b"x"), CHEAP["$6$"], f"{CHEAP['$1$']} {scram(b'x')}")
    assert f"{folder}/users:2: warning: u1@example.org {said}" in warned
    assert warned.count(said) == 1
    assert "mailslot-user passwd" in warned
    warned = write_users(folder, scram(b"x"), *[CHEAP["$6$"]] * 20)
    assert warned.count(said) == 10 and "more warnings not shown" in warned


# --- many users, kills and limits


def many(folder, count):
    """Writes so many users, and as many aliases in one chain."""
    hashed = "$6$abcdefgh$" + "a" * 86
    (folder / "users").write_text(
        "".join(f"user{i:06}:{hashed}:quota=1G\n" for i in range(count)) + "postmaster::\n")
    (folder / "aliases").write_text(
        "".join(f"alias{i}: alias{i + 1}, user{i % 300:06}\n" for i in range(count - 1))
        + f"alias{count - 1}: user000000\n@example.net: alias0\n")


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


# --- showing


@pytest.mark.parametrize(
    "address, said, code",
    [
        ("alice", "250 2.1.5 accepted: user alice@example.org", 0),
        ("ALICE+x@EXAMPLE.org", "user alice@example.org, without the detail", 0),
        ("team@example.org", "250 2.1.5 accepted: alias team@example.org", 0),
        ("carol", "250 2.1.5 accepted: alias carol@example.org", 0),
        ("anyone@example.net", "250 2.1.5 accepted: catch-all of @example.net", 0),
        ("bob", "550 5.2.1 refused: disabled", 1),
        ("off", "550 5.2.1 refused: disabled", 1),
        ("nobody@example.org", "550 5.1.1 refused: no such user", 1),
        ("alice@example.com", "550 5.7.1 refused: not a local domain", 1),
        ("alice%example.org@example.com", "550 5.7.1", 1),
        ("alice@", "not a mail address", 1),
    ],
)
def test_show_prints_the_servers_reply(house, address, said, code):
    result = run("show", house, address)
    assert said in result.stdout and result.returncode == code


def test_show_prints_all_about_a_user(house):
    shown = good("show", house, "alice").stdout
    for said in ("/var/lib/mailslot/example.org/alice", "1073741824 bytes",
                 "send-as      sales@example.org", "send-as      @example.net"):
        assert said in shown


def test_show_of_several_addresses_fails_if_one_does(house):
    assert run("show", house, "alice", "nobody", "team").returncode == 1


def test_the_settings_shown_are_a_configuration(house, tmp_path_factory):
    shown = good("show", house).stdout
    assert "domains = example.org example.net\n" in shown
    assert "users: 3 (0 with a password), aliases: 5\n" in shown
    other = tmp_path_factory.mktemp("other")
    (other / "mailslot.conf").write_text(shown)
    good("build", other)
    assert good("show", other).stdout.splitlines()[1:-1] == shown.splitlines()[1:-1]


@pytest.mark.parametrize("name", ["mailslot.conf", "users", "aliases"])
def test_show_reports_changes_since_the_last_build(house, name):
    assert not good("show", house, "alice").stderr
    text = (house / name).read_bytes()
    for changed in (text + b"#\n", text[:-1] + b"#", b""):
        (house / name).write_bytes(changed)
        os.utime(house / name, (0, 0))
        assert f"{house}/{name} has changed since the last build" in good("show", house, "alice").stderr
    (house / name).write_bytes(text)
    assert not good("show", house, "alice").stderr
    (house / name).unlink()
    assert f"{house}/{name} has changed" in good("show", house, "alice").stderr


def test_an_unsafe_database_is_refused(house):
    for mode in (0o660, 0o602, 0o666):
        (house / "mailslot.cdb").chmod(mode)
        result = run("show", house, "alice")
        assert result.returncode == 100 and "not safe" in result.stderr and not result.stdout
    if os.geteuid() == 0:
        (house / "mailslot.cdb").chmod(0o640)
        os.chown(house / "mailslot.cdb", 12345, -1)
        assert run("show", house, "alice").returncode == 100


def test_a_damaged_or_missing_database_is_not_an_unknown_user(house):
    database = house / "mailslot.cdb"
    with open(house / "users", "a", encoding="ascii") as users:  # more than a block away from the settings
        users.writelines(f"more{i}@example.org::\n" for i in range(100))
    good("build", house)
    whole = database.read_bytes()
    database.write_bytes(whole[:-1])
    assert run("show", house, "more99").returncode == 111
    at = whole.index(b"mailbox=example.org/more99")
    database.write_bytes(whole[:at] + b"M" + whole[at + 1:])
    result = run("show", house, "more99")
    assert result.returncode == 111 and "451 4.3.0" in result.stdout
    assert run("show", house).returncode == 111
    database.unlink()
    result = run("show", house, "alice")
    assert result.returncode == 111 and "mailslot-build" in result.stderr


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


# --- common to all three tools


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
    assert result.returncode == 111 and f"{lock} is not a lock file of these tools" in result.stderr, result
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
        assert result.returncode == 111 and f"{link} is a symbolic link of user 12345" in result.stderr, result
        assert victim.read_bytes() == before and os.listdir(victim.parent) == ["db"]
    os.chown(link, 0, -1, follow_symlinks=False)  # root's own link is followed
    good("user", folder, "add", "-n", "carol") if kind == "users" else good("build", folder, "-o", str(output))
    assert victim.read_bytes() != before
