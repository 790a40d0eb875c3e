"""What a training should be asked before anyone believes it: does the future follow the actions, did every weight learn, and is
the data that a model meets like the data that it learned from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from ..data.windows import Windows
from ..models.base import WorldActionModel
from ..spec import TaskSpec
from ..types import Batch, Episode

DRAWS = 8
"""batches and noises over which the ratio of losses is taken"""
FEW = 0.01
"""share of the codes below which their perplexity says that they have collapsed"""
FAR, WIDE = 3.0, 4.0
"""deviations by which a mean may differ, and times by which a deviation may, before the data is called other data"""


def shuffled(batch: Batch) -> Batch:
    """Each situation with the actions of another. Where actions are unknown they stay so."""
    rows = torch.where(batch.has_action)[0]
    order = torch.arange(len(batch), device=rows.device)
    order[rows] = rows.roll(1)
    return replace(batch, action=batch.action[order], later=tuple(shuffled(part) for part in batch.later))


def given(batch: Batch) -> Batch:
    """The same, with the actions told and not sought: as play is learned from."""
    return replace(batch, imitate=torch.zeros_like(batch.imitate), later=tuple(given(part) for part in batch.later))


@torch.no_grad()
def action_ratio(model: WorldActionModel, windows: Windows, size: int, seed: int,
                 device: torch.device) -> dict[str, Any] | None:
    """Loss of all that is not action with the actions of another situation, over the loss with its own; the actions are given.

    Args:
        size: windows per batch.

    Returns:
        {"ratio", "low", "high"} (mean over DRAWS batches, and two standard errors on either side), or None where no stream that
        is learned reads actions, or there are too few windows with known actions to shuffle.
    """
    known = np.flatnonzero(windows.has_action)
    if not model.reads_actions or len(known) < 8:
        return None
    was = model.training
    model.eval()
    kept, model.latents = model.latents, None
    ratios = []
    for draw in range(DRAWS):
        rows = np.random.default_rng([seed, draw]).choice(known, min(size, len(known)), replace=False)
        batch = given(windows.batch(rows).to(device))
        own, other = (_beside_actions(model, one, seed + draw) for one in (batch, shuffled(batch)))
        if own > 0:
            ratios.append(other / own)
    model.latents = kept
    model.train(was)
    if len(ratios) < 2:
        return None
    mean, error = float(np.mean(ratios)), float(np.std(ratios, ddof=1) / np.sqrt(len(ratios)))
    return {"ratio": round(mean, 4), "low": round(mean - 2 * error, 4), "high": round(mean + 2 * error, 4)}


def _beside_actions(model: WorldActionModel, batch: Batch, seed: int) -> float:
    losses = model.loss(batch, seed)
    return sum(value.item() for name, value in losses.items() if name not in {"action", "total"})


def statistics(values: Float[ndarray, "N c"]) -> dict[str, list[float]] | None:
    """Mean, deviation and range per channel; None of nothing."""
    if not len(values):
        return None
    rows = np.asarray(values, np.float64)
    return {"mean": rows.mean(0).tolist(), "deviation": rows.std(0).tolist(), "low": rows.min(0).tolist(),
            "high": rows.max(0).tolist()}


def compare(learned: Mapping[str, Any], met: Mapping[str, Any], names: Mapping[str, Sequence[str]]) -> list[str]:
    """In which channels data differs from what a model learned from, one line each.

    Args:
        learned, met: "action" and "state" -> `statistics`, or None where nothing was known.
        names: "action" and "state" -> names of the channels.
    """
    found = []
    for kind, channels in names.items():
        a, b = learned.get(kind), met.get(kind)
        if not a or not b or len(a["mean"]) != len(channels) or len(b["mean"]) != len(channels):
            continue
        for i, channel in enumerate(channels):
            usual, now = a["deviation"][i], b["deviation"][i]
            scale = max(usual, 1e-3 * max(abs(a["low"][i]), abs(a["high"][i])), 1e-12)
            if abs(b["mean"][i] - a["mean"][i]) > FAR * scale:
                found.append(f"{kind} {channel}: {b['mean'][i]:.4g} on average, {a['mean'][i]:.4g} +- {usual:.4g} in training")
            elif now > WIDE * scale or (usual > 1e-9 and now > 0 and now * WIDE < usual):
                found.append(f"{kind} {channel}: deviation {now:.4g}, {usual:.4g} in training")
    return found


def meant(spec: TaskSpec) -> dict[str, tuple[str, ...]]:
    """Names of the channels by kind, for `compare`."""
    return {"action": tuple(f"{name} ({unit})" for name, unit in zip(spec.action.names, spec.action.units, strict=True)),
            "state": spec.state}


def unlike(header: Mapping[str, Any], episodes: Sequence[Episode], spec: TaskSpec) -> list[str]:
    """In which channels episodes differ from what the model of a checkpoint's header learned from; see `compare`."""
    learned = (header.get("diagnosis") or {}).get("statistics") or {}
    known = [episode for episode in episodes if episode.has_state]
    acted = [episode.action[episode.has_action] for episode in episodes]
    met = {"state": statistics(np.concatenate([episode.state for episode in known])) if known else None,
           "action": statistics(np.concatenate(acted)) if acted else None}
    return compare(learned, met, meant(spec))


def told(header: Mapping[str, Any]) -> list[str]:
    """What a finished training is to be told of, a line each. An alarm begins with "alarm"."""
    found = header.get("diagnosis") or {}
    lines = []
    if ratio := found.get("action_ratio"):
        lines.append(f"the future's loss with another's actions is {ratio['ratio']:.3f} times that with its own "
                     f"({ratio['low']:.3f} to {ratio['high']:.3f})")
        if ratio["low"] <= 1.0:
            lines.append("alarm: this model reads actions, and its future does not follow them: train longer, or look at the "
                         "data (wam data check): actions that cause nothing, or are not those of their frames")
    if codes := found.get("codes"):
        lines.append(f"the codec uses {codes['used']} of {codes['classes']} codes (perplexity {codes['perplexity']})")
        if codes["perplexity"] < FEW * codes["classes"]:
            lines.append("alarm: the codes have collapsed: most frames are written alike, and no future can differ; train the "
                         "codec longer, or look at the pictures")
    if names := found.get("unmoved"):
        more = " ..." if len(names) > 6 else ""
        lines.append(f"alarm: {len(names)} weights never had a gradient: {', '.join(names[:6])}{more}")
    return lines
