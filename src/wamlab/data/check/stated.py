"""Statistics that a LeRobot dataset states, against its data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from numpy import ndarray

from ...errors import WamError
from ...reading import read_json, table
from ..formats.features import NUMBERS
from ..formats.index import statistics_columns
from ..formats.lerobot import LeRobot
from ..formats.lerobot_write import Tally
from ..formats.statistics import differing
from .finding import Finding, Severity, from_error, listing

FIX = "write them again from all data: wam data import, then wam data export"


class Stated:
    """Counts episodes in as they are read; then compares with what the dataset states."""

    def __init__(self, dataset: LeRobot):
        self.dataset = dataset
        features = dataset.info.features.items()
        self.features = {name: feature for name, feature in features if feature.dtype in NUMBERS or
                         (feature.picture and not feature.depth)}
        self.tally, self.own, self.whole = Tally(self.features), dict[int, dict[str, dict[str, Any]]](), True

    def add(self, index: int, columns: Mapping[str, ndarray], frames: Mapping[str, ndarray]) -> None:
        """Count an episode in. Where one is left out, nothing follows from the rest: set `whole` to False."""
        self.own[index] = self.tally.add(columns, frames)

    def findings(self) -> list[Finding]:
        """`meta/stats.json` and, in version 3.0, the statistics per episode."""
        root, file, found = self.dataset.root, "meta/stats.json", list[Finding]()
        if not self.whole or not self.own:
            return []
        new = self.dataset.info.version == "v3.0"
        if not (root / file).exists():
            found.append(Finding("statistics", "note", str(root / file), "", None, "there are no statistics of all data",
                                 "a file", "nothing", FIX))
        else:
            try:
                said = table(read_json(root, file), str(root / file))
                found += _compare(said, self.tally.total(), self.dataset, str(root / file), None)
            except WamError as error:
                found.append(replace(from_error("statistics", error), severity="warning"))
        try:
            stated = statistics_columns(root) if new else {}
        except WamError as error:
            return [*found, replace(from_error("statistics", error), severity="warning")]
        wrong: dict[str, list[Finding]] = {}
        for index, wanted in self.own.items():
            ones = _compare(stated[index], wanted, self.dataset, self.dataset.row(index).source,
                            index) if stated.get(index) else []
            for one in ones:
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
            found.append(Finding("statistics", "note", file, prefix + name, episode, "there are no statistics of this feature",
                                 "min, max, mean, std", "nothing", FIX))
            continue
        wrong = differing(stated, values, dataset.info.features[name].picture)
        if wrong:
            statistic, got, right = wrong
            # models here are normalised by statistics of their own. Other tools normalise vectors by these; those of pictures
            # are wrong in whatever some versions of the official library wrote, and hardly used
            severity: Severity = "note" if dataset.info.features[name].picture else "warning"
            found.append(Finding("statistics", severity, file, f"{prefix}{name}.{statistic}", episode,
                                 "the statistics are not those of the data", _brief(right), _brief(got), FIX))
    return found


def _brief(value: Any) -> str:
    return str(value)[:120]
