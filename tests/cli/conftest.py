"""What the tests of commands share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ndgrad.cli.main import status


@pytest.fixture
def said(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs a command line in this process: exit code, standard output, standard error."""

    def run(*line: str) -> tuple[int, str, str]:
        code = status(list(line))
        return code, *capfd.readouterr()

    return run
