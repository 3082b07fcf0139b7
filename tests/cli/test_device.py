"""`--device`: what is refused, what is missing, and, on a double of a GPU, what a run says of itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import ndgrad as mx
from ndgrad.cli.main import status
from ndgrad.device import gpu as gpus
from ndgrad.device import running
from ndgrad.device.double import Double
from ndgrad.tape import STATE

Said = Callable[..., tuple[int, str, str]]
CHAIN = "sum(exp(-x * x) * tanh(x))"


@pytest.fixture
def said(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Said:
    """Runs a command line in this process: exit code, standard output, standard error."""
    monkeypatch.setattr(running, "DEVICES", {})
    monkeypatch.setattr(type(STATE), "remote", None)

    def run(*line: str) -> tuple[int, str, str]:
        code = status(list(line))
        return code, *capfd.readouterr()

    return run


@pytest.fixture
def large(tmp_path: Path) -> str:
    np.save(tmp_path / "x.npy", np.linspace(-2, 3, 1 << 16))
    return f"x={tmp_path / 'x.npy'}"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--device", "npu"), "--device npu: the devices are cpu, gpu, and gpu:N"),
        (("--device", "gpu:"), "--device gpu:: the devices are"),
        (("--kernels",), "--kernels is for --device gpu"),
        (("--device", "gpu", "--profile"), "--profile and --device gpu do not go together"),
    ],
)
def test_what_makes_no_sense_is_refused(options: tuple[str, ...], reason: str, said: Said) -> None:
    code, out, err = said("eval", "x", "-i", "x=1", *options)
    assert (code, out) == (2, "")
    assert reason in err


def test_without_cupy_the_command_says_how_to_get_it(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "find_spec", lambda name: None)
    code, _, err = said("eval", "x", "-i", "x=1", "--device", "gpu")
    assert code == 5
    assert err == (
        'error[E702]: gpu(0) needs the package cupy, which is not installed\n  = help: pip install "ndgrad[gpu]"\n'
    )
    code, out, _ = said("eval", "x", "-i", "x=1", "--device", "gpu:1", "--format", "json")
    assert code == 5
    assert json.loads(out)["error"]["code"] == "E702"


def test_a_run_says_what_crossed_over_and_shows_its_kernel(said: Said, large: str) -> None:
    running.DEVICES[mx.gpu(0)] = Double()
    line = ("eval", CHAIN, "-i", large, "--grad", "x")
    code, out, err = said(*line, "--device", "gpu", "--stats", "--kernels", "--format", "json")
    assert code == 0
    made = json.loads(out)
    found = made["stats"]["device"]
    assert {name: found[name] for name in ("device", "kernels", "compiled", "on_host")} == {
        "device": "gpu(0)",
        "kernels": 1,
        "compiled": 1,
        "on_host": {},
    }
    assert found["sent_bytes"] < 3 << 19
    assert err.count("__global__") == 1
    wanted = json.loads(said(*line, "--format", "json")[1])
    np.testing.assert_allclose(made["value"], wanted["value"], rtol=1e-12)
    np.testing.assert_allclose(made["grads"]["x"], wanted["grads"]["x"], rtol=1e-12)


def test_what_the_host_did_for_the_device_is_said(said: Said, large: str) -> None:
    running.DEVICES[mx.gpu(0)] = Double()
    code, _, err = said("eval", "sum(cummax(x))", "-i", large, "--device", "gpu", "--stats", "--format", "plain")
    assert code == 0
    assert " · gpu(0): " in err
    assert " read back · computed on the host, for want of a function there: last_records" in err
