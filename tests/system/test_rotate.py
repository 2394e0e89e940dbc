"""mailslot-rotate: mail is moved away whole, despite deliveries and kills; and what is refused."""

import fcntl
import os
import re
import stat
import subprocess
import threading
import time
from pathlib import Path

import pytest
from basics import TOP, binary, needs, skip_because
from client import start_own
from mbox import messages_of, parse_mbox
from processes import spawn, wait_until
from house import House

SEED = b"From old@client.example Mon Jan  1 00:00:00 2001\nSubject: old\n\nold body\n\n"


def is_root():
    return os.geteuid() == 0


class Stage:
    """A mailbox with mail in it, and a folder for its archives."""

    def __init__(self, world):
        self.world = world
        self.mailbox = world.preset("alice", SEED, mode=0o640)
        self.archive = world.folder / "archive"
        self.archive.mkdir()
        self.target = self.archive / "alice"

    def rotate(self, *options, mailbox=None, target=None, wrap=()):
        argv = [*wrap, binary("mailslot-rotate"), *options, mailbox or self.mailbox, target or self.target]
        env = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"} if wrap else None  # LeakSanitizer needs ptrace, as strace does
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, env=env)

    def untouched(self):
        return self.mailbox.read_bytes() == SEED and os.listdir(self.archive) == []

    def refused(self, code, says, **more):
        done = self.rotate(**more)
        assert (done.returncode, done.stdout) == (code, ""), done.stderr
        assert says in done.stderr and done.stderr.count("\n") == 1, done.stderr
        return True


@pytest.fixture
def stage(world):
    return Stage(world)


def is_unlocked(stage):
    return os.listdir(stage.mailbox.parent) == [stage.mailbox.name]


# ---- rotation ----------------------------------------------------------------------------------


def test_moves_the_mailbox_and_leaves_an_empty_one_with_its_mode(stage):
    if is_root():
        os.chown(stage.mailbox, 12345, 8)
    before = stage.mailbox.stat()
    done = stage.rotate()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    after, moved = stage.mailbox.stat(), stage.target.stat()
    assert stage.target.read_bytes() == SEED and moved.st_ino == before.st_ino
    assert (after.st_size, after.st_nlink) == (0, 1)
    assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid, before.st_mode)
    assert is_unlocked(stage)


def test_delivery_goes_on(stage):
    assert stage.rotate().returncode == 0
    assert stage.world.deliver("alice@example.org").startswith("250")
    assert len(messages_of(stage.mailbox.read_bytes())) == 1 and stage.target.read_bytes() == SEED


def test_takes_an_empty_target(stage):
    """A killed mailslot-rotate leaves one, and logrotate makes one."""
    stage.target.touch(0o600)
    assert stage.rotate().returncode == 0
    assert stage.target.read_bytes() == SEED
    assert stat.S_IMODE(stage.mailbox.stat().st_mode) == 0o640


def tear(stage):
    """Kills a delivery while it writes, so that half a message is left."""
    needs("strace")
    wrap = ["strace", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", "inject=fdatasync:signal=SIGKILL"]
    session = stage.world.session(wrap=wrap)
    reply = session.send_message(["alice@example.org"], b"Subject: torn\n\nx\n")
    assert reply == "closed" or reply.startswith("421 4.3.0"), reply  # the front notices that the back has died, or dies with it
    session.finish()
    if stage.mailbox.read_bytes() == SEED:
        skip_because("strace did not strike")
    os.truncate(stage.mailbox, stage.mailbox.stat().st_size - 4)


def test_torn_message_is_removed_first(stage):
    """Half a message is not moved."""
    tear(stage)
    assert stage.rotate().returncode == 0
    assert stage.target.read_bytes() == SEED
    assert is_unlocked(stage)


@pytest.mark.parametrize("user", ["mailslot", "another"])
def test_root_removes_only_torn_messages_of_the_server(stage, tmp_path, user):
    """In /var/mail, where the mailbox belongs to its user: only the server's undo links are believed."""
    house = House(tmp_path / "house")
    tear(stage)
    os.chown(stage.mailbox, 12345, 8)
    for end in (".lock", ".undo"):
        os.lchown(f"{stage.mailbox}{end}", 12346, 8)
    house.type(f"echo {user}:x:12346:8::/:/bin/false >>/etc/passwd; mailslot-rotate {stage.mailbox} {stage.target}")
    assert (stage.target.read_bytes() == SEED) == (user == "mailslot")
    assert is_unlocked(stage)


# ---- refusals ----------------------------------------------------------------------------------


def test_no_mail(stage):
    """Neither a mailbox nor a target is created."""
    stage.mailbox.write_bytes(b"")
    assert stage.refused(1, "is empty")
    stage.mailbox.unlink()
    assert stage.refused(1, "does not exist")
    assert os.listdir(stage.archive) == [] == os.listdir(stage.mailbox.parent)


def test_nothing_is_overwritten(stage):
    stage.target.write_bytes(b"other mail")
    assert stage.refused(100, "already exists")
    assert stage.target.read_bytes() == b"other mail" and stage.mailbox.read_bytes() == SEED


@pytest.mark.parametrize("kind", ["folder", "fifo", "hard link", "symbolic link", "dangling link"])
def test_odd_targets(stage, kind):
    other = stage.world.folder / "other"
    if kind == "folder":
        stage.target.mkdir()
    elif kind == "fifo":
        os.mkfifo(stage.target)
    elif kind == "hard link":
        other.touch()
        os.link(other, stage.target)
    else:
        if kind == "symbolic link":
            other.touch()
        stage.target.symlink_to(other)
    done = stage.rotate()
    assert done.returncode in (100, 111) and str(stage.target) in done.stderr
    assert stage.mailbox.read_bytes() == SEED
    assert not other.exists() or other.read_bytes() == b""


@pytest.mark.skipif(not is_root(), reason="only root can give a file to another user")
def test_empty_target_of_another_user(stage):
    """That user may have it open for writing, and could then write to the archive."""
    stage.target.touch()
    os.chown(stage.target, 12345, 12345)
    assert stage.refused(100, "already exists")
    assert stage.mailbox.read_bytes() == SEED


def test_links_in_the_path(stage):
    """Folders that others can write to may contain links."""
    link = stage.world.folder / "link"
    link.symlink_to(stage.archive)
    assert stage.refused(100, "contains a symbolic link", target=link / "alice")
    link.unlink()
    link.symlink_to(stage.mailbox.parent)
    assert stage.refused(100, "contains a symbolic link", mailbox=link / "alice")
    assert stage.untouched()


@pytest.mark.parametrize("kind", ["folder", "fifo", "hard link", "symbolic link"])
def test_odd_mailboxes(stage, kind):
    odd = stage.world.folder / "odd"
    if kind == "folder":
        odd.mkdir()
    elif kind == "fifo":
        os.mkfifo(odd)
    elif kind == "hard link":
        os.link(stage.mailbox, odd)
    else:
        odd.symlink_to(stage.mailbox)
    assert stage.refused(100, "not a regular file with a single hard link", mailbox=odd)
    assert stage.untouched()


def test_a_mailbox_replaced_while_it_is_locked(stage):
    """The owner of the folder replaces the locked mailbox by something else, which is not moved."""
    needs("strace")
    wrap = ["strace", "-qq", "-o", stage.world.folder / "trace"]
    wrap += ["-e", "trace=renameat2", "-e", "inject=renameat2:delay_enter=1500000:when=1"]
    argv = [*wrap, binary("mailslot-rotate"), stage.mailbox, stage.target]
    rotating = spawn(argv, stderr=subprocess.PIPE, text=True, env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    if not wait_until(lambda: stage.target.exists() and stage.target.stat().st_mode & 0o777 == 0o640):
        skip_because("strace did not strike")
    stage.mailbox.rename(stage.mailbox.with_name("mine"))
    stage.mailbox.symlink_to("/etc/passwd")
    said = rotating.communicate(timeout=30)[1]
    assert rotating.returncode == 111 and "was replaced in the meantime" in said
    assert stage.mailbox.is_symlink() and os.listdir(stage.archive) == []
    assert stage.mailbox.with_name("mine").read_bytes() == SEED


@pytest.mark.parametrize("again", [False, True], ids=["once", "again after the exchange"])
@pytest.mark.parametrize("whose", ["archive", "mailbox"])
def test_link_of_a_user_across_the_exchange(stage, whose, again):
    """Root rotates between root's folder and a user's folder, where the user puts a link in place of the file. The
    link is not moved to root's folder."""
    needs("strace")
    if not is_root():
        skip_because("needs a user and root")
    folders = {"archive": stage.archive, "mailbox": stage.mailbox.parent}
    names = {"archive": stage.target, "mailbox": stage.mailbox}
    users, theirs = folders[whose], names[whose]
    roots, ours = next((folders[k], names[k]) for k in folders if k != whose)
    os.chown(users, 4242, 4242)
    wrap = ["strace", "-qq", "-o", stage.world.folder / "trace", "-e", "trace=renameat2"]
    wrap += ["-e", f"inject=renameat2:delay_{'exit' if again else 'enter'}=1500000:when=1"]
    argv = [*wrap, binary("mailslot-rotate"), stage.mailbox, stage.target]
    rotating = spawn(argv, stderr=subprocess.PIPE, text=True, env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    inode = stage.mailbox.stat().st_ino

    def in_time():
        if again:
            return stage.target.exists() and stage.target.stat().st_ino == inode
        return stage.target.exists() and stage.target.stat().st_mode & 0o777 == 0o640

    if not wait_until(in_time):
        skip_because("strace did not strike")
    theirs.rename(users / "mine")
    theirs.symlink_to("/etc/passwd")
    said = rotating.communicate(timeout=30)[1]
    assert rotating.returncode == 111 and "was replaced in the meantime" in said, said
    planted = [name for name in os.listdir(roots) if (roots / name).is_symlink()]
    assert not planted and "/etc/passwd" in {os.readlink(p) for p in users.iterdir() if p.is_symlink()}
    assert not ours.is_symlink()
    if whose == "archive":  # the mailbox is still a regular file
        assert stat.S_IMODE(stage.mailbox.stat().st_mode) == 0o640
    assert SEED in [p.read_bytes() for folder in folders.values() for p in folder.iterdir() if not p.is_symlink()]


def test_another_file_system(stage):
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == stage.mailbox.stat().st_dev:
        skip_because("there is no second file system at /dev/shm")
    target = other / f"mailslot-test-{os.getpid()}"
    assert stage.refused(100, "on a different file system", target=target)
    assert not target.exists() and stage.untouched()


def test_paths_and_names(stage):
    assert stage.refused(100, "write an absolute path", target="alice.old")
    assert stage.refused(100, "write an absolute path", mailbox="alice")
    assert stage.refused(100, "cannot be the name", target=stage.archive / "alice.lock")
    assert stage.refused(100, "cannot be the name", target=f"{stage.archive}/")
    assert stage.refused(111, "cannot open", target=stage.archive / "missing" / "alice")
    assert stage.untouched()


@pytest.mark.parametrize("options", ["", "/a", "/a /b /c", "-w x /a /b", "-w -1 /a /b", "-w 999999 /a /b", "-x"])
def test_wrong_usage(options):
    done = subprocess.run([binary("mailslot-rotate"), *options.split()], capture_output=True, text=True)
    assert done.returncode == 100 and done.stdout == "" and done.stderr


# ---- locks -------------------------------------------------------------------------------------


def test_waits_for_the_fcntl_lock(stage):
    with open(stage.mailbox, "r+b") as box:
        fcntl.lockf(box, fcntl.LOCK_EX)
        done = stage.rotate("-w", "1")
        assert done.returncode == 111 and "locked by another program for 1 seconds" in done.stderr
        assert stage.untouched()
        waiting = spawn([binary("mailslot-rotate"), stage.mailbox, stage.target])
    assert waiting.wait(20) == 0 and stage.target.read_bytes() == SEED


def test_waits_for_the_lock_file(stage):
    lock = stage.mailbox.with_name("alice.lock")
    lock.write_text(f"{os.getpid()}\n")
    done = stage.rotate("-w", "1")
    assert done.returncode == 111 and "locked by another program for 1 seconds" in done.stderr
    assert stage.mailbox.read_bytes() == SEED and os.listdir(stage.archive) == []
    waiting = spawn([binary("mailslot-rotate"), stage.mailbox, stage.target])
    lock.unlink()
    assert waiting.wait(20) == 0 and stage.target.read_bytes() == SEED


# ---- kills, and deliveries meanwhile -----------------------------------------------------------

CALLS = ["openat", "openat2", "linkat", "fchmod", "fsync", "renameat2", "unlinkat", "fchown"]


@pytest.mark.parametrize("call", CALLS)
def test_killed_at_any_step(stage, call):
    """Killed at each call of this name: the mail is under one of the names, a delivery works, and so does a second run."""
    needs("strace")
    if is_root():
        os.chown(stage.mailbox, 12345, 8)
    owner = stage.mailbox.stat()
    struck = 0
    for when in range(1, 100):
        wrap = ["strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}"]
        wrap += ["-e", f"inject={call}:signal=SIGKILL:when={when}"]
        killed = stage.rotate(wrap=wrap).returncode != 0
        struck += killed
        places = [path for path in (stage.mailbox, stage.target) if path.exists() and path.read_bytes() == SEED]
        assert len(places) == 1, when
        assert stage.mailbox.exists()
        after = stage.mailbox.stat()
        assert (after.st_uid, after.st_gid, after.st_mode) == (owner.st_uid, owner.st_gid, owner.st_mode)
        assert stage.world.deliver("alice@example.org").startswith("250")
        if not killed:
            break
        if places == [stage.mailbox]:
            assert stage.rotate().returncode == 0
        assert sum(len(parse_mbox(p.read_bytes())) for p in (stage.mailbox, stage.target)) == 2
        stage.target.unlink()
        stage.mailbox.write_bytes(SEED)
    assert not killed
    if not struck and call != "fchown" and call != "unlinkat":
        skip_because("strace did not strike")


def deliver_all(server, name, count, acknowledged):
    """Sends one message per connection, until so many are acknowledged."""
    for number in range(count):
        line = server.connect()
        text = f"Subject: {name}-{number}\r\n\r\nbody\r\n"
        line.reply()
        for command in ("HELO c", "MAIL FROM:<s@client.example>", "RCPT TO:<alice@example.org>", "DATA"):
            line.ask(command)
        line.send(text.encode() + b".\r\n")
        if line.reply().startswith("250"):
            acknowledged.append(f"{name}-{number}")
        line.close()


def subjects(raw):
    return [m.sent.split(b"\n")[0].removeprefix(b"Subject: ").decode() for m in messages_of(raw)]


def under_load(stage, rotate):
    """Four clients deliver, and rotate(n) is called until they have ended. Returns what was acknowledged."""
    stage.mailbox.write_bytes(b"")
    server, acknowledged = start_own(stage.world), []
    clients = [threading.Thread(target=deliver_all, args=(server, c, 40, acknowledged)) for c in "abcd"]
    for client in clients:
        client.start()
    count = 0
    while any(client.is_alive() for client in clients):
        count += rotate(count)
    for client in clients:
        client.join()
    assert len(acknowledged) > 100 and count > 3
    return acknowledged


def test_under_load(stage):
    """Each acknowledged message is in exactly one file, once."""

    def rotate(count):
        done = stage.rotate(target=stage.archive / str(count))
        assert done.returncode in (0, 1), done.stderr
        return done.returncode == 0

    acknowledged = under_load(stage, rotate)
    files = [stage.mailbox, *stage.archive.iterdir()]
    assert sorted(acknowledged) == sorted(s for path in files for s in subjects(path.read_bytes()))


# ---- logrotate ---------------------------------------------------------------------------------


@pytest.fixture
def recipe(stage):
    """units/logrotate.conf with the paths of this test; runs logrotate."""
    needs("logrotate")
    if not is_root():
        skip_because("the recipe's archives are root's")
    stage.archive.chmod(0o700)
    stage.target.touch(0o600)
    text = (TOP / "units" / "logrotate.conf").read_text()
    # Both blocks of the recipe: mailboxes below mail-root and those of system users, in this test's folders.
    text = text.replace("/var/backups/mailslot", str(stage.world.folder / "backups"))
    text = text.replace("@mailroot@", str(stage.mailbox.parent.parent))
    text = re.sub("/var/backups/mail(?=/)", str(stage.archive), text).replace("/var/mail", str(stage.mailbox.parent))
    text = text.replace("@sbindir@/mailslot-rotate", str(binary("mailslot-rotate")))
    # Dates distinguish only one archive per second, and here several are made in a second.
    assert "dateformat -%Y%m%d-%H%M%S\n" in text
    conf = stage.world.folder / "logrotate.conf"

    def run(count=0):
        conf.write_text(text if count is None else text.replace("-%H%M%S", f".{count}"))
        return subprocess.run(
            ["logrotate", "--force", "--state", stage.world.folder / "state", conf],
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


def uncompressed(path):
    return subprocess.run(["gzip", "-dc", path], capture_output=True, check=True).stdout


def test_logrotate(stage, recipe):
    """One compressed archive; an empty mailbox and an empty file for the next run."""
    done = recipe()
    assert (done.returncode, done.stderr) == (0, "")
    (archive,) = (stage.archive / "old").iterdir()
    assert archive.name.startswith("alice-20") and archive.suffix == ".gz"
    assert uncompressed(archive) == SEED
    assert stage.mailbox.read_bytes() == b"" == stage.target.read_bytes()
    assert stat.S_IMODE(stage.mailbox.stat().st_mode) == 0o640


def test_logrotate_twice_on_a_day(stage, recipe):
    for text in (SEED, b"From x\n\nlater\n\n"):
        stage.mailbox.write_bytes(text)
        done = recipe(None)
        assert (done.returncode, done.stderr) == (0, "")
        second = int(time.time())  # time(2), which logrotate uses, may be some milliseconds late
        assert wait_until(lambda: time.time() > second + 1.1)
    archives = sorted((stage.archive / "old").iterdir())
    assert [uncompressed(archive) for archive in archives] == [SEED, text]


def test_logrotate_beneath_mail_root(stage, recipe):
    folder = stage.world.folder / "backups" / stage.mailbox.parent.name
    folder.mkdir(parents=True, mode=0o700)
    stage.target.unlink()
    (folder / stage.mailbox.name).touch(0o600)
    for count in range(2):
        stage.mailbox.write_bytes(SEED)
        done = recipe(count)
        assert (done.returncode, done.stderr) == (0, "")
        assert stage.mailbox.read_bytes() == b""
    assert [uncompressed(archive) for archive in (folder / "old").iterdir()] == [SEED, SEED]


def test_logrotate_continues_where_it_was_interrupted(stage, recipe):
    """The mailbox was moved, but not yet archived: that is done first."""
    assert stage.rotate().returncode == 0
    stage.mailbox.write_bytes(SEED)
    done = recipe()
    assert (done.returncode, done.stderr) == (0, "")
    (archive,) = (stage.archive / "old").iterdir()
    assert uncompressed(archive) == SEED == stage.mailbox.read_bytes()


def test_logrotate_leaves_a_locked_mailbox(stage, recipe):
    """mailslot-rotate fails; logrotate reports it, and rotates nothing."""
    stage.mailbox.rename(stage.mailbox.with_name("box"))
    os.link(stage.mailbox.with_name("box"), stage.mailbox)
    done = recipe()
    assert done.returncode != 0 and "not a regular file with a single hard link" in done.stderr
    assert os.listdir(stage.archive / "old") == [] and stage.mailbox.read_bytes() == SEED


def test_logrotate_under_load(stage, recipe):
    def rotate(count):
        done = recipe(count)
        assert (done.returncode, done.stderr) == (0, "")
        return True

    acknowledged = under_load(stage, rotate)
    found = subjects(stage.mailbox.read_bytes())
    for archive in (stage.archive / "old").iterdir():
        found += subjects(uncompressed(archive))
    assert sorted(acknowledged) == sorted(found)
