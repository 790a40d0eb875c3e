"""Training that can be stopped anywhere and goes on to the same numbers.

All randomness is a function of (seed, stage, step), so a checkpoint needs weights, optimiser, average and step, and no
random state. With `torchrun`, every process takes its share of each batch and gradients are averaged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from ..config import to_json
from ..data.atomic import sweep
from ..data.draws import Draws, sources_of
from ..data.mixture import Mixture
from ..data.selection import common_spec, split
from ..data.store import EpisodeStore
from ..data.windows import Windows
from ..errors import CheckpointError, WamError
from ..parts.codecs.vq import usage
from ..ranges import SEED
from ..recipe import Recipe
from ..types import Batch
from . import checkpoint
from .diagnosis import action_ratio
from .optimise import Fit, one_training
from .prepare import frames_of, latents_of, long_enough, prepare
from .start import start

Progress = Callable[[int, int], None]


class Trainer:
    """Trains one recipe on some stores into a folder: first the representation, then the model."""

    def __init__(self, recipe: Recipe, stores: Sequence[EpisodeStore], out: Path, seed: int, device: str = "cpu",
                 mixture: Mixture | None = None, mixed: bool = False, episodes: Sequence[Sequence[int]] | None = None,
                 begin: Path | None = None):
        self.recipe, self.out, self.seed, self.device, self.mixture = recipe, out, seed, torch.device(device), mixture
        if not stores or not any(len(store) for store in stores):
            raise WamError("there is nothing to train on", where=out, expected="at least one episode", got="none",
                           fix="collect demonstrations first (wam collect)")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.model = recipe.model.build(common_spec(stores, mixed)).to(self.device)
        self.begin = None if begin is None else start(self.model, begin)
        kept, held = split(stores, held_out=0.05, episodes=episodes)
        cut = partial(Windows, stores, history=self.model.history, chunk=self.model.chunk, offsets=self.model.offsets,
                      chunks=self.model.chunks, allow_mixed_renderers=mixed, needs=self.model.needs)
        self.windows = cut(episodes=kept)
        long_enough(self.model, self.windows)
        self.data = self.windows.identity(episodes)
        self.held = cut(episodes=held) if any(held) else None
        self.diagnosis: dict[str, Any] = {}
        self.curves: dict[str, list[list[float]]] = {"codec": [], "train": [], "validation": []}
        self.names: list[str] = []
        self.sources = sources_of(self.windows, self.model.answers(), apart=mixture is not None)
        training = recipe.training
        shares = (mixture or Mixture()).course(training.steps, [len(source) for source in self.sources])
        average = np.broadcast_to(shares.mean(0), (training.codec_steps, len(self.sources)))  # it has to serve them all
        self.draws = {"codec": Draws(self.sources, average, training.codec_batch, training.play_share, seed * 7 + 1),
                      "model": Draws(self.sources, shares, training.batch_size, training.play_share, seed * 7 + 2)}

    def rows(self, stage: str, step: int) -> np.ndarray:
        """Windows of one training step: a pure function of seed and step. Each process takes its own share."""
        rows = self.draws[stage].rows(step)
        return rows[dist.get_rank() :: dist.get_world_size()] if dist.is_initialized() else rows

    def batch(self, windows: Windows, rows: np.ndarray) -> Batch:
        return windows.batch(rows).to(self.device)

    def seed_of(self, step: int, stream: int) -> int:
        rank = dist.get_rank() if dist.is_initialized() else 0
        return int(np.random.SeedSequence([self.seed, step, stream, rank]).generate_state(1)[0])

    def codec_loss(self, step: int) -> Tensor:
        """Frames of the window, each rebuilt from its latents and from another frame of the same window and camera."""
        assert self.model.codec is not None
        batch = self.batch(self.windows, self.rows("codec", step))
        frames = torch.cat([frames_of(batch, camera) for camera in self.model.filmed]).float() / 255
        generator = torch.Generator().manual_seed(self.seed_of(step, 1))
        pick = torch.rand(frames.shape[:2], generator=generator).argsort(1)[:, :3].to(self.device)
        rows = torch.arange(len(frames), device=self.device)
        target, other, reference = (frames[rows, pick[:, i % pick.shape[1]]] for i in range(3))
        return self.model.codec.loss(torch.cat([target, other]), torch.cat([reference, reference]))

    @torch.no_grad()
    def validate(self, step: int) -> None:
        if not self.held:
            return
        self.model.eval()
        kept, self.model.latents = self.model.latents, None  # the cache holds the training frames
        rows = np.unique(np.linspace(0, len(self.held) - 1, 64).astype(int))
        losses = self.model.loss(self.batch(self.held, rows), self.seed)
        self.curves["validation"].append([step, *(round(losses[k].item(), 6) for k in sorted(losses))])
        self.model.latents = kept
        self.model.train()

    def run(self, progress: Progress | None = None) -> Path:
        """Train to the end, from the last checkpoint if there is one. Returns the folder of the finished model."""
        final, training = self.out / "model", self.recipe.training
        sweep(self.out)
        if final.exists():
            self.same_run(checkpoint.read_header(final), final)
            self.drop_steps()
            return final
        codec, (stage, step, tensors) = self.model.codec, self.resume()
        fresh = self.begin is None or not self.begin.whole("codec")
        codec_steps = training.codec_steps if codec is not None and codec.trained and fresh else 0
        if self.begin is not None and not tensors:
            self.begin.apply(self.model)
        total = codec_steps + training.steps
        if stage == "codec" and codec_steps:
            assert codec is not None
            fit = Fit(codec, codec_steps, training.codec_learning_rate, training)
            if tensors:
                fit.restore(tensors, step)
            while fit.step < codec_steps:
                loss = self.codec_loss(fit.step)
                fit.descend(loss)
                self.after("codec", fit, loss, {}, progress, fit.step, total)
            fit.adopt_average()
        if stage == "codec":
            tensors = {}
            self.diagnosis["statistics"] = prepare(self.model, self.windows, self.sources, self.device, self.settle)
            if codec is not None and codec.classes and self.model.latents is not None:
                self.diagnosis["codes"] = usage(torch.cat([*self.model.latents.values()]), codec.classes)
        elif codec is not None:
            codec.freeze(self.model.draws)
            self.model.latents = latents_of(self.model, codec, self.windows, self.device)
        self.model.train()
        fit = Fit(self.model, training.steps, training.learning_rate, training)
        if stage == "model":
            fit.restore(tensors, step)
            fit.unmoved &= set(self.diagnosis.get("unmoved", fit.unmoved))
        else:
            self.keep("model", fit)
        precision = torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda")
        while fit.step < training.steps:
            with precision:
                losses = self.model.loss(self.batch(self.windows, self.rows("model", fit.step)), self.seed_of(fit.step, 2))
            fit.descend(losses["total"])
            self.after("model", fit, losses["total"], losses, progress, codec_steps + fit.step, total)
        fit.adopt_average()
        self.model.latents = None
        self.diagnosis["action_ratio"] = action_ratio(self.model, self.held or self.windows, training.batch_size,
                                                      self.seed, self.device)
        if not dist.is_initialized() or dist.get_rank() == 0:
            checkpoint.save(final, self.model.state_dict(), self.recipe, self.model.task_spec, self.header("done", fit.step))
            self.drop_steps()
        return final

    def settle(self) -> None:
        """What was taken over stays as it was learned: weights mean something in the units of their own training alone."""
        if self.begin is not None:
            self.begin.apply(self.model)

    def drop_steps(self, but: Path | None = None) -> None:
        for old in set(self.out.glob("step-*")) - {but}:
            checkpoint.remove(old)

    def after(self, stage: str, fit: Fit, loss: Tensor, losses: dict[str, Tensor], progress: Progress | None,
              done: int, total: int) -> None:
        """Record, validate, checkpoint and report one finished step."""
        training, last, self.names = self.recipe.training, fit.step == fit.steps, sorted(losses) or self.names
        if fit.step % 10 == 0 or last:
            name = "codec" if stage == "codec" else "train"
            self.curves[name].append([fit.step, *(round(v.item(), 6) for v in ([loss] if stage == "codec" else
                                      [losses[k] for k in sorted(losses)]))])
        if stage == "model":
            self.diagnosis["unmoved"] = sorted(fit.unmoved)
        if stage == "model" and (fit.step % training.validate_every == 0 or last):
            self.validate(fit.step)
        if fit.step % training.checkpoint_every == 0 and not last:
            self.keep(stage, fit)
        if progress:
            progress(done, total)

    def header(self, stage: str, step: int) -> dict[str, Any]:
        drawn = self.draws["model"].seen(step if stage != "codec" else 0)
        return {"stage": stage, "step": step, "seed": self.seed, "data": self.data, "curves": self.curves, "sources": drawn,
                "curve_names": self.names, "diagnosis": self.diagnosis, "mixture": to_json(self.mixture),
                "start": None if self.begin is None else dict(self.begin.facts)}

    def keep(self, stage: str, fit: Fit) -> None:
        """Write a checkpoint to go on from, then drop the older ones."""
        if dist.is_initialized() and dist.get_rank() != 0:
            return
        number = fit.step + (10**8 if stage == "model" else 0)
        folder = self.out / f"step-{number:09d}"
        model = {f"model/{k}": v for k, v in self.model.state_dict().items()}
        checkpoint.save(folder, model | fit.tensors(), self.recipe, self.model.task_spec, self.header(stage, fit.step))
        self.drop_steps(but=folder)

    def same_run(self, header: dict[str, Any], folder: Path) -> None:
        wanted = {"recipe": to_json(self.recipe), "seed": self.seed, "data": self.data, "mixture": to_json(self.mixture),
                  "start": None if self.begin is None else dict(self.begin.facts)}
        found = {"data": self.data, "mixture": None, "start": None} | header
        if other := [name for name, value in wanted.items() if found.get(name) != value]:
            raise CheckpointError("this folder holds another training run", where=folder, got=f"another {', '.join(other)}",
                                  expected=f"recipe {self.recipe.name}, seed {self.seed}, the same settings, data and start",
                                  fix="choose another --out folder")

    def resume(self) -> tuple[str, int, dict[str, Tensor]]:
        """The newest checkpoint's stage, step and tensors; its weights are put into the model."""
        found = sorted(self.out.glob("step-*"))
        if not found:
            return "codec", 0, {}
        header, tensors = checkpoint.read_header(found[-1]), checkpoint.read_tensors(found[-1])
        self.same_run(header, found[-1])
        checkpoint.fill(self.model, {k[6:]: v for k, v in tensors.items() if k.startswith("model/")}, found[-1])
        curves, stage, step = checkpoint.progress(header, found[-1], self.curves)
        self.curves, self.names, self.diagnosis = curves, header.get("curve_names", []), dict(header.get("diagnosis", {}))
        return stage, step, {k: v.to(self.device) for k, v in tensors.items()}


def train(recipe: Recipe, stores: Sequence[EpisodeStore], out: str | Path, *, seed: int = 0, mixture: Mixture | None = None,
          mixed_renderers: bool = False, episodes: Sequence[Sequence[int]] | None = None,
          progress: Progress | None = None, begin: Path | None = None) -> Path:
    """Train a recipe on episodes. Returns the folder of the finished model, for `wamlab.learn.checkpoint.load_model`.

    Args:
        mixture: how much of each batch comes from each store; None: all windows count alike.
        mixed_renderers: accept stores whose pictures were drawn in different ways.
        out: folder for checkpoints and the model. A run that was stopped goes on from here.
        episodes: per store, the indices to train on (None: all); a twentieth of them is held out.
        progress: called with (steps done, steps in all).
        begin: a checkpoint to begin with: what of it means the same here is taken over, with its normalisation, and a codec
            that is taken over whole is not trained again.

    Raises:
        CheckpointError: if that checkpoint is missing or damaged, or nothing of it fits.
        WamError: if `out` holds another run or one is under way there, there is nothing to train on, or the loss is not finite.
    """
    SEED.check(seed, "seed")
    with one_training(Path(out)) as device:
        return Trainer(recipe, stores, Path(out), seed, device, mixture, mixed_renderers, episodes, begin).run(progress)
