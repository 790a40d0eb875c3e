"""Imagined against executed, moment by moment, from the predictions kept with an episode."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from ..data.instructions import spoken
from ..data.store import EpisodeStore
from ..errors import WamError
from ..evaluate.log import EvalLog
from ..types import Episode, Imagined
from .media import beside, jpeg, mp4, png
from .scores import place
from .view import Ahead, Decisions, Film, Films
from .words import listed

FPS = 8.0
"""pictures a second: slower than the robot, so that an eye can compare"""
GREY = 128
FILMS = 12
"""films of a page at most, shared evenly; of every model and task that imagines there is one"""


def imagines(episode: Episode) -> bool:
    return any(thought.frames is not None and len(thought.offsets) for thought in episode.imagined)


def thoughts(episode: Episode) -> list[Imagined]:
    """Predictions with pictures whose first pictured moment was reached."""
    return [thought for thought in episode.imagined
            if thought.frames is not None and len(thought.offsets) and thought.step + thought.offsets[0] <= len(episode)]


def executed(episode: Episode) -> UInt8[ndarray, "T1 h w 3"]:
    """What the main camera saw."""
    return next(iter(episode.frames.values()))


def foreseen(episode: Episode) -> UInt8[ndarray, "T1 h w 3"]:
    """For each moment t the newest imagined picture that was due by then: made before t, showing t or a little earlier.
    Grey until the first one is due."""
    real = executed(episode)
    due: list[tuple[int, int, UInt8[ndarray, "h w 3"]]] = []
    for thought in thoughts(episode):
        due += [(thought.step + offset, thought.step, frame)
                for offset, frame in zip(thought.offsets, thought.frames if thought.frames is not None else (), strict=True)]
    due.sort(key=lambda entry: entry[:2])
    shown, frames, position = np.full_like(real[0], GREY), [], 0
    for t in range(len(real)):
        while position < len(due) and due[position][0] <= t:
            shown, position = due[position][2], position + 1
        frames.append(shown)
    return np.stack(frames)


def sheet(frames: Sequence[UInt8[ndarray, "h w 3"]]) -> str:
    """Frames of decisions next to each other, as a data URI."""
    return jpeg(beside(frames, gap=0))


def decisions(episode: Episode, hertz: float | None = None, most: int = 40) -> Decisions:
    """Per decision: what it saw, then for each pictured moment what it imagined and what happened (grey beyond the end).

    Args:
        hertz: control steps a second, to say moments in seconds too.
        most: decisions that are kept; of more, as many are chosen evenly.
    """
    chosen = thoughts(episode)
    chosen = [chosen[i] for i in np.unique(np.linspace(0, len(chosen) - 1, min(most, len(chosen))).round().astype(int))]
    real = executed(episode)
    ahead = []
    for number, offset in enumerate(chosen[0].offsets):
        over = sum(thought.step + offset < len(real) for thought in chosen)
        came = [real[thought.step + offset] for thought in chosen[:over]] + [np.full_like(real[0], GREY)] * (len(chosen) - over)
        ahead.append(Ahead(f"in {offset} step" + "s" * (offset > 1),
                           sheet([thought.frames[number] for thought in chosen if thought.frames is not None]), sheet(came),
                           over, f"{offset / hertz:.2g} s" if hertz else ""))
    height, width = real.shape[1:3]
    return Decisions([thought.step for thought in chosen], sheet([real[thought.step] for thought in chosen]), ahead,
                     width / height, f"{len(chosen)} decisions of one episode: the frame seen, the frames imagined and the "
                     "frames that followed")


def film(group: str, episode: Episode, hertz: float | None = None) -> Film:
    """The decisions of an episode, and its film: left what happened, right what had been imagined for that moment."""
    both = beside([executed(episode), foreseen(episode)])
    both = np.concatenate([both, both[-1:].repeat(int(FPS), axis=0)])
    outcome = "not known whether solved" if not episode.outcome_known else "solved" if episode.solved else "not solved"
    first = int(np.argmax(episode.success[1:])) + 1 if episode.solved else len(episode)
    return Film(group, outcome, mp4(both, FPS), png(both[len(both) // 2]),
                f"Film of an episode of {episode.task}, {outcome}: left the executed frames, right the imagined ones",
                decisions(episode, hertz), first, spoken(episode.instructions))


def pick(episodes: Iterable[Episode], successes: int = 2, failures: int = 2) -> list[Episode]:
    """The first few that imagined, of each outcome, successes first: the order of the seeds, nobody's choice."""
    good: list[Episode] = []
    bad: list[Episode] = []
    for episode in episodes:
        if not imagines(episode) or not thoughts(episode):
            continue
        side, room = (good, successes) if episode.solved else (bad, failures)
        if len(side) < room:
            side.append(episode)
        if len(good) == successes and len(bad) == failures:
            break
    return good + bad


def share(episodes: Sequence[Episode], room: int) -> list[Episode]:
    """As many of them as there is room for, half of them successes where there are; in the same order."""
    good, bad = [e for e in episodes if e.solved], [e for e in episodes if not e.solved]
    return [*good[:max(room - room // 2, room - len(bad))], *bad[:max(room // 2, room - len(good))]]


def films(log: EvalLog, folder: Path) -> Films:
    """Successes and failures from every store whose episodes carry imagined frames; of the others, why there is no film."""
    found: list[tuple[str, float, list[Episode]]] = []
    silent, reasons = [], []
    for name, where in log.episodes.items():
        model, _, task = name.partition("/")
        group = " on ".join(part for part in (model, place(log, task)) if part)
        try:
            store = EpisodeStore.open(folder / where)
            chosen = pick(store[i] for i in store.indices())
        except WamError as error:
            reasons.append(f"{name}: {error.problem}")
            continue
        if chosen:
            found.append((group, store.task_spec.control_hz, chosen))
        else:
            silent.append(model)
    if not found and not reasons:
        return Films(missing="unavailable: no model of this run kept imagined frames")
    reasons += [f"no imagined frames were kept of {listed(list(dict.fromkeys(silent)))}"] if silent else []
    room = max(1, FILMS // max(1, len(found)))
    made = [film(group, one, hertz) for group, hertz, episodes in found for one in share(episodes, room)]
    return Films(made, f"unavailable: {'; '.join(reasons)}" if reasons else "")
