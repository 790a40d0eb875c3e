"""Imagined against executed, moment by moment, from the predictions kept with an episode."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from ..data.instructions import spoken
from ..types import Episode, Imagined
from .media import beside, jpeg, mp4, png
from .view import Film, Strip

FPS = 8.0
"""pictures a second: slower than the robot, so that an eye can compare"""
GREY = 128


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


def decisions(episode: Episode, most: int = 40) -> Strip:
    """Per decision: what it saw, then for each pictured moment what it imagined and what happened."""
    chosen = thoughts(episode)
    chosen = [chosen[i] for i in np.unique(np.linspace(0, len(chosen) - 1, min(most, len(chosen))).round().astype(int))]
    real = executed(episode)
    rows = [("now", [real[thought.step] for thought in chosen])]
    for number, offset in enumerate(chosen[0].offsets):
        ahead = f"in {offset} step" + "s" * (offset > 1)
        rows.append((f"imagined {ahead}", [thought.frames[number] for thought in chosen if thought.frames is not None]))
        rows.append((f"happened {ahead}", [real[thought.step + offset] if thought.step + offset < len(real)
                                           else np.full_like(real[0], GREY) for thought in chosen]))
    pictures = [(label, jpeg(beside(frames, gap=0))) for label, frames in rows]
    return Strip([f"step {thought.step}" for thought in chosen], pictures,
                 f"{len(chosen)} decisions of one episode: the frame seen, the frames imagined and the frames that followed")


def film(title: str, episode: Episode) -> Film:
    """Left what happened, right what had been imagined for that moment."""
    both = beside([executed(episode), foreseen(episode)])
    both = np.concatenate([both, both[-1:].repeat(int(FPS), axis=0)])
    outcome = "not known whether solved" if not episode.outcome_known else "solved" if episode.solved else "not solved"
    first = int(np.argmax(episode.success[1:])) + 1 if episode.solved else len(episode)
    return Film(title, episode.solved, mp4(both, FPS), png(both[len(both) // 2]),
                f"Film of an episode of {episode.task}, {outcome}: left the executed frames, right the imagined ones",
                decisions(episode), f"{outcome} after {first} steps; “{spoken(episode.instructions)}”")


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
