"""README.md names tests: all of them exist, and no file of tests is missing, so that its tables do not rot."""

import re
from pathlib import Path

HERE = Path(__file__).parent
FILES, _, TABLES = (HERE / "README.md").read_text().partition("## Threats")


def test_names_in_tables():
    functions = {name for path in HERE.glob("*/test_*.py") for name in re.findall(r"^def (test_\w+)", path.read_text(), re.M)}
    functions |= {name for path in HERE.glob("unit/*.c") for name in re.findall(r"^static void (\w+)", path.read_text(), re.M)}
    functions |= {path.stem for path in HERE.glob("fuzz/fuzz_*.c")} | {path.name for path in HERE.glob("session/*.smtp")}
    named = {name for name in re.findall(r"`([\w-]+(?:\.smtp)?)`", TABLES) if "_" in name or name.endswith(".smtp")}
    assert len(named) > 100
    assert sorted(named - functions) == []


def test_files_in_tables():
    names = {str(path.relative_to(HERE)) for folder in ("session", "system") for path in HERE.glob(f"{folder}/test_*.py")}
    assert sorted(names - set(re.findall(r"`([\w/]+\.py)`", FILES))) == []
