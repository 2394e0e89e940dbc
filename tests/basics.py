"""What the tests have to work with: the build, programs of the machine or unpacked from packages; what is not there is skipped
aloud."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("MAILSLOT_BUILD_DIR", TOP / "build")).resolve()
UNPACKED = TOP / "build" / "unpacked"
HOSTNAME = "mx.example.org"
PATIENCE = 20  # seconds until a server that says nothing counts as hung


def binary(name):
    return str(BUILD / name)


def sanitized():
    """Was the server built with AddressSanitizer?"""
    try:
        return b"__asan_init" in (BUILD / "mailslot-smtpd").read_bytes()
    except FileNotFoundError:
        return False


def skip_aloud(why):
    print("SKIPPED: " + why)
    pytest.skip(why)


def unpacked_environment():
    """The environment for programs unpacked from Debian packages: their libraries lie beside them."""
    paths = {str(p.parent) for p in UNPACKED.glob("*/**/*.so*")}
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(sorted(paths))}


def over_usr(*packages):
    """A command for a private mount: /usr shows these packages and all unpacked libraries as well, for programs that
    do not pass LD_LIBRARY_PATH on."""
    names = [*packages, *sorted(p.name for p in UNPACKED.glob("lib*") if (p / "usr").is_dir())]
    lower = ":".join(f"{name}/usr" for name in names)
    return f"cd {shlex.quote(str(UNPACKED))} && mount -t overlay -o lowerdir={lower}:/usr overlay /usr"


def unpacked(package, path):
    program = UNPACKED / package / path
    if not program.exists():
        skip_aloud(f"{package} is not unpacked in {UNPACKED}")
    shown = subprocess.run(["ldd", program], env=unpacked_environment(), capture_output=True, text=True)
    missing = re.findall(r"(\S+) => not found", shown.stdout)
    if missing:
        skip_aloud(f"{package} needs {', '.join(missing)}")
    return program


def needs_open_way(program):
    """For a program that runs itself again as another user, who must be able to reach it."""
    closed = [folder for folder in Path(program).parents if not folder.stat().st_mode & 0o001]
    if closed:
        skip_aloud(f"{program} is run by another user, who may not enter {closed[-1]}")


def needs(*programs):
    for program in programs:
        if not shutil.which(program):
            skip_aloud(f"{program} is not installed")


def make_library(folder, source):
    """One to preload, made of a C file beside the tests."""
    library = folder / Path(source).with_suffix(".so")
    compiler = os.environ.get("CC", "cc").split()
    path = TOP / "tests" / "system" / source
    subprocess.run([*compiler, "-shared", "-fPIC", "-O1", "-o", library, path], check=True)
    return library


def private_mount():
    """A prefix that gives a command a mount namespace of its own."""
    prefix = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    needs("unshare")
    if subprocess.run([*prefix, "true"], capture_output=True).returncode != 0:
        skip_aloud("no mount namespaces here")
    return prefix
