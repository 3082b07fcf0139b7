"""What all tests share: the installed command as a subprocess, and the `--update` of expected outputs."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
Ran = subprocess.CompletedProcess


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="rewrite the expected outputs, for review")
    parser.addoption("--fuzz", type=int, default=20_000, metavar="N", help="try N inputs of any kind as programs")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Rewrite expected outputs in one process: several would write the same file at once."""
    if config.getoption("--update") and hasattr(config.option, "numprocesses"):
        config.option.numprocesses = 0


@pytest.fixture(scope="session")
def command() -> list[str]:
    """The installed `ndgrad`, else the module."""
    beside = Path(sys.executable).with_name("ndgrad")
    return [str(beside)] if beside.exists() else [sys.executable, "-m", "ndgrad"]


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory, command: list[str]) -> dict[str, str]:
    """The environment of every command: its own cache, `ndgrad` on the PATH, nothing about colours or width."""
    left_out = {"NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "PYTHONWARNINGS", "COLORTERM"}
    made = {name: value for name, value in os.environ.items() if name not in left_out}
    folder = tmp_path_factory.mktemp("bin")
    (folder / "ndgrad").write_text('#!/bin/sh\nexec "' + '" "'.join(command) + '" "$@"\n')
    (folder / "ndgrad").chmod(0o755)
    made["PATH"] = f"{folder}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{made['PATH']}"
    made["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    made["PYTHONIOENCODING"] = "utf-8"
    made["TERM"] = "xterm-256color"
    return made


@pytest.fixture(scope="session")
def ndgrad(command: list[str], environment: dict[str, str]) -> Callable[..., Ran[str]]:
    """Runs `ndgrad ARGUMENTS` and gives what it wrote, as text."""

    def run(*arguments: object, stdin: bytes = b"", cwd: Path = ROOT, **variables: str) -> Ran[str]:
        ran = subprocess.run(
            [*command, *map(str, arguments)],
            input=stdin,
            capture_output=True,
            cwd=cwd,
            env=environment | variables,
            timeout=60,
            check=False,
        )
        decoded = (part.decode("utf-8", "surrogateescape") for part in (ran.stdout, ran.stderr))
        return Ran(ran.args, ran.returncode, *decoded)

    return run


@pytest.fixture(scope="session")
def terminal(environment: dict[str, str]) -> Callable[..., str]:
    """Runs a line of shell on a terminal of 80 columns, and gives what a person would see at the end.

    whole: also what was there before it was written over, as progress is.
    """

    def run(line: str, cwd: Path = ROOT, columns: int = 80, whole: bool = False, **variables: str) -> str:
        master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        settings = {"NO_COLOR": "1"} | variables
        process = subprocess.Popen(
            ["bash", "-c", line],
            stdin=subprocess.DEVNULL,
            stdout=slave,
            stderr=slave,
            cwd=cwd,
            env=environment | settings,
        )
        os.close(slave)
        seen = b""
        while True:
            try:
                part = os.read(master, 1 << 16)
            except OSError:  # Linux says so when the other end is closed
                break
            if not part:
                break
            seen += part
        os.close(master)
        process.wait(timeout=60)
        text = seen.decode("utf-8").replace("\r\n", "\n")
        return text if whole else re.sub(r"\r[^\r\n]*\x1b\[K", "", text)

    return run


@pytest.fixture(scope="session")
def shell(environment: dict[str, str]) -> Callable[..., Ran[bytes]]:
    """Runs a line of shell, with `ndgrad` on the PATH."""

    def run(line: str, cwd: Path = ROOT, **variables: str) -> Ran[bytes]:
        return subprocess.run(
            ["bash", "-c", line], capture_output=True, cwd=cwd, env=environment | variables, timeout=60, check=False
        )

    return run
