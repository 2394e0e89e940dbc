"""What a text says about the program or its tests is still so: the tests and pages that both README.md name exist, and no file
of tests is missing; mailslot-troubles(7) quotes replies and events."""

import re
from pathlib import Path

HERE = Path(__file__).parent
SERVER = HERE.parent / "smtpd"
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


def test_names_in_front_page():
    page = (HERE.parent / "README.md").read_text()
    tests = set(re.findall(r"`(system/\w+\.py)`", page))
    pages = {f"{name}.{section}" for name, section in re.findall(r"(mailslot[-.\w]*)\((\d)\)", page)}
    links = set(re.findall(r"\]\(([\w./]+)\)", page))
    assert len(tests) > 8 and len(pages) > 12 and links
    assert sorted(name for name in tests if not (HERE / name).exists()) == []
    assert sorted(pages - {path.name for room in ("smtpd", "tools") for path in (HERE.parent / room).glob("*.[1-9]")}) == []
    assert sorted(name for name in links if not (HERE.parent / name).exists()) == []


def strings(text):
    """The string literals, of which those that follow each other are one."""
    return {
        "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literal)) for literal in re.findall(r'(?:"(?:[^"\\\n]|\\.)*"\s*)+', text)
    }


def test_troubles():
    page = (SERVER / "mailslot-troubles.7").read_text().replace(r"\(aq", "'")
    sources = "\n".join(path.read_text() for path in SERVER.glob("**/*.c"))
    replies = {
        f"{code} {text}"
        for code, rest in re.findall(r'\{"(\d{3})",\s*((?:"[^"]*"\s*)+)\}', sources)
        for text in strings(rest)
    }
    events = set(re.findall(r'\[EVENT_\w+\]\s*= \{"([^"]+)"', sources))
    known = strings(sources)
    assert len(replies) > 50 and len(events) > 20
    items = re.findall(r'^\.It Li "?([^"\n]*)"?$', page, re.M)
    logged = re.findall(r"^\.Dl (.*)$", page, re.M)
    assert len(items) > 25 and len(logged) > 25
    assert [item for item in items if item not in replies | events] == []
    assert [line for line in logged if re.split(r" [a-z]+=", line)[0] not in events] == []
    values = [value.strip('"') for line in logged for value in re.findall(r'=(\w+|"[^"]*")', line)]
    assert [value for value in values if value not in known] == []
