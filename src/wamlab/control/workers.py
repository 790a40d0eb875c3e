"""Work spread over processes that neither an error nor a killed parent leaves behind."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

from ..errors import WamError

Job = Callable[[Any, Callable[[], bool]], Any]
"""a picklable piece of work `job(part, alive)`: does `part`, and stops early when `alive()` is no longer true"""


def in_workers(job: Job, parts: Sequence[Any], tick: Callable[[], None] = lambda: None, seconds: float = 0.3) -> list[Any]:
    """Run `job(part)` for each part in a fresh process of its own.

    Args:
        tick: called about every `seconds`, and once at the end.

    Returns:
        What the calls returned, in the order of `parts`.

    Raises:
        WamError: if a worker died without a word. Otherwise a worker's own error; the other workers are ended first.
    """
    context = fresh_processes()
    pipes = [context.Pipe(duplex=False) for _ in parts]
    processes = [context.Process(target=_run, args=(job, part, dict(os.environ), pipe[1]), daemon=True)
                 for part, pipe in zip(parts, pipes, strict=True)]
    results: dict[int, Any] = {}
    open_ends: dict[Connection, int] = {}
    try:
        for number, process in enumerate(processes):
            process.start()
            pipes[number][1].close()  # the child has its own copy; so its death is seen here as the end of the file
            open_ends[pipes[number][0]] = number
        while open_ends:
            for end in wait(list(open_ends), timeout=seconds):
                assert isinstance(end, Connection)
                number = open_ends.pop(end)
                results[number] = _result(end, processes[number])
            tick()
    finally:
        for process in processes:
            if process.is_alive() and len(results) < len(parts):
                process.terminate()
            if process.pid is not None:
                process.join()
    return [results[number] for number in range(len(parts))]


def fresh_processes() -> Any:
    """Processes that share nothing with this one. Where the system can, they are forked from a server that has imported
    the slow libraries once (and no simulator, since MuJoCo settles on a renderer when it is imported)."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "scipy.stats", "gymnasium", "jaxtyping", "safetensors.torch"])
    return context


def _result(end: Connection, process: Any) -> Any:
    try:
        value, error = end.recv()
    except EOFError as lost:
        process.join()
        raise WamError("a worker process died", where=f"process {process.pid}", expected="a result",
                       got=f"exit code {process.exitcode}",
                       fix="out of memory? use fewer workers; what was finished is kept") from lost
    if error is not None:
        raise error
    return value


def _run(job: Job, part: Any, environment: dict[str, str], end: Connection) -> None:
    os.environ.update(environment)
    parent = multiprocessing.parent_process()
    assert parent is not None
    answer: tuple[Any, Exception | None]
    try:
        answer = job(part, parent.is_alive), None
    except KeyboardInterrupt:  # Ctrl-C reaches the whole process group; the parent reports it
        return
    except Exception as error:
        answer = None, error
    try:
        end.send(answer)
    except BrokenPipeError:  # the parent was killed: there is nobody to tell
        return
