"""Datasets of others into episode stores, on the command line."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ..errors import WamError
from ..spec import ActionKind
from .console import print_json, progress, say
from .options import Rate, Seconds, Side


@dataclass(frozen=True)
class Import:
    """Copy a LeRobot dataset (v3.0 or v2.1), or films, into an episode store, to train on it.

    A video has no actions. It is brought to the rate and picture size of the dataset that it will be used beside (--like):
    cropped around its centre, scaled, and cut into episodes. wam train DATASETS --mix says how much of each is learned from.

    examples:
      wam data import downloads/pusht --out data/pusht --size 64 64
      wam data import downloads/arm --out data/arm --state observation.joints --instruction sentence
      wam data import phone/clips --like data/drawer --out data/clips
    """

    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")]
    """folder of the LeRobot dataset; a film, or a folder with films: videos, GIFs, folders of numbered pictures"""
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
    seconds: Seconds = 20.0
    """of videos: longer ones are cut into episodes of at most this length"""
    rate: Rate | None = None
    """of folders of pictures: how many a second"""
    size: tuple[Side, Side] | None = None
    """height and width to bring every camera to; default: the first camera's"""
    action_kind: ActionKind | None = None
    """what the actions mean; default: what the dataset says or its numbers show"""
    skip_bad: bool = False
    """leave episodes out that cannot be read, in place of an error"""
    json: bool = False
    """print a JSON document"""

    def __call__(self) -> int:
        from ..data.formats.convert import import_lerobot
        from ..data.formats.convert_video import import_videos
        from ..data.formats.films import films
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
                                     instruction=self.instruction, seconds=self.seconds, rate=self.rate, progress=tick)
            else:
                done = import_lerobot(self.source, self.out, size=self.size, action_kind=self.action_kind, state=self.state,
                                      action=self.action, instruction=self.instruction or None,
                                      skip_bad=self.skip_bad, progress=tick)
        if self.json:
            print_json({"out": self.out, "episodes": len(done.store), "skipped": dict(done.skipped),
                        "columns": done.columns, "noticed": [asdict(finding) for finding in done.noticed]})
        else:
            say(f"{len(done.store)} episodes in {self.out}, {len(done.skipped)} left out",
                *(f"  {'film' if video else 'episode'} {index}: {why}" for index, why in done.skipped))
            if done.columns:
                say("read: " + ", ".join(f"{what} from {name}" for what, name in done.columns.items()))
            for finding in done.noticed:
                say(*finding.lines())
        return 0
