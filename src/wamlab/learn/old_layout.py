"""Checkpoints of the first layout (wamlab-checkpoint-1) read as those of today: the same weights under today's names, the same
answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ..errors import CheckpointError
from ..parts.vocabulary import CONDITIONS

SEGMENTS = (*CONDITIONS, "future@clean", "future@hidden", "future", "action")
"""the order in which the first layout numbered its kinds of tokens"""
NAMES = {"codec.": "contents.future.codec.", "motion": "contents.future.motion", "action_": "contents.action.",
         "state_": "contents.state."}
PARTS = {"frames.": "inputs.context.encoder.", "state.": "inputs.state.linear.", "text.project.": "inputs.text.linear."}


def settings(told: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Today's settings of a model, as JSON, from those of the first layout.

    Raises:
        CheckpointError: if they are not those of a model made of streams.
    """
    try:
        coupling, experts = told["coupling"], told["experts"]
        reads = {name: keys for name, keys in coupling["reads"].items() if name not in CONDITIONS or tuple(keys) != CONDITIONS}
        holds = {"future": {"class": "Latents", "codec": told["representation"], "camera": ""}, "action": {"class": "Actions"}}
        weight = {"future": 1.0, "action": told["action_weight"]}
        streams = {name: {"class": "Stream", "holds": holds[name], "process": told[name], "expert": experts.get(name, "shared"),
                          "within": "full", "taken": "attention", "once": False, "weight": weight[name]}
                   for name in ("future", "action") if name in coupling["reads"]}
        same = ("width", "depth", "heads", "history", "chunk", "offsets", "play_weight", "shift", "tied", "corners")
        return {"class": told["class"], "streams": streams, "reads": reads, "chunks": 1,
                "networks": coupling["networks"] if len(coupling["networks"]) > 1 else [], "clock": coupling["levels"],
                "practice": [], "experts": {}, "skip": None, "blur": coupling["teacher_noise"],
                **{name: told[name] for name in same}}
    except (KeyError, TypeError, AttributeError) as error:
        raise CheckpointError("the settings of a checkpoint of the first layout cannot be read", where=where,
                              expected="settings of a model made of streams", got=f"{type(error).__name__}: {error}",
                              fix="train again with this version") from error


def tensors(found: Mapping[str, Tensor], experts: Mapping[str, str]) -> dict[str, Tensor]:
    """The weights under today's names.

    Args:
        experts: generated stream -> its expert's name; those not named share one.
    """
    made: dict[str, Tensor] = {}
    for name, value in found.items():
        whole, _, rest = name.partition(".")
        if whole != "networks":
            old = next((prefix for prefix in NAMES if name.startswith(prefix)), "")
            made[NAMES[old] + name[len(old):] if old else name] = value
            continue
        number, _, part = rest.partition(".")
        root = f"networks.{number}."
        if part.startswith("positions."):
            key = part.removeprefix("positions.")
            kind = found[f"{root}kind.weight"][[segment.replace("@", "_") for segment in SEGMENTS].index(key)]
            made[root + part] = (value + kind)[None]
        elif part.startswith("norm."):
            for stream in ("future", "action"):
                if f"{root}outputs.{stream}.weight" in found:
                    made[f"{root}norms.{experts.get(stream, 'shared')}.{part.removeprefix('norm.')}"] = value.clone()
        elif part.startswith("inputs.") and not part.startswith("inputs.future_hidden."):
            key, _, kind_of = part.removeprefix("inputs.").partition(".")
            made[f"{root}inputs.{key}.linear.{kind_of}"] = value
        elif part != "kind.weight":
            old = next((prefix for prefix in PARTS if part.startswith(prefix)), "")
            made[root + (PARTS[old] + part[len(old):] if old else part)] = value
    return made


