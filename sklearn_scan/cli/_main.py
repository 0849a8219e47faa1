"""The group of commands; each is imported when it is called."""

from __future__ import annotations

import io
import sys
from importlib import import_module
from typing import IO, Any

import click

from sklearn_scan import __version__
from sklearn_scan.cli._start import loading, note_start
from sklearn_scan.cli._wording import explain

# The module and the short help of each command, so that `--help` imports no torch.
_COMMANDS = {
    "fit": ("_fit", "Cluster a folder of photos."),
    "predict": ("_predict", "Label new photos by a fitted model."),
    "report": ("_report", "Write the report page of a run again."),
    "relabel": ("_relabel", "Apply the corrections made in a report."),
    "export": ("_export", "Make a folder of photos for each cluster."),
    "neighbors": ("_neighbors", "Show the photos most like a photo."),
    "embed": ("_embed", "Write the embedding of photos as an array."),
    "encoders": ("_encoders", "List encoders to choose from."),
    "cache": ("_cache", "Show the cache of embeddings, or delete it."),
}

# Errors that users can correct; any other is a fault of the code, and shows its trace.
_EXPECTED = (ValueError, TypeError, OSError, ImportError, RuntimeError)


class _Interruption(click.ClickException):
    """Ctrl-C, and how to go on."""

    exit_code = 130  # 128 + SIGINT, as in shells

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(self.message, err=True)


class _Commands(click.Group):
    """Imports a command when it is called, and prints errors in plain words."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in _COMMANDS and not args[0].startswith("-"):
            from sklearn_scan.core.validation import did_you_mean  # slow: takes NumPy

            raise click.UsageError(
                f"No such command: {args[0]}.{did_you_mean(args[0], _COMMANDS)}", ctx
            )
        with loading(quiet=ctx.resilient_parsing or "--json" in args):
            return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(f"sklearn_scan.cli.{_COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        note_start()
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            again = ["The same command may be given again."]
            notes = getattr(error, "__notes__", again)
            raise _Interruption("\n".join(["Stopped.", *notes])) from error
        except (click.ClickException, click.exceptions.Exit, BrokenPipeError):
            raise
        except _EXPECTED as error:
            notes = getattr(error, "__notes__", [])
            raise click.ClickException("\n".join([explain(error), *notes])) from error


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 failed, 2 unknown options, 130 stopped by Ctrl-C.",
)
@click.version_option(__version__, prog_name="sklearn-scan")
def main() -> None:
    """Cluster images without labels.

    Begin with:  sklearn-scan fit PHOTOS -k 10 -o out
    """
    # file names of any encoding are printed as they are
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")
