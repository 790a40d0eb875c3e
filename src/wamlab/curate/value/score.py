"""How good one of the study's models is, in numbers that compare between trainings: physical units, held-out episodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ... import simulators
from ...data.store import EpisodeStore
from ...data.windows import Windows
from ...evaluate.ask.lockstep import successes
from ...evaluate.ask.rollout import held_out
from ...evaluate.metrics.visual import CHANGE, psnr, squared_error
from ...models.base import WorldActionModel
from ...types import IMAGINE_AND_ACT, POLICY, VIDEO, WORLD_MODEL, Batch, Given, as_image

WINDOWS = 96
"""held-out windows of each source that are asked"""
BETTER = {"action error": -1, "imagination": 1, "success": 1}
"""scores, and whether more is better"""
UNITS = {"action error": "share of the action range", "imagination": "dB over copying the last frame", "success": "rate"}


def scores(model: WorldActionModel, stores: Sequence[EpisodeStore], held: Sequence[Sequence[int]], names: Sequence[str],
           counted: Sequence[str], task: str, starts: int) -> dict[str, Any]:
    """All scores of a model.

    Args:
        held: per source, the episodes to judge.
        counted: the sources whose mean is the score.

    Returns:
        "action error", "imagination", "success" as far as the model and the data have them; each of the first two also per
        source under "by source"; and "solved", one bool per start.
    """
    by_source: dict[str, dict[str, float]] = {"action error": {}, "imagination": {}}
    for number, name in enumerate(names):
        only = [list(part) if i == number else [] for i, part in enumerate(held)]
        windows = Windows(stores, history=model.history, chunk=model.chunk, offsets=model.offsets,
                          chunks=model.chunks, episodes=only, needs=model.needs,
                          allow_mixed_renderers=True)  # what may be mixed was settled before training
        error, gain = _answers(model, windows.batch, np.flatnonzero(windows.imitate), np.arange(len(windows)))
        by_source["action error"] |= {} if error is None else {name: error}
        by_source["imagination"] |= {} if gain is None else {name: gain}
    found: dict[str, Any] = {
        score: float(np.mean([values[name] for name in counted])) for score, values in by_source.items()
        if all(name in values for name in counted)}
    if task and {POLICY, IMAGINE_AND_ACT} & model.answers():
        solved = successes(model, lambda: simulators.make(task), held_out(starts))
        found |= {"success": float(solved.mean()), "solved": [bool(one) for one in solved]}
    return found | {"by source": by_source}


def _answers(model: WorldActionModel, cut: Any, imitable: np.ndarray, every: np.ndarray) -> tuple[float | None, float | None]:
    """(root mean squared error of the sampled actions, dB by which imagined frames beat copies where something changes)."""
    answers, error, gain = model.answers(), None, None
    acts = POLICY if POLICY in answers else IMAGINE_AND_ACT
    if acts in answers and len(imitable):
        batch: Batch = cut(_spread(imitable))
        want = {"action"} if acts == POLICY else {"future", "action"}
        with torch.inference_mode():
            said = model.predict(batch.context, want=want, seeds=list(range(len(batch)))).action
        spec = model.task_spec.action
        assert said is not None
        width = torch.tensor(spec.high) - torch.tensor(spec.low)
        width = torch.where(width > 0, width, 1.0)  # a channel that never moves has no range to be a share of
        away = ((said.cpu() - batch.action) / width)[batch.action_mask]
        error = float(away.pow(2).mean().sqrt())
    sees = next((query for query in (WORLD_MODEL, IMAGINE_AND_ACT, VIDEO) if query in answers), None)
    if sees is not None and model.offsets and len(every):
        batch = cut(_spread(every))
        given = Given(action=batch.action) if sees == WORLD_MODEL else None
        want = {"future", "action"} if sees == IMAGINE_AND_ACT else {"future"}
        with torch.inference_mode():
            future = model.predict(batch.context, given, want, list(range(len(batch)))).future
        assert future is not None
        whole = batch.future_mask.numpy()
        imagined, real = as_image(future)[whole], batch.future.movedim(-3, -1).numpy()[whole]
        now = batch.context.frames[:, -1:].movedim(-3, -1).expand(batch.future.movedim(-3, -1).shape).numpy()[whole]
        changed = (np.abs(real.astype(np.int16) - now) > CHANGE).any(-1)
        better = psnr(squared_error(imagined, real), changed) - psnr(squared_error(now, real), changed)
        gain = float(np.nanmean(better)) if np.isfinite(better).any() else None
    return error, gain


def _spread(rows: np.ndarray) -> np.ndarray:
    return rows[np.unique(np.linspace(0, len(rows) - 1, WINDOWS).astype(int))]
