"""Statistics that a LeRobot dataset states, against its data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...errors import WamError
from ..formats.features import NUMBERS
from ..formats.index import statistics_columns
from ..formats.lerobot import LeRobot
from ..formats.lerobot_write import Tally
from ..formats.safety import read_json, table
from ..formats.statistics import differing
from .finding import Finding, from_error, listing

FIX = "write them again from all data: wam data import, then wam data export"


def check_statistics(dataset: LeRobot) -> list[Finding]:
    """`meta/stats.json` and, in version 3.0, the statistics per episode. Reads all data once more."""
    root, info, found = dataset.root, dataset.info, list[Finding]()
    counted = {name: feature for name, feature in info.features.items() if feature.dtype in NUMBERS or
               (feature.picture and not feature.depth)}
    tally = Tally(counted)
    own: dict[int, dict[str, dict[str, Any]]] = {}
    for index in dataset.indices():
        try:
            columns = dataset.columns(index, [name for name in counted if name in info.columns])
            frames = {name: dataset.frames(index, name) for name, feature in counted.items() if feature.picture}
        except WamError:
            return []  # what cannot be read is reported elsewhere, and no statistics follow from a part
        own[index] = tally.add(columns, frames)
    if not own:
        return []
    file = "meta/stats.json"
    if info.version == "v3.0" or (root / file).exists():
        try:
            said = table(read_json(root, file), str(root / file))
        except WamError as error:
            said, found = {}, [from_error("statistics", error)]
        found += _compare(said, tally.total(), dataset, str(root / file), None) if said else []
    if info.version == "v3.0":
        try:
            stated = statistics_columns(root)
        except WamError as error:
            return [*found, from_error("statistics", error)]
        wrong: dict[str, list[Finding]] = {}
        for index, wanted in own.items():
            for one in _compare(stated[index], wanted, dataset, dataset.row(index).source, index) if stated.get(index) else ():
                wrong.setdefault(one.field, []).append(one)
        for ones in wrong.values():  # one finding per field, however many episodes
            others = f"; also in episodes {listing(one.episode for one in ones[1:])}" if len(ones) > 1 else ""
            found.append(replace(ones[0], problem=ones[0].problem + others))
    return found


def _compare(said: dict[str, Any], wanted: dict[str, dict[str, Any]], dataset: LeRobot, file: str,
             episode: int | None) -> list[Finding]:
    found = []
    prefix = "" if episode is None else "stats/"
    for name, values in wanted.items():
        stated = said.get(name)
        if not isinstance(stated, dict):
            found.append(Finding("statistics", "error", file, prefix + name, episode, "there are no statistics of this feature",
                                 "min, max, mean, std", "nothing", FIX))
            continue
        wrong = differing(stated, values, dataset.info.features[name].picture)
        if wrong:
            statistic, got, right = wrong
            found.append(Finding("statistics", "error", file, f"{prefix}{name}.{statistic}", episode,
                                 "the statistics are not those of the data", _brief(right), _brief(got), FIX))
    return found


def _brief(value: Any) -> str:
    return str(value)[:120]
