"""What bench/hops and bench/filters have in common: servers, senders, figures."""

import re
import statistics
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "system"), str(TESTS)]

from client import is_listening  # noqa: E402
from processes import children, spawn, wait_until  # noqa: E402

ROUNDS = 5
SMALL, LARGE = 4096, 20 << 20
SHAPES = [  # clients, connections each, messages on each
    ("1 client, a connection each", 1, 40, 1),
    ("16 clients, a connection each", 16, 10, 1),
    ("1 client, 50 on a connection", 1, 2, 50),
    ("16 clients, 50 on a connection", 16, 1, 50),
]


def start(argv, log, port):
    """Starts a program that listens on this port."""
    process = spawn(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    if not wait_until(lambda: is_listening(port)):
        raise SystemExit(f"{argv[0]} does not listen: {Path(log.name).read_text()}")
    return process


def rate(sender, port, recipient, size, shape):
    """sender: hop.c, compiled. Messages a second."""
    done = subprocess.run([sender, *map(str, (port, recipient, size, *shape))],
                          capture_output=True, text=True, timeout=600)  # fmt: skip
    if done.returncode != 0:
        raise SystemExit(f"{recipient}: {done.stderr}")
    return float(done.stdout)


def compare(sender, recipient, what, ours, theirs, slower=1):
    """ours, theirs: ports; None: not installed. slower: they get so many times fewer messages, because they take seconds for
    each ten."""
    if ours is None or theirs is None:
        print(f"{what}: left out, because a program is not installed")
        return
    for shape, *numbers in SHAPES:
        fewer = [numbers[0], max(1, numbers[1] // slower), max(1, numbers[2] // slower)]
        pairs = [(ours, numbers), (theirs, fewer)]
        rounds = [[rate(sender, port, recipient, SMALL, n) for port, n in pairs] for _ in range(ROUNDS)]
        report(f"4 KiB {what}, {shape}", "a second", *zip(*rounds))


def descendants(pid):
    found = set()
    for child in children(pid):
        found |= {child} | descendants(child)
    return found


def private(pid):
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(n) for n in re.findall(r"^Private_\w+: *(\d+)", text, re.M))


def report(what, unit, ours, theirs, aim=None):
    a, b = statistics.median(ours), statistics.median(theirs)
    print(f"{what:<66} {a:8.1f} : {b:8.1f} {unit}, ratio {a / b:.2f}" + (f" (aim: {aim})" if aim else ""), flush=True)
