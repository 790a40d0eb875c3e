"""What was recorded of one model, as metrics see it. Arrays only: no model, no simulator, no torch.

Letters in shapes: N samples, E episodes, C contexts (saved states), K actions tried from each, T offsets (steps
ahead), _ an entity's channels, as many as it has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from jaxtyping import Bool, Float, Int, UInt8
from numpy import ndarray


@dataclass(frozen=True, eq=False)
class FramePairs:
    """Imagined frames beside what the camera really saw, where the actions were those that the model knew of."""

    imagined: UInt8[ndarray, "N h w 3"]
    real: UInt8[ndarray, "N h w 3"]
    current: UInt8[ndarray, "N h w 3"]
    """the last frame that the model had seen: what copying it would have predicted"""
    offset: Int[ndarray, "N"]
    """control steps ahead"""
    cluster: Int[ndarray, "N"]
    """episode or context: the unit of the statistics"""
    prefix: str = ""
    """put before the metric's name: "branch." for given actions, empty for a policy's own rollouts"""


@dataclass(frozen=True, eq=False)
class Foresight:
    """The plans of a policy's episodes beside what their execution did, in state space.

    Only those offsets are kept that were reached before the next decision replaced the plan.
    """

    episode: Int[ndarray, "N"]
    """position in `Evidence.episodes`"""
    chunk: Int[ndarray, "N"]
    """number of the executed chunk, unique over all episodes"""
    start: Mapping[str, Float[ndarray, "N _"]]
    """per entity, at the decision"""
    imagined: Mapping[str, Float[ndarray, "N _"]]
    real: Mapping[str, Float[ndarray, "N _"]]
    ceiling: Mapping[str, Float[ndarray, "N _"]] | None = None
    """what the readout makes of the real frames; None where states are known exactly"""
    imagined_success: Bool[ndarray, "E"] | None = None
    """whether the model ever imagined success within an episode; None if that cannot be read from its frames"""
    read_success: Bool[ndarray, "E"] | None = None
    """the same reading of the real frames: its disagreement with the truth is the readout's own error"""


@dataclass(frozen=True, eq=False)
class Effects:
    """K actions from each of C saved states: what was imagined and what really happens, in state space."""

    start: Mapping[str, Float[ndarray, "C _"]]
    imagined: Mapping[str, Float[ndarray, "C K T _"]]
    real: Mapping[str, Float[ndarray, "C K T _"]]
    offsets: tuple[int, ...]
    kinds: tuple[str, ...]
    """names of the K actions: "factual", "null", "dose 0.25"..."""
    strata: tuple[str, ...]
    """per context: "free", "near", "contact" """
    ceiling: Mapping[str, Float[ndarray, "C K T _"]] | None = None
    """what the readout makes of the true frames"""
    noise: Mapping[str, float] = field(default_factory=dict)
    """per entity, the displacement that a readout may see where nothing moves; 0 where states are known exactly"""
    uncertainty: Float[ndarray, "C K"] | None = None
    """how unsure the model was of each future before anything was tried; None: it gave no such number"""
    step: Int[ndarray, "C"] | None = None
    """control step of each saved state within its scene, where known"""
    onset: int | None = None
    """steps for which actions whose name begins with "late" equal the factual one"""


@dataclass(frozen=True, eq=False)
class Answers:
    """K futures offered to a model in each of C saved states, and what the actions that it answered really did."""

    start: Mapping[str, Float[ndarray, "C _"]]
    offered: Mapping[str, Float[ndarray, "C K T _"]]
    """true states of the offered futures"""
    consequence: Mapping[str, Float[ndarray, "C K T _"]]
    """true states after executing the answers from the restored state"""
    offsets: tuple[int, ...]
    kinds: tuple[str, ...]
    """names of the actions whose futures were offered"""
    strata: tuple[str, ...]
    controls: Mapping[str, Mapping[str, Float[ndarray, "C T _"]]] = field(default_factory=dict)
    """consequences when the model was offered its "own" future, the "swapped" one of another context, a "frozen" one, a
    "sham" (its own with an imperceptible change) or none ("blocked"); those that could not be asked are left out"""


@dataclass(frozen=True, eq=False)
class Decoded:
    """Futures read as actions by several decoders, and what these actions really did from the restored states."""

    start: Mapping[str, Float[ndarray, "C _"]]
    imagined: Mapping[str, Float[ndarray, "C K T _"]]
    """what the imagined frames show, as they are read"""
    ceiling: Mapping[str, Float[ndarray, "C K T _"]]
    """what the true frames show, as they are read"""
    real: Mapping[str, Float[ndarray, "C K T _"]]
    true_actions: Float[ndarray, "C K T A"]
    """mean action of each stretch between two shown moments"""
    actions: Mapping[str, Float[ndarray, "C K T A"]]
    """per decoder, of the imagined frames, before they are cut to the limits"""
    ceiling_actions: Mapping[str, Float[ndarray, "C K T A"]]
    """per decoder, of the true frames"""
    consequence: Mapping[str, Mapping[str, Float[ndarray, "C K T _"]]]
    """per decoder, the true states after executing `actions`"""
    ceiling_consequence: Mapping[str, Mapping[str, Float[ndarray, "C K T _"]]]
    offsets: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Trials:
    """The same starts in closed loop several times: in each arm the policy was shown another kind of future, or a planner chose
    by another judge. What was executed differs by nothing else."""

    solved: Mapping[str, Bool[ndarray, "E"]]
    """per arm; see `evaluate.ask.trials` for their names"""
    missing: Mapping[str, str] = field(default_factory=dict)
    """arm -> why it could not be run"""
