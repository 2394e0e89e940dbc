"""A private Postfix that does not listen: only its queue and its SMTP and LMTP clients."""

import os
import shutil
import signal
import subprocess

from basics import UNPACKED, private_mount, skip_because, unpacked, unpacked_environment
from processes import children, spawn, wait_until

# In master.cf, of every Postfix.
QUEUE = """\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""

SERVICES = QUEUE + """\
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
"""

FOLDERS = ("", "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "maildrop", "private",
           "public", "saved", "trace", "pid", "../data")  # fmt: skip


def in_mount(folder, script):
    """A command in a mount namespace where /mnt is this folder, and every user may enter it."""
    if os.geteuid() != 0:
        skip_because("a mail system needs root for its users")
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    return [*private_mount(), "sh", "-c", f"mount --bind '{folder}' /mnt && {script}"]


def program_of(pid):
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""


class Postfix:
    def __init__(self, folder):
        """folder: what Postfix sees as /mnt."""
        self.folder = folder
        self.master = unpacked("postfix", "usr/lib/postfix/sbin/master")
        self.commands = UNPACKED / "postfix" / "usr" / "sbin"
        self.environment = unpacked_environment()
        self.process = None
        for name in FOLDERS:
            path = folder / "queue" / name
            path.mkdir(parents=True, exist_ok=True)
            os.chown(path, 0 if name in ("", "pid") else 1, 8 if name in ("maildrop", "public") else 0)
            path.chmod({"maildrop": 0o730, "public": 0o710}.get(name, 0o755 if name in ("", "pid") else 0o700))
        (folder / "etc").mkdir()
        (folder / "etc" / "master.cf").write_text(SERVICES)

    def start(self, settings):
        """Starts Postfix with these lines of main.cf, which configure where mail goes."""
        libraries = self.master.parent
        (self.folder / "etc" / "main.cf").write_text(
            "compatibility_level = 3.6\nqueue_directory = /mnt/queue\ndata_directory = /mnt/data\n"
            f"daemon_directory = {libraries}\ncommand_directory = {self.commands}\nshlib_directory = {libraries.parent}\n"
            f"meta_directory = {UNPACKED}/postfix/etc/postfix\nmail_owner = daemon\nsetgid_group = mail\n"
            "maillog_file = /mnt/log\nmaillog_file_prefixes = /mnt\nmyhostname = client.example\nmydestination =\n"
            "inet_interfaces = loopback-only\ninet_protocols = ipv4\nalias_maps =\n"
            "import_environment = MAIL_CONFIG MAIL_LOGTAG TZ LANG=C LD_LIBRARY_PATH PATH\n"
            "export_environment = MAIL_CONFIG TZ LANG=C LD_LIBRARY_PATH\n" + settings
        )
        command = in_mount(self.folder, f"exec {self.master} -c /mnt/etc -d")
        with open(self.folder / "output", "wb") as out:
            self.process = spawn(
                command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=self.environment, cwd="/"
            )
        ready = self.folder / "queue/public/pickup"
        if not wait_until(lambda: ready.exists() or self.process.poll() is not None) or self.process.poll() is not None:
            skip_because(f"Postfix does not start here: {self.log()}")

    def run(self, command, given=b""):
        """Runs one of Postfix's commands."""
        done = subprocess.run(
            in_mount(self.folder, f"exec {self.commands}/{command}"),
            input=given, capture_output=True, timeout=60, env={**self.environment, "MAIL_CONFIG": "/mnt/etc"}, cwd="/",
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    def send(self, text, sender, *recipients):
        self.run(f"sendmail -C /mnt/etc -i -f {sender} {' '.join(recipients)}", text)

    def log(self):
        path = self.folder / "log"
        return path.read_text() if path.exists() else ""

    def wait_for(self, what, count=1):
        """Waits until the log contains this so often; returns the log."""
        assert wait_until(lambda: self.log().count(what) >= count, 60), self.log()
        return self.log()

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(20)
        wait_until(lambda: not any("/postfix/" in program_of(pid) for pid in children()), 10)
        shutil.rmtree(self.folder / "data")  # with its lock
