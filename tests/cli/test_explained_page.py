"""The page of `ndgrad explain --format html` in a real browser, without a screen: stepped through by keyboard."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndgrad.cli.explaining import Explained
from ndgrad.cli.explaining.page import written
from ndgrad.lang import load

SAMPLES = Path(__file__).parent.parent.parent / "samples"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

WATCH = """<script>
window.faults = [];
addEventListener("error", (event) => faults.push(String(event.message)));
addEventListener("unhandledrejection", (event) => faults.push(String(event.reason)));
for (const kind of ["error", "warn"]) { console[kind] = (...said) => faults.push(said.join(" ")); }
</script>"""
PRESS = """<script>
function now() {
  const steps = Array.from(document.querySelectorAll(".derivation:not([hidden]) .step")).filter((s) => !s.hidden);
  return {
    counter: document.querySelector(".bar output").textContent,
    phase: steps.map((step) => step.querySelector(".phase").textContent).join(),
    cells: steps.flatMap((step) => Array.from(step.querySelectorAll("td, .number")).map((cell) => cell.textContent)),
    line: (document.querySelector(".derivation:not([hidden]) .source .now") || {dataset: {}}).dataset.line || null,
    seen: steps.every((step) => step.getBoundingClientRect().height > 0),
  };
}
function press(key) {
  document.body.dispatchEvent(new KeyboardEvent("keydown", {key: key, bubbles: true, cancelable: true}));
  return now();
}
const count = Number(now().counter.split(" of ")[1]);
const forward = [now()];
for (let i = 1; i < count; i++) { forward.push(press("ArrowRight")); }
const beyond = press("ArrowRight");
const back = [now()];
for (let i = 1; i < count; i++) { back.push(press("ArrowLeft")); }
const made = {
  forward, back, beyond, last: press("End"), first: press("Home"), faults,
  fetched: performance.getEntriesByType("resource").map((entry) => entry.name),
  mathematics: document.querySelectorAll("math").length,
};
document.documentElement.innerHTML = "<body><pre></pre></body>";
document.querySelector("pre").textContent = JSON.stringify(made);
</script>"""


@pytest.fixture(scope="module")
def browser() -> str:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("needs Chromium")
    return found


def explained(name: str, by: str, **inputs: Any) -> Any:
    return load(SAMPLES / f"{name}.nd").run(inputs, [by], trace=True).derivation(by)


def stepped_through(browser: str, page: str, folder: Path) -> Any:
    """What the page shows, step by step, when it is opened from a file and the keys are pressed."""
    path = folder / "page.html"
    path.write_text(page.replace("<head>", f"<head>{WATCH}", 1).replace("</body>", f"{PRESS}</body>", 1), "utf-8")
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND")
    ran = subprocess.run(
        [browser, *options, f"--user-data-dir={folder / 'profile'}", "--dump-dom", path.as_uri()],
        capture_output=True,
        timeout=60,
        check=True,
    )
    shown = re.search(r"<pre>(.*)</pre>", ran.stdout.decode("utf-8"), re.DOTALL)
    assert shown is not None
    return json.loads(html.unescape(shown[1]))


def numbers(array: Any) -> list[str]:
    return [f"{entry:.6g}".replace("-", "−") for entry in np.asarray(array).ravel().tolist()]


def test_the_page_is_stepped_through_by_keyboard(browser: str, tmp_path: Path) -> None:
    d = explained("control", "a", a=-1.7)
    page = written(Explained((d,), "control.nd", dict), ascii=False)
    seen = stepped_through(browser, page, tmp_path)
    steps = seen["forward"]
    assert seen["faults"] == []
    assert seen["fetched"] == []
    assert seen["mathematics"] > len(steps)
    assert [step["counter"] for step in steps] == [f"{k} of {len(steps)}" for k in range(1, len(steps) + 1)]
    assert all(step["seen"] for step in steps)
    assert seen["back"] == steps[::-1]
    assert seen["beyond"] == seen["last"] == steps[-1]
    assert seen["first"] == steps[0]
    assert [step["phase"] for step in steps] == [
        *("Input", "Forward", "Forward", "Loop", "Forward", "Forward"),
        *("Backward", "Backward", "Backward", "Backward", "Chain rule"),
    ]
    values = [step["cells"][0] for step in steps if step["phase"] in ("Input", "Forward")]
    assert values == [numbers(s.value)[0] for s in d.forward if hasattr(s, "value")]
    backward = [step for step in steps if step["phase"] == "Backward"][1:]
    assert [(step["cells"][0], step["cells"][-1]) for step in backward] == [
        (numbers(s.arriving)[0], numbers(s.leaving)[0]) for s in d.backward
    ]
    assert [step["line"] for step in backward] == [str(s.span.line) for s in d.backward]
    assert steps[-1]["cells"] == numbers(d.result)


def test_tables_of_the_page_hold_the_arrays(browser: str, tmp_path: Path) -> None:
    d = explained("chain", "x")
    seen = stepped_through(browser, written(Explained((d,), "chain.nd", dict), ascii=True), tmp_path)
    assert seen["faults"] == []
    by_step = [step["cells"] for step in seen["forward"]]
    assert by_step[:3] == [numbers(s.value) for s in d.forward]
    assert by_step[-1] == numbers(d.result)
    for step, cells in zip(d.backward, by_step[4:], strict=False):
        assert cells == [*numbers(step.arriving), *numbers(step.local_value), *numbers(step.leaving)]


def test_the_page_names_nothing_outside_itself() -> None:
    page = written(Explained((explained("chain", "x"),), "chain.nd", dict), ascii=False)
    assert re.findall(r"https?://[^\"' <]+", page.replace("http://www.w3.org/1998/Math/MathML", "")) == []
    assert not re.search(r"<(?:link|img|iframe)\b|\bsrc=|@import|url\(", page)
