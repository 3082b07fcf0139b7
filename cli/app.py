"""The commands as one typer application. A command's module is imported when it is called.

A new command is a module in `commands/` with `app`, and its name in COMMANDS.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

Action = TypeVar("Action", bound=Callable[..., None])
COMMANDS = (
    *("run", "eval", "explain", "fmt", "lint", "help", "ops"),
    *("check", "why", "diff", "minimize", "graph", "plot", "repl", "completion"),
)
SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"]}
EPILOG = "Examples:\n\nndgrad eval 'x ** 2 + x' -i x=3 --grad x\n\nndgrad run samples/chain.nd --grad x"


class Command(TyperCommand):
    """A command that refuses to be asked for two things where it can answer for one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _, _, given = self.make_parser(ctx).parse_args(list(args))
        for parameter in given:
            if _asks(parameter) and given.count(parameter) > 1:
                ctx.fail(f"{parameter.opts[-1]} is given twice")
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        from ndgrad.cli.screens import help_of

        formatter.write(help_of(self, ctx))


def _asks(parameter: Any) -> bool:
    """Whether an option asks for one thing by name or value; of settings, the last one counts."""
    asks = (parameter.metavar or "").startswith(("NAME", "VALUE"))
    return asks and parameter.param_type_name == "option" and not parameter.multiple


class Group(TyperGroup):
    """The group of all commands, each known by name before it is imported."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        from ndgrad.cli.screens import help_of

        formatter.write(help_of(self, ctx))

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"ndgrad.cli.commands.{cmd_name}")
        return get_command(module.app)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, 1)
            cure = f"; did you mean {near[0]}?" if near else ""
            ctx.fail(f"no such command: {args[0]}{cure}")
        return super().resolve_command(ctx, args)


def single(
    help: str, *examples: str, bare: bool = False, dashes: bool = False
) -> tuple[typer.Typer, Callable[[Action], Action]]:
    """The application of one command, and the decorator for its function.

    bare: whether the command has a meaning without arguments; else its help is shown then.
    dashes: whether what begins with a dash and is no option is an argument: -3, -:NAME.
    """
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    epilog = "Examples:\n\n" + "\n\n".join(examples)
    settings = {**SETTINGS, "ignore_unknown_options": dashes}
    return app, app.command(cls=Command, context_settings=settings, help=help, epilog=epilog, no_args_is_help=not bare)


def command() -> Any:
    """The whole command line, ready to be called with arguments."""
    app = typer.Typer(
        cls=Group,
        context_settings=dict(SETTINGS),
        rich_markup_mode=None,
        epilog=EPILOG,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )

    def install(wanted: bool) -> None:
        if wanted:
            from ndgrad.cli.shells import install

            install()
            raise typer.Exit

    @app.callback()
    def ndgrad(
        version: bool = typer.Option(False, "--version", help="Show the version and exit."),
        install_completion: bool = typer.Option(
            False,
            "--install-completion",
            help="Let this shell complete ndgrad's command lines.",
            callback=install,
            is_eager=True,
        ),
    ) -> None:
        """Differentiate array programs: values, gradients, and the chain rule that made them."""
        if version:
            from ndgrad import __version__

            print(f"ndgrad {__version__}")
            raise typer.Exit

    return get_command(app)
