"""How much of each source to train on so that none is learned much worse than it could be: group-robust weights (Re-Mix).

Hejna et al., arXiv 2408.14037, after DoReMi (arXiv 2305.10429). A reference model is trained on everything. Then a second one
is trained anew while weights over the sources follow its *excess loss*, what it could still learn of each source:

    e_k = max(0, L_k(model) - L_k(reference))                        on the same samples with the same noise
    a_k <- a_k exp(eta e_k), scaled to sum 1, then  a <- (1 - c) a + c a_0
    the model descends  sum_k a_k (L_k(model) - L_k(reference))

The answer is the average of a over all steps. A source of noise is hard for both models, so its excess is small and so is its
weight; a source that the model has not caught up on gets more. What is otherwise here: the excess is measured on episodes that
neither model trains on, where the paper stops the reference early, both so that noise which the reference knows by heart does
not look like something to be learned; it is cut off at 0 per source and batch, not per sample; actions are not put into bins;
and all sources share one normalisation, since one spec gives their numbers one meaning.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64, Int64
from numpy import ndarray

from ..data.atomic import write_whole
from ..data.draws import sources_of
from ..data.sampling import batch_indices
from ..data.selection import split
from ..data.store import EpisodeStore
from ..data.windows import Windows
from ..errors import WamError
from ..learn import checkpoint
from ..learn.optimise import Fit
from ..learn.train import Trainer
from ..models.base import WorldActionModel
from ..ranges import SEED
from ..recipe import Recipe

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Robust:
    """How the weights are found."""

    step_size: float = 0.2
    """eta, as in Re-Mix"""
    smoothing: float = 1e-3
    """c: share of the starting weights that is mixed in at every step, so that no source is lost; as in DoReMi. Re-Mix's 0.05
    goes with cross entropies over bins, which are larger than a loss per normalised number"""
    held_out: float = 0.2
    """share of each source's episodes on which the excess is measured"""
    per_source: int = 16
    """samples of each source in every step"""


@dataclass(frozen=True, eq=False)
class Weights:
    """What came out."""

    weights: Mapping[str, float]
    """per source, summing to 1: shares of a batch, as a mixture takes them"""
    start: Mapping[str, float]
    """what they began with: each source's share of the windows"""
    excess: Mapping[str, float]
    """mean excess loss over the last tenth of the steps"""
    path: Float64[ndarray, "steps K"]
    """the weights after each step"""

    def save(self, file: Path) -> None:
        """Write as JSON, atomically: `weights` is the mapping."""
        text = json.dumps({"weights": dict(self.weights), "start": dict(self.start), "excess": dict(self.excess)}, indent=1)
        write_whole(file, (text + "\n").encode())


def exponentiated(weights: Float64[ndarray, "K"], excess: Float64[ndarray, "K"], start: Float64[ndarray, "K"],
                  settings: Robust) -> Float64[ndarray, "K"]:
    """One step of the weights: the second line of the module's formula. `excess` is cut off at 0 here."""
    moved = weights * np.exp(settings.step_size * np.maximum(excess, 0))
    return np.asarray((1 - settings.smoothing) * moved / moved.sum() + settings.smoothing * start)


def source_weights(recipe: Recipe, sources: Mapping[str, EpisodeStore], out: Path, *, seed: int = 0,
                   settings: Robust | None = None, mixed_renderers: bool = False, progress: Progress | None = None) -> Weights:
    """Weights for several datasets.

    Args:
        out: folder of the reference model; a stopped training goes on, the second model starts anew.
        mixed_renderers: accept sources whose pictures were drawn in different ways.
        progress: called with (steps done, steps in all) of both models together.

    Raises:
        WamError: with fewer than two sources, or one from which this recipe can learn nothing.
    """
    SEED.check(seed, "seed")
    settings = settings or Robust()
    if len(sources) < 2:
        raise WamError("weights are between sources", where="sources", expected="two datasets or more", got=list(sources))
    steps, tick = recipe.training.steps, progress or (lambda done, total: None)
    stores = list(sources.values())
    kept, held = split(stores, settings.held_out, seed=23)
    trainer = Trainer(recipe, stores, out / "reference", seed, mixed=mixed_renderers, episodes=kept)
    folder = trainer.run(lambda done, total: tick(done, total + steps))
    reference = checkpoint.load_model(folder, recipe).requires_grad_(False)
    model = _newborn(recipe, reference, seed + 1)
    for one in (reference, model):
        one.train()  # so that both see the same augmentation
        one.latents = None
    unseen = Windows(stores, history=model.history, chunk=model.chunk, offsets=model.offsets, chunks=model.chunks,
                     episodes=held, allow_mixed_renderers=mixed_renderers, needs=model.needs)
    pools, judged = (_pools(model, windows, list(sources)) for windows in (trainer.windows, unseen))
    count = np.array([len(pool) for pool in pools], np.float64)
    start = count / count.sum()
    weights, path, excesses = start, np.empty((steps, len(pools))), np.empty((steps, len(pools)))
    fit = Fit(model, steps, recipe.training.learning_rate, recipe.training)
    while fit.step < steps:
        losses = []
        for number, (pool, others) in enumerate(zip(pools, judged, strict=True)):
            rows, checks = (rows[batch_indices(len(rows), settings.per_source, fit.step, seed * 31 + number)]
                            for rows in (pool, others))
            noise = trainer.seed_of(fit.step, 10 + number)
            losses.append(model.loss(trainer.batch(trainer.windows, rows), noise)["total"])
            with torch.no_grad():
                batch = trainer.batch(unseen, checks)
                excesses[fit.step, number] = (model.loss(batch, noise)["total"] - reference.loss(batch, noise)["total"]).item()
        weights = exponentiated(weights, excesses[fit.step], start, settings)
        path[fit.step] = weights
        fit.descend((torch.stack(losses) * torch.from_numpy(weights).float()).sum())
        tick(trainer_steps(recipe, model) + fit.step, trainer_steps(recipe, model) + steps)
    last = excesses[-max(1, steps // 10):].mean(0)

    def named(values: ndarray) -> dict[str, float]:
        return {name: round(float(value), 6) for name, value in zip(sources, values, strict=True)}

    return Weights(named(path.mean(0)), named(start), named(last), path)


def trainer_steps(recipe: Recipe, model: WorldActionModel) -> int:
    """Steps of the reference's training, its representation's included."""
    trained = model.codec is not None and model.codec.trained
    return recipe.training.steps + (recipe.training.codec_steps if trained else 0)


def _newborn(recipe: Recipe, reference: WorldActionModel, seed: int) -> WorldActionModel:
    """A model with fresh weights and the reference's representation and normalisation, so that their losses compare."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = recipe.model.build(reference.task_spec)
    kept = {id(parameter) for parameter in model.codec.parameters()} if model.codec is not None else set()
    fresh = {name for name, parameter in model.named_parameters() if id(parameter) not in kept}
    model.load_state_dict({name: value for name, value in reference.state_dict().items() if name not in fresh}, strict=False)
    if model.codec is not None:
        model.codec.requires_grad_(False)
    return model


def _pools(model: WorldActionModel, windows: Windows, names: Sequence[str]) -> list[Int64[ndarray, "_"]]:
    """Per source, the windows that this model can learn from."""
    pools = [np.concatenate([one.imitated, one.others]) for one in sources_of(windows, model.answers(), apart=True)]
    for name, pool in zip(names, pools, strict=True):
        if not len(pool):
            raise WamError(f"this recipe can learn nothing from {name}", where=name, expected="expert actions, or a model that "
                           "answers: future sought, action given", got="disturbed or playful actions only")
    return pools
