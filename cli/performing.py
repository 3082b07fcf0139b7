"""What `run` and `eval` do once their options are read: one run, one for each record, or one after each change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ndgrad.cli import problems
from ndgrad.cli.job import NOTHING_MORE, Differentials, Limits, asked, names, pairs
from ndgrad.cli.writing import Report, chosen, digits, write
from ndgrad.cli.writing.places import Place

if TYPE_CHECKING:
    from ndgrad.cli.job import Job


def _device(text: str | None) -> str | None:
    """The device asked for. Stops on wrong usage."""
    kind, colon, number = (text or "cpu").partition(":")
    if kind not in ("cpu", "gpu") or (colon and not (kind == "gpu" and number.isdecimal())):
        problems.usage(f"--device {text}: the devices are cpu, gpu, and gpu:N, where N counts from 0")
    return text


def perform(context: Any, program: str, is_text: bool = False) -> None:
    """Do what the options in the context of a command ask for. Stops on wrong usage."""
    given = context.params
    context.obj.errors_as_json = given["format"] == "json"
    more = Differentials(
        given["mode"],
        pairs("--head-of", given["head_of"]),
        pairs("--jvp", given["jvp"]),
        names("--jac", given["jac"]),
        names("--hess", given["hess"]),
        pairs("--hvp", given["hvp"]),
        given["seed"],
        given["train"],
        given["nan_check"],
    )
    job = asked(
        program,
        given["inputs"],
        given["grad"],
        given["head"],
        given["of"],
        given["dtype"],
        Limits(given["max_steps"], given["max_memory"], given["timeout"], given["threads"], given["memory"]),
        is_text,
        NOTHING_MORE if more == NOTHING_MORE else more,
        _device(given["device"]),
    )
    if (job.head is not None or more.heads) and not (job.grad or more.hess or more.hvp):
        option = "--head" if job.head is not None else "--head-of"
        problems.usage(f"{option} is the adjoint that a gradient begins from: it goes with --grad, --hess or --hvp")
    if given["jobs"] is not None and given["each"] is None:
        problems.usage("--jobs is for --each: there is one run")
    if given["each"] is not None:
        from ndgrad.cli.each import run_each

        for option in ("watch", "stats", "kernels", "profile", "full"):
            if given[option]:
                problems.usage(f"--{option} and --each do not go together")
        run_each(job, given["each"], given["jobs"] or 1, given["format"], given["output"], given["precision"])
        return

    on_gpu = job.device not in (None, "cpu")
    if given["kernels"] and not on_gpu:
        problems.usage("--kernels is for --device gpu: on the CPU there are none")
    if given["profile"] and on_gpu:
        problems.usage("--profile and --device gpu do not go together: a GPU is done later than the line that asks")
    if given["profile"]:
        for option in ("jac", "hess", "jvp", "hvp"):
            if given[option]:
                problems.usage(f"--profile is for the value and its gradients: it does not go together with --{option}")
        if given["mode"] == "forward":
            problems.usage("--profile shows the reverse sweep: it does not go together with --mode forward")

    def once() -> Job:
        format = chosen(given["format"], given["output"], job.derivatives)
        digits(given["precision"], format, given["format"], given["output"])
        result, profile = job.profiled(given["output"]) if given["profile"] else (job.result(given["output"]), None)
        report = Report(result, job.name, given["precision"], given["full"], given["stats"])
        write(report, format, Place(given["output"]))
        if given["kernels"]:
            from ndgrad.cli.writing.stats import show_kernels

            show_kernels(result)
        if profile is not None:
            from ndgrad.cli.writing.profile import show

            show(profile())
        return job

    if given["watch"]:
        from ndgrad.cli.watching import again_on_change

        again_on_change(job, once, context.obj)
    once()
