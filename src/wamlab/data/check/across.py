"""What only shows when episodes are compared: dead channels, jumps, copies, and episodes in which nothing is to be done."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray
from scipy.spatial import KDTree

from .finding import Finding, listing
from .source import Record, Source

SAME = 0.15
"""two films are the same if they differ by less than this share of what moves in one: copies that went through a codec reach
0.13, and of 25,000 pairs of honest films none came below 0.2"""
SAME_OF_FEW, FEW = 0.25, 1000
"""the same where there are so few pairs that none is alike by chance: a copy of a film in which little moves reached 0.2"""
LIKE = 0.5
"""of what moves in a film; films whose beginnings are brighter or darker somewhere by more are not compared"""
NEAR = 0.02
"""deviations; two episodes of one length are nearly the same if no number differs by more"""
BEGINNING = 12
"""first pictures of a film by which its like are looked for"""


def speeds(records: Sequence[Record]) -> Float64[ndarray, "P"]:
    """Per state channel, how much it usually changes in a step in which it changes."""
    steps = np.abs(np.concatenate([np.diff(record.state, axis=0) for record in records]))
    steps = np.where(np.isfinite(steps), steps, 0)
    out = np.zeros(steps.shape[1])
    for channel in range(steps.shape[1]):
        changing = steps[:, channel][steps[:, channel] > 1e-9]
        out[channel] = np.quantile(changing, 0.9) if len(changing) else 0
    return out


def moving(record: Record, usual: Float64[ndarray, "P"]) -> Bool[ndarray, "T"]:
    """Per step, whether some channel changes at least half of what is usual."""
    return np.asarray((np.abs(np.diff(record.state, axis=0)) > np.maximum(usual / 2, 1e-9)).any(1))


def check_channels(records: Sequence[Record], source: Source) -> list[Finding]:
    """Channels that never change, and numbers that jump."""
    found = []
    fields = ((source.state_field, source.state_names, [r.state for r in records]),
              ("action", source.action_names, [r.action for r in records]))
    for field, names, parts in fields:
        every = np.concatenate(parts)
        every = every[np.isfinite(every).all(1)]
        if len(every) < 10:
            continue
        spread = every.std(0)
        dead = spread <= 1e-6 * np.maximum(np.abs(every).max(0), 1e-6)
        for channel in np.flatnonzero(dead):
            found.append(Finding("constant channel", "warning", records[0].file, field, None, f"{names[channel]} never changes",
                                 "a number that changes", f"{every[0, channel]:g} throughout",
                                 "leave the channel out, or mend its sensor: normalising it divides by nothing"))
        own = np.array([part.std(0) if np.isfinite(part).all() and len(part) else np.full(part.shape[1], np.nan)
                        for part in parts])
        stuck = (own <= 1e-9 * np.maximum(spread, 1e-9)) & ~dead & ((own > 0.1 * spread).sum(0) > 0.9 * len(parts) - 1)
        for number, channel in np.argwhere(stuck & np.array([[len(part) >= 10] for part in parts])):
            found.append(Finding("constant channel", "warning", records[number].file, field, records[number].index,
                                 f"{names[channel]} never changes in this episode, but does in the others",
                                 "a number that changes",
                                 f"{parts[number][0, channel]:g} throughout", "leave the episode out, or mend its sensor"))
    usual = speeds(records)
    for record in records:
        steps = np.abs(np.diff(record.state, axis=0))
        bad = np.argwhere((steps > 8 * usual) & (usual > 0))
        if len(bad):
            row, channel = bad[0]
            found.append(Finding("jump", "warning", record.file, source.state_field, record.index,
                                 f"{source.state_names[channel]} jumps after row {row}",
                                 f"steps of at most about {usual[channel]:.3g}",
                                 f"{steps[row, channel]:.3g}",
                                 "look for lost rows, two episodes in one, or a sensor that fails"))
    return found


def check_copies(records: Sequence[Record], source: Source) -> list[Finding]:
    """Episodes that are there twice, wholly or cut short."""
    found, seen, starts = list[Finding](), dict[str, int](), dict[str, tuple[int, int]]()
    everything = np.concatenate([np.concatenate([r.state[:-1], r.action], 1) for r in records])
    scale = np.where(np.isfinite(everything), everything, 0).std(0) + 1e-9
    vectors: dict[int, list[tuple[Record, ndarray]]] = {}
    for record in records:
        numbers = np.concatenate([record.state[:-1], record.action], 1)
        if not numbers.shape[1] or len(numbers) < 3:
            continue
        key = hashlib.blake2b(np.ascontiguousarray(numbers).data, digest_size=12).hexdigest()
        if key in seen:
            found.append(_copy(record, source, seen[key], "is a copy of"))
            continue
        seen[key] = record.index
        head = hashlib.blake2b(np.ascontiguousarray(numbers[:min(8, len(numbers))]).data, digest_size=12).hexdigest()
        if head in starts and np.ptp(numbers[:8], axis=0).max() > 0:
            found.append(_copy(record, source, starts[head][0], "begins as a copy of"))
            continue
        starts[head] = record.index, len(numbers)
        vectors.setdefault(len(numbers), []).append((record, numbers / scale))
    for members in vectors.values():
        nearest: dict[int, int] = {}
        for one, two in close([_samples(numbers) for _, numbers in members], NEAR):
            if two not in nearest and np.abs(members[one][1] - members[two][1]).max() < NEAR:
                nearest[two] = one
        found += [_copy(members[two][0], source, members[one][0].index, "is nearly a copy of")
                  for two, one in sorted(nearest.items())]
    return found


def _samples(numbers: Float64[ndarray, "T W"], most: int = 12) -> Float64[ndarray, "_"]:
    """A few of an episode's numbers, spread over it."""
    flat = numbers.reshape(-1)
    return flat[np.linspace(0, len(flat) - 1, min(most, len(flat))).astype(int)]


def close(points: Sequence[Float64[ndarray, "K"]], radius: float | Float64[ndarray, "E"]) -> list[tuple[int, int]]:
    """Pairs (one, two), one < two, whose points differ by at most the radius (of either) in every coordinate, in order.
    A tree finds them without looking at all pairs."""
    finite = [number for number, point in enumerate(points) if np.isfinite(point).all()]
    if len(finite) < 2:
        return []
    table = np.stack([points[number] for number in finite])
    reach = radius if isinstance(radius, float) else radius[finite]
    near = KDTree(table).query_ball_point(table, reach, p=np.inf)
    pairs = {(one, int(two)) for one, others in enumerate(near) for two in others if one != two}
    return sorted({(finite[min(pair)], finite[max(pair)]) for pair in pairs})


def check_copied_pictures(records: Sequence[Record], thumbs: Sequence[Mapping[str, ndarray]]) -> list[Finding]:
    """Episodes whose pictures are another one's, to within what a codec changes, though their numbers differ: the two
    differ by far less than what moves in one of them."""
    found = list[Finding]()
    for camera in thumbs[0]:
        films = [(number, own[camera]) for number, own in enumerate(thumbs) if len(own[camera]) >= BEGINNING]
        motion = np.array([np.abs(film - film[0]).mean() for _, film in films])
        limit = SAME_OF_FEW if len(films) * (len(films) - 1) / 2 <= FEW else SAME
        for a, b in close([_signature(film) for _, film in films], LIKE * motion):
            (one, first), (two, second) = films[a], films[b]
            length = min(len(first), len(second))
            if np.abs(first[:length] - second[:length]).mean() < limit * min(motion[a], motion[b]):
                found.append(Finding(
                    "duplicate", "error", records[two].files[camera], camera, records[two].index,
                    f"the pictures are those of episode {records[one].index}", "pictures of its own", "the same pictures",
                    "give the episode its own video back, or leave it out"))
    return found


def _signature(film: Float64[ndarray, "_ F"]) -> Float64[ndarray, "12"]:
    """Where a film is bright, in three parts of its beginning: sums over the picture with four patterns of signs, each of which
    differs between two films by no more than the pictures do on average."""
    parts = film[:BEGINNING].reshape(3, -1, film.shape[1]).mean(1)
    places = np.arange(film.shape[1])
    signs = np.stack([np.where(places * waves // film.shape[1] % 2, -1.0, 1.0) for waves in (1, 2, 8, 16)])
    return np.asarray((parts @ signs.T / film.shape[1]).reshape(-1))


def _copy(record: Record, source: Source, other: int, words: str) -> Finding:
    return Finding("duplicate", "error", record.file, source.state_field, record.index, f"the episode {words} episode {other}",
                   "another episode", "the same numbers", "leave one of the two out of training: copies leak into validation")


def check_outcomes(records: Sequence[Record], source: Source) -> list[Finding]:
    """Episodes that are solved from the start, or in which nothing happens."""
    found = []
    paths = np.array([np.abs(np.diff(r.state, axis=0)).sum() / max(len(r.state) - 1, 1) if r.state.shape[1] else np.nan
                      for r in records])
    usual = float(np.nanmedian(paths)) if np.isfinite(paths).any() else 0.0
    for record, path in zip(records, paths, strict=True):
        if record.success is not None and len(record.success) and record.success[0]:
            found.append(Finding("already solved", "warning", record.file, "next.success", record.index,
                                 "the task is solved before the first action", "an episode in which something is to be done",
                                 "solved at row 0", "leave the episode out: it teaches to do nothing"))
        if usual > 0 and path < 0.03 * usual:
            found.append(Finding("already solved", "warning", record.file, source.state_field, record.index,
                                 "the robot does not move",
                                 f"{usual:.3g} a step", f"{path:.3g} a step",
                                 "leave the episode out: it teaches to do nothing"))
    labelled = [r for r in records if r.success is not None]
    late = [r.index for r in labelled if r.success is not None and len(r.success) > 1 and r.success[:-1].any()
            and not r.success[-1]]
    if labelled and 0 < len(late) <= 0.1 * len(labelled):
        found.append(Finding("outcome", "warning", labelled[0].file, "next.success", late[0],
                             f"episodes {listing(late)} are solved and then undone", "success that lasts", "success that ends",
                             "see whether these demonstrations are good ones"))
    return found
