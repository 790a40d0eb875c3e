"""`wam imagine`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
import tyro
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from ..control.sensing import check_senses, observation_at, signals_of
from ..data.atomic import make_folder, replacing
from ..data.store import EpisodeStore
from ..errors import WamError
from ..evaluate.metrics.visual import psnr, squared_error
from ..learn.checkpoint import read_header
from ..learn.diagnosis import unlike
from ..models.base import WorldActionModel
from ..report.media import beside, enlarge
from ..spec import check
from ..types import Context, Episode, Given, Prediction, as_image
from .acting import model_of
from .console import print_json, say
from .options import Rows, Seed


def context_at(model: WorldActionModel, episode: Episode, step: int) -> Context:
    """What the model would have seen at an episode's step; before the start the first observation is repeated."""
    steps = np.maximum(np.arange(step - model.history + 1, step + 1), 0)
    frames = episode.frames[model.task_spec.cameras[0]][steps]
    return Context(torch.from_numpy(frames).movedim(-1, -3)[None].contiguous(),
                   torch.from_numpy(episode.state[steps])[None], (episode.instruction_at(step),),
                   torch.tensor([episode.has_state]),
                   signals_of(model.needs, lambda back: observation_at(episode, max(step + back, 0)), torch.device("cpu")))


def recorded(model: WorldActionModel, episode: Episode, step: int) -> Given:
    """The actions that were really taken from a step on; past the end the last one is repeated. Raises WamError for a video."""
    assert episode.has_action is not None
    steps = np.minimum(np.arange(step, step + model.chunk), len(episode) - 1)
    if not episode.has_action[steps].all():
        raise WamError("the actions of this moment are unknown", where="--actions recorded", expected="recorded actions",
                       got="video without actions", fix="choose --actions none (or own)")
    return Given(action=torch.from_numpy(episode.action[steps])[None])


def ask(model: WorldActionModel, episode: Episode, step: int, actions: str, seed: int) -> Prediction:
    """Imagine under the recorded actions, under the model's own, or without any. Raises Unanswerable."""
    context = context_at(model, episode, step)
    with torch.inference_mode():
        if actions == "recorded":
            return model.predict(context, recorded(model, episode, step), {"future"}, [seed])
        return model.predict(context, None, {"future", "action"} if actions == "own" else {"future"}, [seed])


def strip(now: UInt8[ndarray, "h w 3"], imagined: UInt8[ndarray, "F h w 3"], true: UInt8[ndarray, "F h w 3"],
          factor: int = 3) -> UInt8[ndarray, "H W 3"]:
    """Above: now and the imagined frames; below: now and the true ones."""
    return enlarge(np.concatenate([beside([now, *imagined]), beside([now, *true])]), factor)


@dataclass(frozen=True)
class Command:
    """Let a model imagine from a recorded moment and write a picture: imagined frames above, true ones below.

    --actions recorded asks the model as a world model: what will happen under the actions that were taken?
    --actions own asks it to imagine and act: its future may then differ because it would act differently.
    --actions none asks for the video alone, which is all that can be asked where the actions are unknown.

    examples:
      wam imagine runs/small/uwm/model --data runs/small/data/drawer --episode 3 --step 10
      wam imagine checkpoints/uwm/model --data data/drawer --actions own --out own.png --json
    """

    checkpoint: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="CHECKPOINT")]
    """folder of a trained model (wam train)"""
    data: Path
    """dataset with the recorded moment"""
    episode: Rows = 0
    """index of the episode"""
    step: Rows = 0
    """control step within it"""
    actions: Literal["recorded", "own", "none"] = "recorded"
    """which actions the future is imagined for"""
    seed: Seed = 0
    """noise of the imagination"""
    recipe: str | None = None
    """file of the recipe, where it is not part of the package"""
    out: Path = Path("imagined.png")
    """the picture"""
    json: bool = False
    """print a JSON document"""

    def __call__(self) -> None:
        kind = Image.registered_extensions().get(self.out.suffix.lower())
        if kind not in Image.SAVE:
            raise WamError("pictures of this kind cannot be written", where="--out", expected="a name that ends in .png, .jpg "
                           "or .webp", got=self.out.name)
        model, store = model_of(self.checkpoint, self.recipe), EpisodeStore.open(self.data)
        check(store.task_spec, model.task_spec)
        sample = [store.load(index, frames=False) for index in store.indices()[:50]]
        for line in unlike(read_header(self.checkpoint), sample, model.task_spec):
            say(f"note: unlike the data of training: {line}", stderr=True)
        episode = store[self.episode]
        check_senses(model.needs, observation_at(episode, 0), model.task_spec)
        if not 0 <= self.step < len(episode):
            raise WamError("there is no such step", where="--step", expected=f"0 to {len(episode) - 1}", got=self.step)
        answer = ask(model, episode, self.step, self.actions, self.seed)
        assert answer.future is not None
        imagined = as_image(answer.future[0])
        film = episode.frames[model.task_spec.cameras[0]]
        true = film[np.minimum(self.step + np.array(model.offsets), len(episode))]
        now = film[self.step]
        make_folder(self.out.resolve().parent)
        with replacing(self.out.resolve()) as file:
            Image.fromarray(strip(now, imagined, true)).save(file, kind)
        ours, copied = psnr(squared_error(imagined, true)), psnr(squared_error(np.broadcast_to(now, true.shape), true))
        rows = [{"steps_ahead": offset, "psnr": float(a), "psnr_of_copy": float(b)}
                for offset, a, b in zip(model.offsets, ours, copied, strict=True)]
        if self.json:
            chunk = None if answer.action is None else answer.action[0].tolist()
            print_json({"picture": self.out, "frames": rows, "action": chunk})
        else:
            for row in rows:
                say(f"{row['steps_ahead']:>3} steps ahead: {row['psnr']:.1f} dB (copying the frame of now: "
                    f"{row['psnr_of_copy']:.1f} dB)")
            say(f"picture: {self.out}")
