"""Completion in real shells: what the Tab key offers."""

import os
import pty
import re
import subprocess
from pathlib import Path

import pytest
from basics import BUILD, TOP, needs, skip_because
from processes import spawn, wait_until

PROGRAMS = sorted(p.name for p in BUILD.glob("mailslot-*") if os.access(p, os.X_OK) and p.is_file() and not p.suffix)
PROGRAMS = [name for name in PROGRAMS if name != "mailslot-smtpd-hook"]


def help_of(program):
    return subprocess.run([BUILD / program, "--help"], capture_output=True, text=True, check=True).stdout


def option_lines(program):
    """The options that --help lists, a list for each line: [("-C", "FOLDER"), ("--folder", "FOLDER")]."""
    for line in help_of(program).splitlines():
        if not re.match(r" +-", line):
            continue
        head = re.split(r"  +", line.strip())[0]
        words = [re.split(r"[= ]", word, maxsplit=1) for word in head.split(", ")]
        value = next((word[1] for word in words if len(word) == 2), None)
        yield [(word[0], value) for word in words]


def options(program):
    return [option for line in option_lines(program) for option in line]


# LeakSanitizer would stop the process to trace it, and hang in the foreground of a terminal.
ENVIRONMENT = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}


class Bash:
    """bash's completion function, found by the loader of bash-completion where `make install` puts it."""

    LOADER = Path("/usr/share/bash-completion/bash_completion")

    def __init__(self, folder, share):
        if not self.LOADER.exists():
            skip_because("bash-completion is not installed")
        self.folder, self.share = folder, share

    @staticmethod
    def install(share):
        needs("bash")
        place = share / "bash-completion" / "completions"
        place.mkdir(parents=True)
        for program in PROGRAMS:
            (place / program).write_text((TOP / "tools" / "completion.bash").read_text())

    def offers_each(self, lines):
        """A subshell for each, because loading bash-completion takes long."""
        script = f"""
            . {self.LOADER}
            for line; do (
                COMP_LINE=$line COMP_POINT=${{#line}} program=${{line%% *}}
                _completion_loader "$program"
                [[ $(complete -p "$program") = *"-F _mailslot "* ]] || exit 9
                _mailslot "$program"
                printf '%s\\n' "${{COMPREPLY[@]}}" --
            ) || exit; done
        """
        env = {**ENVIRONMENT, "PATH": f"{BUILD}:{os.environ['PATH']}", "XDG_DATA_DIRS": str(self.share)}
        argv = ["bash", "-c", script, "bash", *lines]
        done = subprocess.run(argv, capture_output=True, text=True, env=env, timeout=30, cwd=self.folder)
        assert (done.returncode, done.stderr) == (0, "")
        found = [offered.split("\n")[:-1] for offered in done.stdout.split("--\n")[:-1]]
        return [[] if offered == [""] else offered for offered in found]

    def offers(self, line):
        return self.offers_each([line])[0]

    def close(self):
        pass


class Zsh:
    """zsh on a terminal; a wrapper of compadd writes what it offers to a file."""

    @staticmethod
    def install(share):
        """With the list of all completion functions, because making it takes long."""
        needs("zsh")
        (share / "_mailslot").write_text((TOP / "tools" / "completion.zsh").read_text())
        script = f"fpath=({share} $fpath); autoload -U compinit && compinit -u -d {share}/list"
        subprocess.run(["zsh", "-fc", script], check=True, env={**ENVIRONMENT, "TERM": "dumb"})

    def __init__(self, folder, share):
        self.folder = folder
        (folder / ".zshrc").write_text(
            f"""
            path=({BUILD} $path) fpath=({share} $fpath)
            autoload -U compinit && compinit -C -d {share}/list
            compadd() {{
                local -a found
                builtin compadd -O found "$@"
                print -rl -- $found >>{folder}/found
                builtin compadd "$@"
            }}
            show() {{ : >{folder}/found; zle complete-word; : >{folder}/done }}
            zle -N show && bindkey '^T' show
            : >{folder}/ready
            """
        )

        ours, theirs = pty.openpty()
        env = {**ENVIRONMENT, "ZDOTDIR": str(folder), "TERM": "dumb"}
        self.shell = spawn(["zsh", "-i"], stdin=theirs, stdout=theirs, stderr=theirs, env=env, cwd=folder)
        os.close(theirs)
        self.keyboard = ours
        assert wait_until((folder / "ready").exists)

    def offers(self, line):
        """Types Ctrl-U, the line, and the key bound to `show`."""
        (self.folder / "done").unlink(missing_ok=True)
        os.write(self.keyboard, b"\x15" + line.encode() + b"\x14")
        assert wait_until((self.folder / "done").exists)
        found = (self.folder / "found").read_text().replace("\\", "")
        return sorted({entry for entry in found.split("\n") if entry})

    def offers_each(self, lines):
        return [self.offers(line) for line in lines]

    def close(self):
        self.shell.kill()
        self.shell.wait()
        os.close(self.keyboard)


@pytest.fixture(scope="module", params=[Bash, Zsh])
def installed(request, tmp_path_factory):
    share = tmp_path_factory.mktemp("share")
    request.param.install(share)
    return request.param, share


@pytest.fixture
def shell(installed, tmp_path):
    kind, share = installed
    shell = kind(tmp_path, share)
    yield shell
    shell.close()


@pytest.mark.parametrize("program", PROGRAMS)
def test_all_options_of_the_help(shell, program):
    """All options of --help, itself included, and no others."""
    wanted = sorted(name for name, _ in options(program))
    assert "--help" in wanted and "--version" in wanted
    one, two = shell.offers_each([f"{program} -", f"{program} --"])
    assert sorted({*one, *two}) == wanted


@pytest.mark.parametrize("program", PROGRAMS)
def test_commands_are_not_offered_as_values(shell, program, world):
    """After an option that takes a value, neither a command nor an address is offered."""
    names = [name for name, value in options(program) if value]
    lines = [f"{program} -C {world.etc} {name} " if name != "-C" else f"{program} -C " for name in names]
    for line, found in zip(lines, shell.offers_each(lines), strict=True):
        assert not {"add", "alice@example.org"} & set(found), line


def test_values(shell, tmp_path):
    (tmp_path / "some folder").mkdir()
    (tmp_path / "some.cdb").touch()
    assert sorted(shell.offers("mailslot-smtpd -r ")) == ["lmtp", "local", "mx", "smtp", "submission", "submissions"]
    assert sorted(shell.offers("mailslot-smtpd -r sub")) == ["submission", "submissions"]
    assert shell.offers("mailslot-smtpd -l ") == []
    assert shell.offers("mailslot-build -C so") == ["some folder"]
    assert shell.offers("mailslot-build --folder=so") == ["some folder"]
    assert sorted(shell.offers("mailslot-build -o so")) == ["some folder", "some.cdb"]
    assert shell.offers("mailslot-rotate some.") == ["some.cdb"]


def test_commands(shell):
    wanted = set(re.findall(r"\] ([a-z|]+)", help_of("mailslot-user")))
    wanted = sorted(name for names in wanted for name in names.split("|"))
    assert len(wanted) == 9
    assert sorted(shell.offers("mailslot-user ")) == wanted
    assert sorted(shell.offers("mailslot-user -C /etc l")) == ["list", "lock"]


@pytest.mark.parametrize("line", ["mailslot-user -C {} del ", "mailslot-user --folder={} lock ", "mailslot-user -C {} set ",
                                  "mailslot-show -C {} "])
def test_addresses(shell, fresh, line):
    """All addresses that need no quoting; not those with blanks."""
    fresh.users = ["alice@example.org::", "al.pha@example.org::", '"a b"@example.org::', "bob@example.org::"]
    fresh.aliases = ["postmaster: alice"]
    fresh.build()
    line = line.format(fresh.etc)
    assert sorted(shell.offers(line)) == ["al.pha@example.org", "alice@example.org", "bob@example.org"]
    assert sorted(shell.offers(line + "al")) == ["al.pha@example.org", "alice@example.org"]


def test_options_of_a_user(shell):
    wanted = ["disabled", "mailbox=", "quota=", "send-as="]
    assert sorted(shell.offers("mailslot-user set alice ")) == wanted
    assert sorted(shell.offers("mailslot-user add -n alice disabled ")) == wanted
    assert shell.offers("mailslot-user set alice qu") == ["quota="]


def test_nothing_to_read(shell, tmp_path):
    assert shell.offers(f"mailslot-show -C {tmp_path}/missing ") == []
    assert shell.offers(f"mailslot-user -C {tmp_path}/missing passwd a") == []
    assert shell.offers("mailslot-user export ") == []


def test_users_of_this_machine(shell):
    assert "root" in shell.offers("mailslot-user add --system roo")
    assert shell.offers("mailslot-user add roo") == []


def test_tab_key_of_bash(fresh, tmp_path):
    """On a terminal, without bash-completion, where a word begins at an @."""
    needs("bash")
    fresh.users, fresh.aliases = ["alice@example.org::", "alice@example.net::"], ["postmaster: alice"]
    fresh.build()
    ours, theirs = pty.openpty()
    rc = tmp_path / "rc"
    rc.write_text(f"PATH={BUILD}:$PATH PS1='> '\n. {TOP}/tools/completion.bash\n: >ready\n")
    shell = spawn(["bash", "--rcfile", rc, "-i"], stdin=theirs, stdout=theirs, stderr=theirs, cwd=tmp_path, env=ENVIRONMENT)
    os.close(theirs)
    try:
        assert wait_until((tmp_path / "ready").exists)
        os.write(ours, f"mailslot-us\t -C {fresh.etc} pass\t alice@example.o\t".encode())
        os.write(ours, b"\x01echo \x05 >line\n")
        assert wait_until(lambda: (tmp_path / "line").exists() and (tmp_path / "line").read_text())
    finally:
        shell.kill()
        shell.wait()
        os.close(ours)
    assert (tmp_path / "line").read_text().split() == f"mailslot-user -C {fresh.etc} passwd alice@example.org".split()
