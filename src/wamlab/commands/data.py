"""`wam data`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from . import data_curate as curate
from .console import print_json, progress, say
from .data_import import Import
from .data_umi import Umi
from .data_value import Value
from .label import Label
from .options import Rows

Folder = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="DATASET")]


@dataclass(frozen=True)
class Check:
    """Find what is wrong with a dataset of either kind, and what an import would change or leave behind.

    An error is data that cannot be used as they are, or mislead: the command then ends with status 2. A warning is something to
    look at; a note affects nothing here.

    examples:
      wam data check data/drawer
    """

    dataset: Folder
    """folder of an episode store or of a LeRobot dataset"""
    json: bool = False
    """print a JSON document"""

    def __call__(self) -> int:
        from ..data.check.run import check_dataset

        with progress("check") as tick:
            findings = check_dataset(self.dataset, tick)
        wrong = [finding for finding in findings if finding.severity != "note"]
        if self.json:
            print_json([asdict(finding) for finding in findings])
        else:
            say(*(part for finding in findings for part in finding.lines()),
                *([] if wrong else [f"{self.dataset}: nothing is wrong"]))
        return 2 if any(finding.severity == "error" for finding in findings) else 0


@dataclass(frozen=True)
class Export:
    """Write an episode store as a LeRobot v3.0 dataset, whole or not at all.

    examples:
      wam data export data/drawer --out exports/drawer --video lossless
    """

    source: Folder
    """folder of the episode store"""
    out: Path
    """folder of the LeRobot dataset"""
    video: Literal["h264", "av1", "lossless"] = "h264"
    """codec of the cameras; lossless: pictures in the tables"""
    json: bool = False
    """print a JSON document"""

    def __call__(self) -> int:
        from ..data.formats.convert_out import export_lerobot
        from ..data.store import EpisodeStore

        store = EpisodeStore.open(self.source)
        with progress("export") as tick:
            path = export_lerobot(store, self.out, video=self.video, progress=tick)
        print_json({"out": path, "episodes": len(store)}) if self.json else say(f"{len(store)} episodes in {path}")
        return 0


@dataclass(frozen=True)
class Info:
    """Say what a dataset of either kind holds.

    examples:
      wam data info exports/drawer
    """

    dataset: Folder
    """folder of an episode store or of a LeRobot dataset"""
    json: bool = False
    """print a JSON document"""

    def __call__(self) -> int:
        from ..data.formats.convert import describe
        from ..data.kinds import is_store
        from . import show

        facts = show.dataset(self.dataset) if is_store(self.dataset) else describe(self.dataset)
        print_json(facts) if self.json else show.lines(facts)
        return 0


@dataclass(frozen=True)
class View:
    """Write a page that plays episodes, with their actions and states drawn beside. It opens offline.

    examples:
      wam data view data/drawer
      wam data view exports/drawer --episodes 0 5 7 --out drawer.html
    """

    dataset: Folder
    """folder of an episode store or of a LeRobot dataset"""
    out: Path = Path("episodes.html")
    """file to write"""
    episodes: tuple[Rows, ...] = ()
    """which; default: the first ten"""
    json: bool = False
    """print a JSON document"""

    def __call__(self) -> int:
        from ..report.browse import browse_dataset

        shown = browse_dataset(self.dataset, self.out, self.episodes)
        print_json({"out": self.out,
                    "episodes": shown}) if self.json else say(f"{len(shown)} episodes: open {self.out} in a browser")
        return 0


@dataclass(frozen=True)
class Recover:
    """Finish a recording whose recorder died: saved episodes are completed, an open one is kept up to its last whole row.

    A table or description that is missing or damaged is made again from the data and videos. What belongs to no saved episode
    moves to recording/aside/ in the dataset; nothing is removed. Each such step is said in a line of its own.

    examples:
      wam data recover data/teleop
    """

    dataset: Folder
    """folder of the recording"""
    json: bool = False
    """print a JSON document"""

    def __call__(self) -> int:
        from ..data.recorder_recovery import recover

        done = recover(self.dataset)
        kept = ", ".join(f"{rows} rows as episode {index}" for index, rows in done.salvaged) or "none"
        text = f"completed: {len(done.completed)}; kept of open episodes: {kept}; empty: {done.dropped}"
        print_json(asdict(done)) if self.json else say(text, *done.said)
        return 0


@dataclass(frozen=True)
class Command:
    """Check, play, filter, weigh or value datasets, move one between episode stores and LeRobot's format, bring in recordings
    of a hand-held gripper, label video, recover a recording.

    Every action has --json. `wam data ACTION --help` says more.

    examples:
      wam data check data/drawer
      wam data import downloads/pusht --out data/pusht --size 64 64
      wam data import phone/clips --like data/drawer --out data/clips
      wam data export data/drawer --out exports/drawer
      wam data umi recordings/kitchen --robot metaworld/push --out data/kitchen
      wam data view data/drawer
      wam data label data/video data/labelled --by inverse --known data/demos
      wam data filter data/drawer data/drawer-good --keep 0.7
      wam data weigh data/drawer data/plate --out weights/both
      wam data value data/drawer data/plate --out values/both --steps 400
    """

    action: (Annotated[Check, tyro.conf.subcommand("check", prefix_name=False)]
             | Annotated[Import, tyro.conf.subcommand("import", prefix_name=False)]
             | Annotated[Umi, tyro.conf.subcommand("umi", prefix_name=False)]
             | Annotated[Export, tyro.conf.subcommand("export", prefix_name=False)]
             | Annotated[Info, tyro.conf.subcommand("info", prefix_name=False)]
             | Annotated[View, tyro.conf.subcommand("view", prefix_name=False)]
             | Annotated[Label, tyro.conf.subcommand("label", prefix_name=False)]
             | Annotated[curate.Filter, tyro.conf.subcommand("filter", prefix_name=False)]
             | Annotated[curate.Weigh, tyro.conf.subcommand("weigh", prefix_name=False)]
             | Annotated[Value, tyro.conf.subcommand("value", prefix_name=False)]
             | Annotated[Recover, tyro.conf.subcommand("recover", prefix_name=False)])

    def __call__(self) -> int:
        return self.action()
