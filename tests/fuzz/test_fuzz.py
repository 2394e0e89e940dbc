"""Each fuzzer runs its corpus, and then new inputs for some seconds. `make fuzz` runs longer."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from basics import TOP, sanitized, skip_because

HERE = Path(__file__).parent
NAMES = sorted(path.stem.removeprefix("fuzz_") for path in HERE.glob("fuzz_*.c"))
SECONDS = 2

# Without the options of the make that started us.
TOLD = ("MAKEFLAGS", "MFLAGS", "BUILD", "CFLAGS", "LDFLAGS", "SANITIZE", "WERROR")
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in TOLD}


@pytest.fixture(scope="session")
def fuzzers(tmp_path_factory):
    """Built by clang in build/fuzz, once for all test processes."""
    if sanitized():
        skip_because("the fuzzers have sanitizers of their own")
    if not shutil.which("clang"):
        skip_because("clang is not installed")
    lock = tmp_path_factory.getbasetemp().parent / "fuzz.lock"
    made = subprocess.run(
        ["flock", lock, "make", "-s", "-C", TOP, "fuzzers-by-clang"], capture_output=True, text=True, env=ENVIRONMENT
    )
    assert made.returncode == 0, made.stdout + made.stderr
    return TOP / "build" / "fuzz"


@pytest.mark.world
@pytest.mark.parametrize("name", NAMES)
def test_fuzz(fuzzers, name, tmp_path):
    corpus = HERE / "corpus" / name
    assert any(corpus.iterdir())
    (tmp_path / "new").mkdir()
    options = [f"-max_total_time={SECONDS}", "-max_len=4096", "-close_fd_mask=2", f"-artifact_prefix={tmp_path}/"]
    argv = [fuzzers / f"fuzz_{name}", *options, tmp_path / "new", corpus]
    ran = subprocess.run(argv, capture_output=True, text=True, cwd=tmp_path)
    found = [path.read_bytes() for path in tmp_path.iterdir() if path.is_file()]
    assert ran.returncode == 0, f"{found}\n{ran.stderr[-3000:]}"
