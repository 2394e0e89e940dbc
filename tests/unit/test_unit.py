"""Runs the unit tests, which are programs that make has built."""

import subprocess
from pathlib import Path

import pytest
from basics import BUILD

NAMES = sorted(source.stem for source in Path(__file__).parent.glob("test_*.c"))


@pytest.mark.parametrize("name", NAMES)
def test_unit(name):
    program = BUILD / "tests" / "unit" / name
    assert program.exists(), "not built: `make test` builds it"
    done = subprocess.run(
        [program], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120
    )
    assert done.returncode == 0, done.stdout.decode(errors="backslashreplace")
