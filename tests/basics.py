"""What the tests run: our build, programs of the machine, programs unpacked from packages. A test whose program is missing is
skipped, and the reason is printed."""

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
PATIENCE = 20  # seconds until a silent server counts as hung


def binary(name):
    return str(BUILD / name)


def sanitized():
    """Was the server built with AddressSanitizer?"""
    try:
        return b"__asan_init" in (BUILD / "mailslot-smtpd").read_bytes()
    except FileNotFoundError:
        return False


# For a tool that only prepares a test: LeakSanitizer's search takes longer than the tool.
WITHOUT_LEAKS = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}


def skip_because(why):
    print("SKIPPED: " + why)
    pytest.skip(why)


def unpacked_environment():
    """The environment for programs unpacked from Debian packages, so that they find the unpacked libraries."""
    paths = {str(p.parent) for p in UNPACKED.glob("*/**/*.so*")}
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(sorted(paths))}


def over_usr(*packages):
    """A command for a private mount that adds these packages and all unpacked libraries to /usr, for programs that do
    not pass on LD_LIBRARY_PATH."""
    names = [*packages, *sorted(p.name for p in UNPACKED.glob("lib*") if (p / "usr").is_dir())]
    lower = ":".join(f"{name}/usr" for name in names)
    return f"cd {shlex.quote(str(UNPACKED))} && mount -t overlay -o lowerdir={lower}:/usr overlay /usr"


def unpacked(package, path):
    program = UNPACKED / package / path
    if not program.exists():
        skip_because(f"{package} is not unpacked in {UNPACKED}")
    shown = subprocess.run(["ldd", program], env=unpacked_environment(), capture_output=True, text=True)
    missing = re.findall(r"(\S+) => not found", shown.stdout)
    if missing:
        skip_because(f"{package} needs {', '.join(missing)}")
    return program


def needs_path_for_others(program):
    """Skips if another user cannot reach the program: it runs itself again as another user."""
    closed = [folder for folder in Path(program).parents if not folder.stat().st_mode & 0o001]
    if closed:
        skip_because(f"another user runs {program}, and may not enter {closed[-1]}")


def needs(*programs):
    for program in programs:
        if not shutil.which(program):
            skip_because(f"{program} is not installed")


def make_library(folder, source):
    """A library to preload, built from a C file in system/."""
    library = folder / Path(source).with_suffix(".so")
    compiler = os.environ.get("CC", "cc").split()
    path = TOP / "tests" / "system" / source
    subprocess.run([*compiler, "-shared", "-fPIC", "-O1", "-o", library, path], check=True)
    return library


def private_mount():
    """A prefix that runs a command in its own mount namespace."""
    prefix = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    needs("unshare")
    if subprocess.run([*prefix, "true"], capture_output=True).returncode != 0:
        skip_because("mount namespaces do not work here")
    return prefix
