"""A delivery to mailboxes, a store and, by mailslot-relay, a smarthost; with every accident of the relay: killed at every system
call, each of its calls fails. hop_model.py says what must hold.

`make check` has a sample of each sweep, always the same one; `make check-world` has all.
"""

import os
import re

import pytest
from hop_model import Stage, Stages
from mixture import Mixture
from relaying import Door, settings
from sampling import sampled
from test_hop_accidents import calls_in, no_leaks, strace

EXTENSIONS = ("PIPELINING", "8BITMIME", "SIZE 104857600", "AUTH PLAIN")


class RelayStage(Stage):
    """The relay of this mixture is a smarthost behind mailslot-relay."""

    def mixture(self, hops, world):
        number = world.folder.name
        host = hops(f"smarthost{number}", tcp=True, tls="starttls", extensions=EXTENSIONS)
        path = world.folder.parent / f"relay{number}"
        mix = Mixture(world, hops(f"store{number}", lmtp=True), host, path)
        settings(world, host, certificates=self.certificates)
        self.door = Door(world, path, env={**os.environ, **no_leaks()})
        return mix

    def disturb(self, *inject):
        """Of the relay that comes next, all calls are traced, or one call is disturbed."""
        self.trace = self.mix.world.folder / "trace"
        self.door.wrap = strace(self.trace, *inject)
        return self.attempt()

    def end(self):
        self.door.wait()
        super().end()


@pytest.fixture
def stages(tmp_path, hops, certificates, strace_works):
    RelayStage.certificates = certificates
    made = Stages(tmp_path, hops, kind=RelayStage)
    yield made
    while not made.free.empty():
        made.free.get().door.close()


def relay_calls(stages):
    """The calls of an undisturbed relay, from the opening of its database on."""
    stage = stages.free.get()
    stage.reset()
    first = stage.disturb()
    assert len(first.acknowledged) == len(first.replies), first.replies
    calls = calls_in(stage.trace)
    stages.free.put(stage)
    begin = next(i for i, (_, _, line) in enumerate(calls) if "relay.cdb" in line)
    found = calls[begin:]
    assert any("PR_SET_SECCOMP" in line for _, _, line in found) and "Taken" in str(found), found
    return found


@sampled(24)
def test_relay_killed_at_every_call(stages, most):
    def killed(name, number, line):
        return f"killed at {name} {number}: {line[:100]}", lambda stage: stage.disturb(name, "signal=SIGKILL", number)

    stages.sweep([killed(*call) for call in relay_calls(stages)], most)


# Calls whose failure is no accident of a system that works.
NOT_FAILING = re.compile(r"rt_sig|getp|gete?uid|clock_|brk|munmap|madvise|set_robust|rseq|close")


@sampled(24)
def test_calls_of_the_relay_fail(stages, most):
    """Each call fails once."""

    def failing(error, name, number, line):
        return f"{error} at {name} {number}: {line[:100]}", lambda stage: stage.disturb(name, f"error={error}", number)

    calls = [call for call in relay_calls(stages) if not NOT_FAILING.match(call[0])]
    stages.sweep([failing(error, *call) for call in calls for error in ("EIO", "ENOMEM", "EINTR")], most)
