"""Work spread over processes that neither an error nor a killed parent leaves behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any

from ..errors import WamError

Job = Callable[[Any, "Parent"], Any]
"""a picklable piece of work `job(part, parent)`: does `part`, and stops early when `parent()` is no longer true"""


class Parent:
    """The process that waits for a worker, as the worker sees it."""

    def __init__(self, end: Connection):
        self.end, self.process = end, multiprocessing.parent_process()

    def __call__(self) -> bool:
        """Whether it is alive."""
        return self.process is not None and self.process.is_alive()

    def say(self, message: Any) -> None:
        """Tell it something picklable before the work is done; ends the worker if there is nobody to tell."""
        try:
            self.end.send((False, message))
        except BrokenPipeError:
            raise SystemExit from None


def in_workers(job: Job, parts: Sequence[Any], tick: Callable[[], None] = lambda: None, seconds: float = 0.3, *,
               at_once: int | None = None, heard: Callable[[Any], None] = lambda message: None) -> list[Any]:
    """Run `job(part)` for each part in a fresh process of its own.

    Args:
        tick: called about every `seconds`, and once at the end.
        at_once: processes at one time, which take the parts in their order; None: as many as there are parts.
        heard: called with each message that a job says to its parent.

    Returns:
        What the calls returned, in the order of `parts`.

    Raises:
        WamError: if a worker died without a word. Otherwise a worker's own error; the other workers are ended first.
    """
    context = fresh_processes()
    processes: list[Any] = []
    results: dict[int, Any] = {}
    open_ends: dict[Connection, int] = {}
    try:
        while len(results) < len(parts):
            while len(processes) < len(parts) and (at_once is None or len(open_ends) < max(1, at_once)):
                mine, theirs = context.Pipe(duplex=False)
                process = context.Process(target=_run, args=(job, parts[len(processes)], dict(os.environ), theirs), daemon=True)
                processes.append(process)
                with undisturbed():
                    process.start()
                theirs.close()  # the child has its own copy; so its death is seen here as the end of the file
                open_ends[mine] = len(processes) - 1
            for end in wait(list(open_ends), timeout=seconds):
                assert isinstance(end, Connection)
                number = open_ends[end]
                done, value = _received(end, processes[number])
                if done:
                    results[number] = value
                    del open_ends[end]
                else:
                    heard(value)
            tick()
    finally:
        for process in processes:
            if process.is_alive() and len(results) < len(parts):
                process.terminate()
            if process.pid is not None:
                process.join()
    return [results[number] for number in range(len(parts))]


@contextmanager
def undisturbed() -> Iterator[None]:
    """Ctrl-C waits until the block ends, and never reaches the processes that are started in it: it goes to the whole process
    group, and one that still imports its libraries would answer with a traceback. Their parent hears it and ends them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # it lets all signals through when it has started, and is started first otherwise
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def fresh_processes() -> Any:
    """Processes that share nothing with this one. Where the system can, they are forked from a server that has imported
    the slow libraries once (and no simulator, since MuJoCo settles on a renderer when it is imported)."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "scipy.stats", "gymnasium", "jaxtyping", "safetensors.torch"])
    return context


def _received(end: Connection, process: Any) -> tuple[bool, Any]:
    """(whether it was the last, the message or the result)."""
    try:
        done, value = end.recv()
    except EOFError as lost:
        process.join()
        raise WamError("a worker process died", where=f"process {process.pid}", expected="a result",
                       got=f"exit code {process.exitcode}",
                       fix="out of memory? use fewer workers; what was finished is kept") from lost
    if done and isinstance(value, Failed):
        raise value.error
    return done, value


@dataclass(frozen=True)
class Failed:
    """What a worker sends in place of a result."""

    error: Exception


def _run(job: Job, part: Any, environment: dict[str, str], end: Connection) -> None:
    os.environ.update(environment)
    answer: Any
    try:
        answer = job(part, Parent(end))
    except KeyboardInterrupt:  # where it cannot be kept away; the parent reports it
        return
    except Exception as error:
        answer = Failed(error)
    try:
        end.send((True, answer))
    except BrokenPipeError:  # the parent was killed: there is nobody to tell
        return
