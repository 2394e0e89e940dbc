"""The texts agree with the program and its tests: the tests and pages that both README.md name exist, every file of tests is
listed, and mailslot-troubles(7) quotes replies and events that exist."""

import re
from pathlib import Path

HERE = Path(__file__).parent
SERVER = HERE.parent / "smtpd"
FILES, _, TABLES = (HERE / "README.md").read_text().partition("## Threats")


def test_tests_named_in_tables_exist():
    functions = {name for path in HERE.glob("*/test_*.py") for name in re.findall(r"^def (test_\w+)", path.read_text(), re.M)}
    functions |= {name for path in HERE.glob("unit/*.c") for name in re.findall(r"^static void (\w+)", path.read_text(), re.M)}
    functions |= {path.stem for path in HERE.glob("fuzz/fuzz_*.c")} | {path.name for path in HERE.glob("session/*.smtp")}
    named = {name for name in re.findall(r"`([\w-]+(?:\.smtp)?)`", TABLES) if "_" in name or name.endswith(".smtp")}
    assert len(named) > 100
    assert sorted(named - functions) == []


def test_all_test_files_are_listed():
    names = {str(path.relative_to(HERE)) for folder in ("session", "system") for path in HERE.glob(f"{folder}/test_*.py")}
    assert sorted(names - set(re.findall(r"`([\w/]+\.py)`", FILES))) == []


def test_names_on_the_front_page_exist():
    page = (HERE.parent / "README.md").read_text()
    tests = set(re.findall(r"`(system/\w+\.py)`", page))
    pages = {f"{name}.{section}" for name, section in re.findall(r"(mailslot[-.\w]*)\((\d)\)", page)}
    links = set(re.findall(r"\]\(([\w./]+)\)", page))
    assert len(tests) > 8 and len(pages) > 12 and links
    assert sorted(name for name in tests if not (HERE / name).exists()) == []
    assert sorted(pages - {path.name for room in ("smtpd", "tools") for path in (HERE.parent / room).glob("*.[1-9]")}) == []
    assert sorted(name for name in links if not (HERE.parent / name).exists()) == []


def strings(text):
    """The string literals; adjacent ones are joined."""
    return {
        "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literal)) for literal in re.findall(r'(?:"(?:[^"\\\n]|\\.)*"\s*)+', text)
    }


def test_the_table_of_troubles_quotes_the_program():
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
