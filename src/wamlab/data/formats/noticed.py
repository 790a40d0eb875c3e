"""What an import changes, leaves behind or finds elsewhere. Import and check say it in the same words, from here."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy import ndarray

from ...reading import shown
from ...spec import ActionKind
from ..check.finding import Finding, Severity, listing
from .chosen import NONE, Chosen, surplus
from .lerobot import LeRobot
from .outcome import only_at_the_end, success_of
from .strays import unlisted_rows

HELD = tuple(map(np.dtype, ("bool", "int8", "uint8", "int16", "uint16", "float16", "float32")))
"""types whose every number fits into 32 bits of floating point"""
ROUNDED = 1e-3
"""share of a channel's range that may be lost when it is kept in 32 bits"""


class Noticed:
    """Collects over the episodes; then says it, a line for each kind."""

    def __init__(self, dataset: LeRobot, chosen: Chosen, own: bool):
        self.dataset, self.chosen, self.own = dataset, chosen, own
        self.only_last: list[int] = []
        self.unknown: list[int] = []
        self.rounded: dict[str, list[int]] = {}
        self.meaning: ActionKind | None = None
        """what the actions were taken for, where nobody said it"""

    def episode(self, index: int, columns: Mapping[str, ndarray]) -> None:
        """Look at an episode's columns. Raises DataError for an outcome that is none."""
        length = len(columns[self.chosen.action])
        success = success_of(columns, length, False, str(self.dataset.root / self.dataset.row(index).data))
        if success is None:
            self.unknown.append(index)
        elif not self.own and only_at_the_end(columns):
            self.only_last.append(index)
        for name in filter(None, (self.chosen.state, self.chosen.action)):
            if columns[name].dtype not in HELD and not _fits(columns[name].reshape(length, -1)):
                self.rounded.setdefault(name, []).append(index)

    def findings(self) -> list[Finding]:
        info, chosen, found = self.dataset.info, self.chosen, list[Finding]()
        file = str(self.dataset.root / "meta/info.json")

        def say(field: str, problem: str, expected: str, got: str, fix: str, severity: Severity = "note",
                episode: int | None = None, where: str = file) -> None:
            found.append(Finding("import", severity, where, field, episode, problem, expected, got, fix))

        for index, path in self.dataset.parts.elsewhere.items():
            say("data/file_index", "the table of episodes names a file that does not hold the episode's rows; they were found "
                "by episode_index", str(path), str(self.dataset.row(index).data), "keep all data files: wam data import reads "
                "the rows from where they are, wam data export then writes the table anew",
                "warning", index, self.dataset.row(index).source)
        found += unlisted_rows(self.dataset)
        for name, episodes in self.rounded.items():
            say(f"features.{name}", f"32 bits do not hold the numbers of {name}: more than a thousandth of its range is "
                f"lost in episodes {listing(episodes)}", "numbers that 32 bits hold", info.features[name].dtype,
                "subtract what is common to all rows, or choose another column", "warning", episodes[0])
        for camera in dict.fromkeys(camera for camera, _ in self.dataset.lost):
            lost = {index: one for (name, index), one in sorted(self.dataset.lost.items()) if name == camera}
            for what, counts in (("rounded to whole millimetres", {index: one.rounded for index, one in lost.items()}),
                                 ("clipped to 0 to 65.535 m", {index: one.clipped for index, one in lost.items()})):
                if any(counts.values()):
                    touched = [index for index, count in counts.items() if count]
                    say(f"features.{camera}", f"depth is {what} in episodes {listing(touched)}",
                        "whole millimetres from 0 to 65.535 m",
                        f"{sum(counts.values())} of {sum(one.pixels for one in lost.values())} pixels are not",
                        "nothing, if that is fine enough and far enough", "warning", touched[0])
        if chosen.state is None and not self.own:
            say("features", "there is no proprioception: the state has no numbers", "a column of numbers", NONE,
                "--state COLUMN takes a column as the state")
        if self.meaning:
            other = "delta" if self.meaning == "absolute" else "absolute"
            say(f"features.{chosen.action}", "nobody said what the actions mean: it was read off their numbers",
                "delta (by how much), relative or absolute (where to)", self.meaning, f"nothing, or --action-kind {other}")
        left = surplus(info, chosen, self.own)
        if left:
            say("features", f"an import leaves {len(left)} columns behind: {listing(map(shown, left), 20)}",
                ", ".join(chosen.said().values()), listing((f"{shown(name)} ({what})" for name, what in left.items()), 20),
                "--state, --action or --instruction takes one of them instead")
        if self.only_last:
            say("next.success", "success stands in the last row alone: it counts as that of the last observation, in "
                f"{len(self.only_last)} episodes: {listing(self.only_last)}", "success at the row that leads to it",
                "success in the last row", "", episode=self.only_last[0])
        if self.unknown:
            every = len(self.unknown) >= len(self.dataset)
            say("next.success", "whether the task was solved is unknown in " +
                ("every episode" if every else f"{len(self.unknown)} episodes: {listing(self.unknown)}"),
                "true or false in every row", "nothing" if "next.success" not in info.columns else "unknown",
                "unknown is not unsolved: nothing learns from it, and no share of solved episodes counts them")
        return found


def _fits(values: ndarray) -> bool:
    """Whether 32 bits hold numbers of 64 well enough."""
    wide = values.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        lost = np.abs(wide - wide.astype(np.float32)).max(0)
        spread = np.ptp(wide, axis=0)
        noise = spread <= 1e-12 * np.abs(wide).max(0)  # a constant, to within the rounding of whoever computed it
        return bool((noise | (lost <= ROUNDED * spread)).all())
