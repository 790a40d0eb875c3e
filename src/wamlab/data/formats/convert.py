"""LeRobot datasets to episode stores and back.

A LeRobot episode of N rows has N observations and N actions; an Episode has T = N - 1 actions and N observations. The
action of the last row leads beyond the last observation: on import it is kept in the episode's `meta`, with what the row
says came of it; on export the last row repeats it or, where there was none, the last action (`wam.imitate` is False there,
and `next.done` True).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...errors import DataError
from ...reading import PIXELS, whole
from ...spec import ActionKind
from ..check.finding import Finding
from ..check.sums import check_sums
from ..check.videos import check_videos
from ..store import EpisodeStore
from .begin import Begun, existing, one_at_a_time
from .chosen import Chosen, choose
from .episodes import read_episode
from .index import digest
from .lerobot import LeRobot
from .noticed import Noticed
from .sidecar import SUMS, Sidecar, read_sidecar
from .strays import stray_files
from .survey import fit_spec, survey

Progress = Callable[[int, int], None]
SIDE = 16_384
"""pixels of the longest side that pictures are brought to"""


@dataclass(frozen=True)
class Imported:
    """What an import did."""

    store: EpisodeStore
    skipped: tuple[tuple[int, str], ...]
    """episodes that are not in the store, and why"""
    noticed: tuple[Finding, ...] = ()
    """what was changed, left behind or found elsewhere; a check of the source says the same"""
    columns: Mapping[str, str] | None = None
    """what was read as what"""


@one_at_a_time
def import_lerobot(source: str | Path, target: str | Path, *, size: tuple[int, int] | None = None,
                   action_kind: ActionKind | None = None, action: str | None = None, state: str | None = None,
                   instruction: str | None = None, skip_bad: bool = False, progress: Progress | None = None) -> Imported:
    """Copy a LeRobot dataset into an episode store; episodes that are there already are left as they are.

    Args:
        size: height, width to resize every camera to; None keeps the first camera's.
        action_kind: what the actions mean; None: what the dataset says, else what its numbers show (`semantics`).
        action, state: the columns with actions and proprioception; None: those of the usual names; state "none": nothing.
        instruction: a column with each row's instruction, or one sentence for all; None: the tasks of the rows.
        skip_bad: leave episodes out that cannot be read, in place of an error. Limits and statistics are of the others.

    Raises:
        DataError, SpecError: if the dataset is damaged or unsafe, no column has a name that is known, or the store was made
            otherwise or of another dataset. Nothing is written before an episode is ready.
    """
    if size and (any(whole(side, "--size", 1, SIDE) < 1 for side in size) or size[0] * size[1] > PIXELS):
        raise DataError("the pictures would be too large", where="--size", expected=f"at most {PIXELS} pixels", got=size)
    dataset, target = LeRobot.open(source), Path(target)
    changed = [one for one in check_sums(dataset.root) if Path(one.file).exists()]  # a reader misses itself what it needs
    if changed and not skip_bad:
        first = changed[0]
        raise DataError(first.problem, where=first.file, expected=first.expected, got=first.got,
                        fix=f"{first.fix}; or, if it was changed on purpose, move {SUMS} out of the dataset; "
                            "or take what can be read with --skip-bad")
    sidecar = read_sidecar(dataset.root)
    chosen = choose_columns(dataset, sidecar, action=action, state=state, instruction=instruction)
    origin, earlier = same_origin(dataset, target)
    noticed, own = Noticed(dataset, chosen, sidecar is not None), sidecar is not None
    bad: dict[int, DataError | str] = dict(earlier)
    if sidecar:
        spec, renderer, seen = sidecar.task_spec, sidecar.renderer, None
        fit_spec(spec, dataset.info, chosen)
        if size is not None and size != spec.image_size:  # resized pictures are not what the renderer drew
            spec, renderer = replace(spec, image_size=size), f"{renderer}@{size[0]}x{size[1]}"
    else:
        seen = survey(dataset, chosen, noticed, without=bad)
        bad |= seen.bad
        if seen.bad and not skip_bad:
            raise refused(*next(iter(seen.bad.items())))
        spec, renderer = seen.spec(size, action_kind), f"lerobot-{dataset.info.robot_type or 'camera'}"
        noticed.meaning = None if action_kind else spec.action.kind
    provenance: dict[str, Any] = {"source": "lerobot", "name": dataset.root.resolve().name, "version": dataset.info.version,
                  "robot": dataset.info.robot_type, "action_kind": spec.action.kind, **origin}
    provenance |= {} if own or chosen.usual else {"columns": chosen.said()}
    store = Begun(target, spec, renderer, provenance | ({"left_out": earlier} if earlier else {}))
    for done, index in enumerate(dataset.indices()):
        if index not in bad and not store.has(index):
            try:
                episode = read_episode(dataset, index, spec, sidecar, chosen, noticed if own else None)
            except DataError as error:
                if not skip_bad:
                    raise refused(index, error) from error
                bad[index] = error
            else:
                store.put(index, replace(episode, meta={**episode.meta, "renderer": renderer}))
        if progress:
            progress(done + 1, len(dataset))
    skipped = {index: why if isinstance(why, str) else f"{why.problem} ({why.where})" for index, why in sorted(bad.items())}
    made = store.finished("; ".join(list(skipped.values())[:1]))
    if seen and len(skipped) > len(earlier):
        store.restate(seen.spec(size, action_kind, without=skipped),
                      provenance | {"left_out": {str(index): why for index, why in skipped.items()}})
        made = store.finished()
    again = {index: f"{why}; it was left out when the store was made" for index, why in earlier.items()}
    said = (*changed, *noticed.findings(), *stray_files(dataset), *check_videos(dataset, dataset.matched))
    return Imported(made, tuple((skipped | again).items()), said, chosen.said())


def choose_columns(dataset: LeRobot, sidecar: Sidecar | None, *, action: str | None = None, state: str | None = None,
                   instruction: str | None = None) -> Chosen:
    """The columns that are read, as `choose`; a dataset of this project says itself whether it has a state."""
    return choose(dataset.info, str(dataset.root / "meta/info.json"), action=action, state=state, instruction=instruction,
                  stateless=sidecar is not None and not sidecar.task_spec.state)


def refused(index: int, error: DataError) -> DataError:
    """An episode's error as that of the import."""
    return DataError(f"episode {index} cannot be imported: {error.problem}", where=error.where, expected=error.expected,
                     got=error.got, fix=error.fix or "repair it, or leave such episodes out with --skip-bad")


def same_origin(dataset: LeRobot, target: Path) -> tuple[dict[str, str], dict[int, str]]:
    """What a store says of the dataset that it comes from: its digest; nothing for a store that was made before there was one.
    And the episodes that were left out when it was made, which stay out: limits were taken without them.

    Raises:
        DataError: if the store at `target` comes from another dataset.
    """
    found = digest(dataset.root, dataset.info)
    there = existing(target)
    if there is None:
        return {"digest": found}, {}
    made = there.provenance
    said = made.get("left_out")
    earlier = {int(index): str(why) for index, why in said.items() if index.isdigit()} if isinstance(said, dict) else {}
    if made.get("source") == "lerobot" and "digest" not in made:
        return {}, earlier
    if made.get("source") == "lerobot" and made["digest"] != found:
        raise DataError("the store here was imported from another dataset, or from this one before it changed",
                        where=target, expected=f"the dataset of digest {made['digest']}",
                        got=f"{found} ({dataset.root})", fix="choose another --out")
    return {"digest": found}, earlier


def describe(path: Path) -> dict[str, Any]:
    """What a LeRobot dataset says it holds, for people; None is what it does not say."""
    dataset = LeRobot.open(path)
    sidecar = read_sidecar(dataset.root)
    info = dataset.info
    said = {name: {"type": feature.dtype, "shape": list(feature.shape), "names": list(feature.names) or None} for name,
            feature in info.features.items()}
    lengths = [row.length for row in dataset.rows]
    outcome = "in the column next.success" if "next.success" in info.columns else "unknown"
    return {"kind": f"LeRobotDataset {info.version}", "robot": info.robot_type, "episodes": len(dataset),
            "frames": sum(lengths), "seconds": sum(lengths) / info.fps, "fps": info.fps, "longest": max(lengths, default=0),
            "shortest": min(lengths, default=0), "solved": outcome,
            "units": list(sidecar.task_spec.action.units) if sidecar else None,
            "action_kind": sidecar.task_spec.action.kind if sidecar else None,
            "tasks": [dataset.tasks[number] for number in sorted(dataset.tasks)], "features": json.loads(json.dumps(said))}
