"""Readers of mailboxes: each takes the path of an mbox and returns its messages, in order, as that program sees them."""

import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import termios
import time

from basics import UNPACKED, needs, private_mount, skip_because, unpacked, unpacked_environment
from mbox import python_reads
from processes import spawn


def run(path, *argv, stdin=b"", **more):
    environment = unpacked_environment()
    perl = [*UNPACKED.glob("*/usr/share/perl5"), *UNPACKED.glob("*/usr/lib/*/perl5/5.*")]
    environment |= {"PERL5LIB": ":".join(map(str, perl)), "HOME": str(path.parent), "TERM": "dumb", **more.pop("env", {})}
    return subprocess.run([str(a) for a in argv], input=stdin, capture_output=True, timeout=60, env=environment, **more)


class Outbox:
    """A program that stores its standard input: one file per message, in order."""

    def __init__(self, path):
        self.folder = path.parent / "out"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self.script = path.parent / "save"
        folder = shlex.quote(str(self.folder))
        self.script.write_text(f"#!/bin/sh\nexec cat >{folder}/$(date +%s.%N).$$\n")
        self.script.chmod(0o755)

    def messages(self):
        return [file.read_bytes() for file in sorted(self.folder.iterdir())]


def mutt(path):
    """mutt needs a terminal: it gets one of ours, and its keys are pushed in its configuration."""
    needs("mutt")
    outbox, config = Outbox(path), path.parent / "muttrc"
    keys = f"<tag-pattern>.<enter><tag-prefix><pipe-message>{outbox.script}<enter><exit>"
    config.write_text(
        "set mbox_type=mbox\nset read_inc=0\nset wait_key=no\nset pipe_decode=no\nset pipe_split=yes\nset sort=mailbox-order\n"
        f"set quit=yes\nset move=no\nset folder={path.parent}\nset header_cache=''\npush '{keys}'\n"
    )
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 80))  # ncurses 6.5 does not open a terminal without a size
    process = spawn(
        ["mutt", "-n", "-F", config, "-R", "-f", path],
        stdin=slave, stdout=slave, stderr=slave,
        env={**os.environ, "TERM": "xterm", "HOME": str(path.parent), "MAIL": "/dev/null"},
    )  # fmt: skip
    os.close(slave)
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if select.select([master], [], [], 0.05)[0]:
            try:
                os.read(master, 65536)
            except OSError:
                break
    os.close(master)
    process.wait(10)  # if it still runs, it is ended after the test
    return outbox.messages()


# $1: the mailbox, $2: Dovecot's imap, which refuses to run as root.
DOVECOT = r"""
user=$(id -u); group=$(id -g)
[ $user != 0 ] || { user=65534; group=65534; }
mount -t tmpfs tmpfs /run && mkdir /run/mail && cp "$1" /run/box && chown -R $user:$group /run/box /run/mail || exit 77
cd /run && MAIL_UID=$user MAIL_GID=$group USER=reader "$2" -k
code=$?
cat /run/box >"$1"
exit $code
"""


def dovecot(path):
    """Dovecot's IMAP server, opened for writing; its settings are in the environment."""
    imap = unpacked("dovecot-imapd", "usr/lib/dovecot/imap")
    settings = {"DOVECONF_ENV": "1", "FIRST_VALID_UID": "1", "MAIL_LOCATION": "mbox:/run/mail:INBOX=/run/box", "HOME": "/run"}
    typed = b"a SELECT INBOX\r\nb FETCH 1:* BODY.PEEK[]\r\nc LOGOUT\r\n"
    done = run(path, *private_mount(), "sh", "-c", DOVECOT, "sh", path, imap, stdin=typed, env=settings)
    if done.returncode == 77 or b"PREAUTH" not in done.stdout:
        skip_because(f"no mount, or this Dovecot reads no settings from the environment: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stderr
    found, at = [], 0
    while literal := re.compile(rb"BODY\[\] \{(\d+)\}\r\n").search(done.stdout, at):
        at = literal.end() + int(literal.group(1))
        found.append(done.stdout[literal.end() : at].replace(b"\r\n", b"\n"))
    return found


def mailx(path, program, *options, end="xit"):
    """A descendant of Berkeley Mail: each message is piped to our program."""
    outbox = Outbox(path)
    listed = run(path, program, *options, "-n", "-f", path, stdin=b"from *\nxit\n", env={"MAILRC": "/dev/null"})
    count = len(set(re.findall(rb"^[> \xe2\x96\xb8]*[NUOR*]* *(\d+) ", listed.stdout, re.M)))
    typed = "".join(f"pipe {i + 1} {outbox.script}\n" for i in range(count)) + end + "\n"
    run(path, program, *options, "-n", "-f", path, stdin=typed.encode(), env={"MAILRC": "/dev/null"})
    return outbox.messages()


def s_nail(path):
    return mailx(path, unpacked("s-nail", "usr/bin/s-nail"), "-R")


def bsd_mailx(path):
    return mailx(path, unpacked("bsd-mailx", "usr/bin/bsd-mailx"))


def mailutils(path):
    """GNU mailutils, which rewrites the mailbox when it quits."""
    unpacked("mailutils", "usr/bin/messages.mailutils")
    counted = run(path, UNPACKED / "mailutils/usr/bin/messages.mailutils", path).stdout
    count, outbox = int(counted.split()[-1]), Outbox(path)
    typed = "".join(f"pipe {i + 1} {outbox.script}\n" for i in range(count)) + "hold *\nquit\n"
    run(path, unpacked("mailutils", "usr/bin/mail.mailutils"), "-N", "-f", path, stdin=typed.encode())
    return outbox.messages()


def formail(path):
    outbox = Outbox(path)
    run(path, unpacked("procmail", "usr/bin/formail"), "-s", outbox.script, stdin=path.read_bytes())
    return outbox.messages()


def reformail(path):
    outbox = Outbox(path)
    run(path, unpacked("maildrop", "usr/bin/reformail"), "-s", outbox.script, stdin=path.read_bytes())
    return outbox.messages()


def perl_script(package, path):
    needs("perl")
    script = UNPACKED / package / path
    if not script.exists():
        skip_because(f"{package} is not unpacked in {UNPACKED}")
    return script


def mb2md(path):
    """mb2md makes a Maildir. It would mark a message that it takes for deleted or hidden."""
    maildir = path.parent / "maildir"
    shutil.rmtree(maildir, ignore_errors=True)
    run(path, "perl", perl_script("mb2md", "usr/bin/mb2md"), "-s", path, "-d", maildir)
    files = sorted((maildir / "cur").iterdir())
    assert all(file.name.endswith(":2,") for file in files), files
    return [file.read_bytes() for file in files]


def grepmail(path):
    """All messages that match any text; the From_ lines separate them."""
    script = perl_script("grepmail", "usr/bin/grepmail")
    count = int(run(path, "perl", script, "-r", ".", path).stdout.split()[-1])
    found = re.split(rb"^From (?=\S+ \w{3} \w{3} [ \d]\d \d\d:)", run(path, "perl", script, ".", path).stdout, flags=re.M)[1:]
    assert len(found) == count, run(path, "perl", script, "-r", ".", path)
    return found


def perl_module(path, package, program):
    perl_script(package, "usr/share/perl5")
    done = run(path, "perl", "-we", 'binmode STDOUT; $/ = "\\0"; ' + program, path)
    assert done.returncode == 0, done.stderr
    return [text for text in done.stdout.split(b"\0next\0")[:-1]]


def mail_box(path):
    return perl_module(
        path, "libmail-box-perl",
        r'use Mail::Box::Mbox; $/ = "\n"; my $box = Mail::Box::Mbox->new(folder => $ARGV[0], access => "r") or die;'
        r'print $_->string, "\0next\0" for $box->messages;',
    )  # fmt: skip


def email_folder(path):
    return perl_module(
        path, "libemail-folder-perl",
        r'use Email::Folder; $/ = "\n"; print $_->as_string, "\0next\0" for Email::Folder->new($ARGV[0])->messages;',
    )  # fmt: skip


READERS = {
    "python": python_reads, "mutt": mutt, "dovecot": dovecot, "mailutils": mailutils, "formail": formail, "s-nail": s_nail,
    "bsd-mailx": bsd_mailx, "mb2md": mb2md, "reformail": reformail, "grepmail": grepmail, "Mail::Box": mail_box,
    "Email::Folder": email_folder,
}  # fmt: skip
