"""`wam data`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ..errors import WamError
from ..reading import shown
from ..spec import ActionKind
from . import data_curate as curate
from .console import print_json, progress
from .data_umi import Umi
from .data_value import Value
from .label import Label

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
            print("\n".join([*map(str, findings), *([] if wrong else [f"{self.dataset}: nothing is wrong"])]))
        return 2 if any(finding.severity == "error" for finding in findings) else 0


@dataclass(frozen=True)
class Import:
    """Copy a LeRobot dataset (v3.0 or v2.1), or videos, into an episode store, to train on it.

    A video has no actions. It is brought to the rate and picture size of the dataset that it will be used beside (--like):
    cropped around its centre, scaled, and cut into episodes. wam train DATASETS --mix says how much of each is learned from.

    examples:
      wam data import downloads/pusht --out data/pusht --size 64 64
      wam data import downloads/arm --out data/arm --state observation.joints --instruction "open the drawer"
      wam data import phone/clips --like data/drawer --out data/clips
    """

    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")]
    """folder of the LeRobot dataset; a video, or a folder with videos"""
    out: Path
    """folder of the episode store; a stopped import goes on"""
    like: Path | None = None
    """of videos: the dataset that they will be used beside"""
    instruction: str = ""
    """what is done, for all episodes; or the column with the instruction of each row. Default: the tasks of the rows; of
    videos: the instruction of --like"""
    state: str | None = None
    """column with the state; none: there is none. Default: observation.state or state"""
    action: str | None = None
    """column with the actions; default: action or actions"""
    seconds: float = 20.0
    """of videos: longer ones are cut into episodes of at most this length"""
    size: tuple[int, int] | None = None
    """height and width to bring every camera to; default: the first camera's"""
    action_kind: ActionKind | None = None
    """what the actions mean; default: what the dataset says or its numbers show"""
    skip_bad: bool = False
    """leave episodes out that cannot be read, in place of an error"""
    json: bool = False
    """print a JSON document"""

    def __call__(self) -> int:
        from ..data.formats.convert import import_lerobot
        from ..data.formats.convert_video import films, import_videos
        from ..data.store import EpisodeStore

        if (self.source / "dataset.json").exists():
            raise WamError("this is an episode store already", where=self.source, expected="a LeRobot dataset, or videos",
                           got="dataset.json", fix="train on it as it is; wam data filter copies a part of it")
        video = not (self.source / "meta").is_dir() and bool(films(self.source))
        if video and (self.like is None or self.size or self.action_kind or self.state or self.action):
            raise WamError("a video says nothing about rate, size, actions and states", where="--like", got="video",
                           expected="the dataset that it will be used beside, and no --size, --action-kind, --state, --action",
                           fix="add --like DATASET")
        with progress("import") as tick:
            if video and self.like is not None:
                done = import_videos(self.source, self.out, EpisodeStore.open(self.like).task_spec, skip_bad=self.skip_bad,
                                     instruction=self.instruction, seconds=self.seconds, progress=tick)
            else:
                done = import_lerobot(self.source, self.out, size=self.size, action_kind=self.action_kind, state=self.state,
                                      action=self.action, instruction=self.instruction or None,
                                      skip_bad=self.skip_bad, progress=tick)
        if self.json:
            print_json({"out": self.out, "episodes": len(done.store), "skipped": dict(done.skipped),
                        "columns": done.columns, "noticed": [asdict(finding) for finding in done.noticed]})
        else:
            print(f"{len(done.store)} episodes in {self.out}, {len(done.skipped)} left out")
            for index, why in done.skipped:
                print(f"  {'film' if video else 'episode'} {index}: {shown(why)}")
            if done.columns:
                print("read: " + ", ".join(f"{what} from {shown(name)}" for what, name in done.columns.items()))
            for finding in done.noticed:
                print(finding)
        return 0


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
        print_json({"out": path, "episodes": len(store)}) if self.json else print(f"{len(store)} episodes in {path}")
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
    episodes: tuple[int, ...] = ()
    """which; default: the first ten"""
    json: bool = False
    """print a JSON document"""

    def __call__(self) -> int:
        from ..report.browse import browse_dataset

        shown = browse_dataset(self.dataset, self.out, self.episodes)
        print_json({"out": self.out,
                    "episodes": shown}) if self.json else print(f"{len(shown)} episodes: open {self.out} in a browser")
        return 0


@dataclass(frozen=True)
class Recover:
    """Finish a recording whose recorder died: saved episodes are completed, an open one is kept up to its last whole row.

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
        print_json(asdict(done)) if self.json else print(text)
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
