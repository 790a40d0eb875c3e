"""The command line. `wam COMMAND --help` teaches; every command is one file in `wamlab.commands`."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence

from . import __version__
from .errors import UnknownName, WamError

COMMANDS = {
    "run": "do the whole job: collect, train two models, act, judge, write the report",
    "list": "show the recipes and where they stand in the design space; --tasks shows the tasks",
    "show": "say what a recipe, a run, a checkpoint or a dataset holds",
    "collect": "write demonstrations of a task with its scripted expert",
    "data": "check, filter, weigh or value datasets; import from and export to LeRobot's format",
    "train": "train a recipe on collected episodes",
    "imagine": "let a model imagine from a recorded moment and put the truth above it",
    "rollout": "let a model act in closed loop and count its successes",
    "eval": "score recorded rollouts again, also with a metric of your own",
    "report": "write the HTML page of a finished run again",
    "card": "say whether a model's future follows its action and its action its future, in numbers and words",
    "power": "say how many starts a claim needs, or whether those at hand carry it",
    "conformance": "test the metrics themselves against models that are known to be right, trivial or wrong",
}

HELP = """usage: wam COMMAND [options]

World Action Models on a laptop: future, action = WAM(observation, instruction)

{commands}

start here:
  wam run                  minutes; ends with a page that you open in a browser
  wam run --size debug     the same path in under a minute, only to see that everything works
  wam COMMAND --help       what a command does, its options and examples
"""


def overview() -> str:
    """The page printed by `wam --help`."""
    return HELP.format(commands="\n".join(f"  {name:<13}{what}" for name, what in COMMANDS.items()))


def dispatch(argv: Sequence[str]) -> int:
    """Run one command line, without catching anything. Returns the exit status.

    Raises:
        UnknownName: for a command that does not exist; it carries the nearest names.
    """
    name, rest = (argv[0], list(argv[1:])) if argv else ("--help", [])
    if name in ("-h", "--help", "help"):
        print(overview())
    elif name == "--version":
        print(f"wamlab {__version__}")
    elif name not in COMMANDS:
        raise UnknownName("command", name, COMMANDS)
    else:
        return parse(name, rest)() or 0
    return 0


def parse(name: str, arguments: Sequence[str]) -> Callable[[], int | None]:
    """A command with its options. Exits with status 2 and suggestions for an option that does not exist.

    Raises:
        WamError: naming an option that is out of its range.
    """
    import tyro  # here, so that `wam --help` does not wait for it

    from .commands.options import REGISTRY
    from .ranges import check
    from .reading import CONTROL

    if any("\0" in word for word in arguments):
        raise WamError("an argument holds the character NUL", where=f"wam {name}", expected="text without it",
                       got=repr(list(arguments))[:120])
    module = importlib.import_module(f"wamlab.commands.{name}")
    config = (tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes)
    with written_out() if any(CONTROL.search(word) for word in arguments) else contextlib.nullcontext():
        command: Callable[[], int | None] = tyro.cli(module.Command, args=arguments, prog=f"wam {name}", config=config,
                                                     registry=REGISTRY)
    check(command, "--")
    return command


@contextlib.contextmanager
def written_out() -> Iterator[None]:
    """What is printed within is shown, not obeyed: tyro repeats a word that it cannot use as it stands.

    Within, nothing looks like a terminal, so that no colours of tyro's own are among what is written out.
    """
    from .reading import shown

    printed = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(printed[0]), contextlib.redirect_stderr(printed[1]):
            yield
    finally:
        for text, stream in zip(printed, (sys.stdout, sys.stderr), strict=True):
            stream.write(shown(text.getvalue()))


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `wam`. Exit status: 0 done, 2 an error the user can mend, 130 stopped by Ctrl-C."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # idle torch threads must not spin while the simulator works
    os.environ.setdefault("LP_NUM_THREADS", "0")  # software OpenGL: render in the calling thread, one worker per core
    plain_streams()
    try:
        return dispatch(sys.argv[1:] if argv is None else argv)
    except WamError as error:
        complain(error)
        return 2
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on where it was", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader (head, less) has gone: that is fine
    except OSError as error:
        complain(disk_trouble(error))
        return 2
    return 0


def plain_streams() -> None:
    """What an output that is not UTF-8 cannot write is written as an escape, here and in every process started from here."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    encoding = os.environ.get("PYTHONIOENCODING", "").partition(":")[0]
    os.environ["PYTHONIOENCODING"] = f"{encoding}:backslashreplace"


def complain(error: WamError) -> None:
    """An error in one block on stderr."""
    from .commands.console import say

    first, *more = error.lines()
    say(f"error: {first}", *more, stderr=True)


def disk_trouble(error: OSError) -> WamError:
    """A failure of the file system in the same words as every other error."""
    import errno

    fixes = {
        errno.ENOSPC: "free some space or choose another --out; what is finished stays, the same command goes on",
        errno.EROFS: "the file system is read-only: choose another --out",
        errno.EACCES: "you may not write there: choose another --out or mend the permissions",
        errno.EPERM: "you may not write there: choose another --out or mend the permissions",
        errno.ENOENT: "check the path",
        errno.ENOTDIR: "a file stands where a folder is needed: choose another path",
        errno.EEXIST: "a file stands where a folder is needed: choose another path",
        errno.EISDIR: "a folder stands where a file is needed: choose another path",
    }
    other = "choose another path, or see whether the disk is sound; what is finished stays"
    return WamError(error.strerror or str(error), where=error.filename or "", got=type(error).__name__,
                    fix=fixes.get(error.errno or 0, other))
