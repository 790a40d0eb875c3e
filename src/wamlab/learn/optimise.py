"""AdamW with warm-up, clipping and averaged weights, whose whole state can be saved and restored by name."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ..data.atomic import alone_at
from ..errors import CheckpointError, DataError, WamError
from ..recipe import Training


def learning_rate(step: int, total: int, peak: float, warmup: int) -> float:
    """Linear warm-up, then a cosine down to a tenth of the peak."""
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = (step - warmup) / max(1, total - warmup)
    return peak * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


class Fit:
    """One optimisation: parameters, AdamW, averaged weights, and how far it is."""

    def __init__(self, module: nn.Module, steps: int, peak: float, training: Training):
        self.module, self.steps, self.peak, self.training, self.step = module, steps, peak, training, 0
        self.parameters = {k: p for k, p in module.named_parameters() if p.requires_grad}
        self.optimiser = torch.optim.AdamW(self.parameters.values(), lr=peak, betas=(0.9, 0.95),
                                           weight_decay=training.weight_decay)
        self.unmoved = set(self.parameters)
        """names of parameters that never had a gradient"""
        self.average = {k: p.detach().clone() for k, p in self.parameters.items()}

    def descend(self, loss: Tensor) -> None:
        """One step of AdamW, and of the average.

        Raises:
            WamError: if the loss is not finite; nothing is changed then.
        """
        if not torch.isfinite(loss):
            raise WamError("the loss is not finite", where=f"step {self.step}", expected="a finite number", got=loss.item(),
                           fix="lower the learning rate, or look at the data (wam show DATASET)")
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.unmoved = {name for name in self.unmoved
                        if (grad := self.parameters[name].grad) is None or not bool(grad.any())}
        if dist.is_initialized():
            for parameter in self.parameters.values():
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                dist.all_reduce(parameter.grad)
                parameter.grad /= dist.get_world_size()
        nn.utils.clip_grad_norm_(self.parameters.values(), self.training.clip)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.step, self.steps, self.peak, self.training.warmup)
        self.optimiser.step()
        self.step += 1
        # Early on the average must forget quickly, or it would still hold the initial weights at the end.
        decay = min(self.training.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.values()), list(self.parameters.values()), 1 - decay)

    def tensors(self) -> dict[str, Tensor]:
        """The optimiser's state and the average, by name. The weights themselves are saved with the whole model."""
        found = {f"average/{k}": v for k, v in self.average.items()}
        for name, parameter in self.parameters.items():
            found |= {f"adam/{key}/{name}": value for key, value in self.optimiser.state[parameter].items()}
        return found

    def restore(self, tensors: dict[str, Tensor], step: int) -> None:
        self.step, wanted = step, {f"average/{name}": value for name, value in self.average.items()}
        for name, value in wanted.items():
            if name not in tensors or tensors[name].shape != value.shape:
                raise CheckpointError("the state of a training is not this one's", where=name, expected=tuple(value.shape),
                                      got=tuple(tensors[name].shape) if name in tensors else "absent",
                                      fix="delete the newest step- folder of the training and run it again")
        for name, parameter in self.parameters.items():
            self.average[name].copy_(tensors[f"average/{name}"])
            keys = [k for k in ("step", "exp_avg", "exp_avg_sq") if f"adam/{k}/{name}" in tensors]
            self.optimiser.state[parameter] = {k: tensors[f"adam/{k}/{name}"].clone() for k in keys}

    def adopt_average(self) -> None:
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(self.average[name])


def join_processes() -> str:
    """Join the group that `torchrun` announces, if any. Returns the device to train on."""
    if "RANK" in os.environ and not dist.is_initialized():
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if torch.cuda.is_available() else "cpu"


@contextmanager
def one_training(out: Path) -> Iterator[str]:
    """Be the only training that writes to `out`, in one process or in a group of them; gives the device to train on.

    Raises:
        DataError: if another one writes there, or a dataset lies there.
    """
    if (out / "dataset.json").exists():
        raise DataError("a dataset lies where the model is to be", where=out, expected="a folder of its own",
                        got="dataset.json", fix="choose another --out")
    device = join_processes()
    with nullcontext() if dist.is_initialized() and dist.get_rank() else alone_at(out):
        yield device
