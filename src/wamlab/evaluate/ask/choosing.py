"""A planner in closed loop that is the same but for the judge of its choices: the simulator, a model's imagination, or
chance."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float, Float32
from numpy import ndarray

from ...control.policy import Decision, Observation, Witness
from ...models.base import WorldActionModel
from ...models.oracle import planned
from ...simulators import Simulator
from ...types import Given, as_image
from ..eyes.readout import Readout
from ..metric import GROUPS, positions
from .actions import STANDARD, action_set

CHOICES = ("truth", "imagination", "chance")
States = Mapping[str, Float[ndarray, "K _"]]


class Chooser(Witness):
    """At each decision the candidate whose outcome, at the last moment that the model shows, is nearest to that of the expert's
    plan. Candidates: the nine actions of the protocol made from that plan, in an order drawn anew each time, so that a judge
    to whom all are alike chooses by chance.

    Args:
        judge: one of CHOICES.
        simulator: the one in which the episode runs; it is tried out and restored.
        readout: reads the model's frames; without it "imagination" cannot be asked.
        scales: sigma per entity.
    """

    def __init__(self, judge: str, model: WorldActionModel, simulator: Simulator, readout: Readout | None,
                 scales: Mapping[str, float]):
        super().__init__(model)
        self.judge, self.simulator, self.readout, self.scales = judge, simulator, readout, scales
        spec = simulator.task_spec
        self.entities = [e for group in ("robot", "object") for e in spec.of_group(*GROUPS[group])
                         if readout is None or e.name in readout.shape.entities]

    def reset(self, seed: int) -> None:
        super().reset(seed)
        self.generator = np.random.default_rng([seed, 17])

    def decide(self, observation: Observation, instruction: str) -> Decision:
        plan = planned(self.simulator, self.model.chunk)
        chunks = action_set(self.simulator.task_spec.action, plan, self.generator, STANDARD)
        order = self.generator.permutation(len(chunks))
        if self.judge == "chance":
            return Decision(chunks[order[0]])
        truth = self.tried(chunks)
        goal = {name: value[0] for name, value in truth.items()}
        outcome = truth if self.judge == "truth" else self.imagined(observation, instruction, chunks)
        gaps = [((outcome[e.name] - goal[e.name])[:, :positions(e)] ** 2).sum(1) / self.scales.get(e.name, e.tolerance) ** 2
                for e in self.entities]
        return Decision(chunks[order[np.argmin(np.sum(gaps, axis=0)[order])]])

    def tried(self, chunks: Float32[ndarray, "K H A"]) -> States:
        """True states at the last moment that the model would show, for every candidate; the simulator is as it was."""
        simulator, rows = self.simulator, []
        state, draws, simulator.renders = simulator.save_state(), simulator.renders, False
        for chunk in chunks:
            simulator.load_state(state)
            for action in chunk[:self.ahead]:
                simulator.step(action)
            rows.append(simulator.truth())
        simulator.load_state(state)
        simulator.renders = draws
        return {e.name: np.stack([row[e.name] for row in rows]) for e in self.entities}

    @property
    def ahead(self) -> int:
        return max((o for o in self.model.offsets if o <= self.model.chunk), default=self.model.chunk)

    def imagined(self, observation: Observation, instruction: str, chunks: Float32[ndarray, "K H A"]) -> States:
        """The same as the model imagines it, all candidates with the same noise: the true state now plus the change that is
        read off its frames."""
        assert self.readout is not None
        context, seeds = self.situation(instruction)
        many = context.repeated(len(chunks))
        with torch.inference_mode():
            given = Given(action=torch.from_numpy(chunks).to(context.state.device))
            future = self.model.predict(many, given, {"future"}, seeds * len(chunks)).future
        assert future is not None
        shown = as_image(future[:, self.model.offsets.index(self.ahead)])
        now = self.readout.states(observation["frames"][self.simulator.task_spec.cameras[0]])
        then = self.readout.states(shown)
        start = self.simulator.truth()
        return {e.name: start[e.name] + then[e.name] - now[e.name] for e in self.entities}
