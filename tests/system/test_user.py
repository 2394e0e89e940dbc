"""mailslot-user: adding, changing and listing users; passwords at a terminal."""

import base64
import os
import pty
import select
import signal
import stat
import subprocess
import termios
import time

import pytest
from basics import BUILD
from tools import CHEAP, PASSWORD, auth, good, names, record, run, scram, start, verifier

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
        (b"", "no password was given"),
        (b"\n", "no password was given"),
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


def test_a_file_written_by_hand_becomes_private(folder):
    """As `echo >>users` makes it, before there is a hash in it."""
    users = folder / "users"
    for before, after in ((0o644, 0o640), (0o604, 0o600), (0o666, 0o640)):
        users.write_text("postmaster::\n")
        users.chmod(before)
        good("user", folder, "add", "dave", stdin=PASSWORD)
        assert stat.S_IMODE(users.stat().st_mode) == after


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
