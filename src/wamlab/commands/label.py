"""Labels for video: `wam data label VIDEO OUT --by latent`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from ..errors import WamError
from .console import print_json, progress, say
from .options import Count, Seed


@dataclass(frozen=True)
class Label:
    """Give a video labels to learn from: pseudo-actions or latent actions, in a new store that says so.

    inverse: a small network learns from --known (a store of the same robot with true actions) which action lies between two
    frames, and names the actions of VIDEO in the same units. It prints its error on episodes of --known that it did not see,
    beside the error of always saying the mean action and the error with exchanged frames: if they are alike, it has learned
    nothing.

    latent: what must be said beside the first frame to predict the second one, learned from VIDEO alone: 8 numbers, or codes
    (--kind discrete). Such actions have no unit; a policy or world model is trained on them first and then, with few true
    actions, on the robot's. Where something else moves in the picture (a background, a camera), pictures alone do not say
    what an action is: give the few episodes with true actions that there are as --known, and they join the training.

    It prints how many codes are in use and how much of the change between the frames stays unexplained with them, with
    exchanged ones and with a single one; and warns if they say nothing.

    What VIDEO's own actions say, if it has any, is not learned from; how much labels tell of them is
    measured. The labeller lies in OUT/labeller; a stopped run goes on.

    examples:
      wam data label data/video data/video-labelled --by inverse --known data/demos
      wam data label data/video data/video-latent --by latent --kind discrete
      wam data label data/video data/video-latent --by latent --known data/few
    """

    video: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="VIDEO")]
    """folder of the episode store whose frames are labelled"""
    out: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")]
    """folder of the new episode store"""
    by: Literal["inverse", "latent"]
    """what the labels are"""
    known: Path | None = None
    """episode store with true actions: needed for inverse, a help for latent"""
    kind: Literal["continuous", "discrete"] = "continuous"
    """of latent actions"""
    gap: Count = 1
    """control steps between the two frames that a label is read from"""
    steps: Count | None = None
    """training steps; default: 400"""
    play: bool = False
    """VIDEO shows play, no demonstrations: its labels teach dynamics and are not imitated"""
    seed: Seed = 0
    """of the labeller's training"""
    json: bool = False
    """print a JSON document"""

    def __call__(self) -> int:
        from ..data.atomic import make_folder
        from ..data.store import EpisodeStore
        from ..labels.store import label_store

        self.check()
        video = EpisodeStore.open(self.video)
        known = None if self.known is None else EpisodeStore.open(self.known)
        make_folder(self.out)  # before anything is trained
        labeller = self.inverse(video, known) if self.by == "inverse" else self.latent(video, known)
        with progress("write labels") as tick:
            store = label_store(video, self.out, labeller, imitate=not self.play, progress=tick)
        about: dict[str, Any] = store.provenance["label"]
        if self.json:
            print_json({"out": self.out, "episodes": len(store), **about})
        else:
            say(f"{len(store)} episodes with labels by {self.by} in {self.out}",
                *(f"  {name}: {value:.3g}" if isinstance(value, float) else f"  {name}: {value}"
                  for name, value in about.items() if name != "warning"))
        if "warning" in about:
            say(f"warning: {about['warning']}", stderr=True)
        return 0

    def check(self) -> None:
        """Raises WamError for options that do not go together, before anything is trained."""
        from ..data.store import EpisodeStore

        if self.by == "inverse" and self.kind != "continuous":
            raise WamError("pseudo-actions have no kind", where="--kind", expected="--by latent with it", got="--by inverse",
                           fix="leave --kind away, or label with --by latent")
        if (self.out / "dataset.json").exists() and EpisodeStore.open(self.out).provenance.get("source") != "label":
            raise WamError("OUT holds a dataset that is not one of labels", where=self.out, expected="a new folder",
                           got="episodes of another origin", fix="choose another folder")

    def inverse(self, video: Any, known: Any) -> Any:
        """A labeller that has learned from the known actions."""
        from ..labels.inverse import InverseConfig, train_inverse
        from ..labels.pairs import pairs_from
        from ..labels.store import inverse_labeller

        if known is None:
            raise WamError("inverse dynamics are learned from known actions", where="--known",
                           expected="an episode store of the same robot", got="none",
                           fix="give one, or label without actions: --by latent")
        size, learned_at = video.task_spec.image_size, known.task_spec.image_size
        if size != learned_at:
            raise WamError("the video's pictures are of another size than the known ones", where="--known", expected=size,
                           got=learned_at, fix="collect or import both with the same --size")
        config = InverseConfig(gaps=(self.gap, self.gap + 1))
        config = replace(config, training=replace(config.training, steps=self.steps or config.training.steps))
        with progress("learn inverse dynamics") as tick:
            learned = train_inverse(pairs_from([known], config.gaps), config, seed=self.seed, folder=self.out / "labeller",
                                    progress=tick)
        return inverse_labeller(learned, known.task_spec.action)

    def latent(self, video: Any, known: Any) -> Any:
        """A labeller that has learned from the video, and from the known actions if there are any."""
        from ..labels.bottleneck import Continuous, Discrete
        from ..labels.latent import LatentConfig
        from ..labels.latent_training import train_latent
        from ..labels.pairs import pairs_from
        from ..labels.quality.report import latent_report
        from ..labels.store import latent_labeller

        config = LatentConfig(Continuous() if self.kind == "continuous" else Discrete(), gap=self.gap,
                              supervision=0.0 if known is None else 1.0)
        config = replace(config, training=replace(config.training, steps=self.steps or config.training.steps))
        pairs = pairs_from([video] if known is None else [video, known], (self.gap,))
        unknown = pairs.episode < len(video)
        with progress("learn latent actions") as tick:
            learned = train_latent(pairs.without_labels(unknown), config, seed=self.seed, folder=self.out / "labeller",
                                   progress=tick)
        with progress("measure labels") as tick:
            found = latent_report(learned, pairs.rows(unknown), self.seed)
            tick(1, 1)
        return latent_labeller(learned, found)
