"""Small trainings that can be stopped anywhere and go on to the same numbers: one module, one loss, one folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import CheckpointError, WamError
from ..learn.checkpoint import fill, read_header, read_tensors, remove, write
from ..learn.optimise import Fit
from ..ranges import SEED
from ..reading import shown
from ..recipe import Training

FORMAT = "wamlab-labeller-1"
Progress = Callable[[int, int], None]


def fit(module: nn.Module, loss: Callable[[int], Tensor], training: Training, *, header: Mapping[str, Any],
        folder: Path | None = None, progress: Progress | None = None) -> None:
    """Train a module in place; it ends with the averaged weights and in evaluation mode.

    Args:
        loss: of a step, a function of its number alone (and of the module), so that an interrupted training goes on to the same
            weights.
        header: JSON values that say which training this is; a folder that holds another one is refused.
        folder: where checkpoints go; None keeps none.
        progress: called with (steps done, steps in all).

    Raises:
        CheckpointError: if the folder holds another training.
        WamError: if the loss is not finite.
    """
    optimiser = Fit(module, training.steps, training.learning_rate, training)
    if folder is not None:
        resume(module, optimiser, folder, header)
    module.train()
    while optimiser.step < training.steps:
        optimiser.descend(loss(optimiser.step))
        if folder is not None and optimiser.step % training.checkpoint_every == 0 and optimiser.step < training.steps:
            keep(module, optimiser, folder, header)
        if progress is not None:
            progress(optimiser.step, training.steps)
    optimiser.adopt_average()
    module.eval().requires_grad_(False)
    if folder is not None:
        for old in folder.glob("step-*"):
            remove(old)


def keep(module: nn.Module, optimiser: Fit, folder: Path, header: Mapping[str, Any]) -> None:
    target = folder / f"step-{optimiser.step:09d}"
    tensors = {f"model/{name}": value for name, value in module.state_dict().items()} | optimiser.tensors()
    write(target, tensors, {"format": FORMAT, **header, "step": optimiser.step})
    for old in folder.glob("step-*"):
        if old != target:
            remove(old)


def resume(module: nn.Module, optimiser: Fit, folder: Path, header: Mapping[str, Any]) -> None:
    """Put the newest checkpoint of a folder, if there is one, into module and optimiser."""
    found = sorted(folder.glob("step-*"))
    if not found:
        return
    said = same(found[-1], header)
    tensors = read_tensors(found[-1])
    fill(module, {name[6:]: value for name, value in tensors.items() if name.startswith("model/")}, found[-1])
    optimiser.restore(tensors, int(said["step"]))


def same(folder: Path, header: Mapping[str, Any]) -> dict[str, Any]:
    """The header of a labeller's folder, if it is of the training that `header` describes. Raises CheckpointError."""
    said = read_header(folder, FORMAT)
    for name, wanted in header.items():
        if said.get(name) != wanted:
            raise CheckpointError(f"this folder holds another labeller: its {name} differs", where=folder, expected=wanted,
                                  got=said.get(name), fix="choose another folder")
    return said


@contextmanager
def read_from(folder: Path) -> Iterator[None]:
    """Whatever is wrong with what a labeller's header says becomes a CheckpointError that names it."""
    try:
        yield
    except CheckpointError:
        raise
    except (WamError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError("the labeller's header is damaged", where=folder / "checkpoint.json",
                              expected="what training wrote", got=f"{type(error).__name__}: {shown(error)[:200]}",
                              fix="delete the folder; it is trained anew") from error


def seeded(module: Callable[[], nn.Module], seed: int) -> Any:
    """A module whose first weights depend on the seed alone; the caller's random state stays as it was."""
    SEED.check(seed, "seed")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return module()
