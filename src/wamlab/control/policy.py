"""What decides: a model asked for an action, with or without its imagination, or a recording played back."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from numpy import ndarray
from torch import Tensor

from ..errors import SpecError, Unanswerable
from ..models.base import Running, WorldActionModel
from ..types import Context, Given, Prediction, Query, as_image
from .sensing import Observation, as_given, check_senses, pick, signals_of


@dataclass(frozen=True, eq=False)
class Decision:
    """A chunk of actions and, if the policy imagines, what it expects to see."""

    action: Float32[ndarray, "K A"]
    """in physical units"""
    offsets: tuple[int, ...] = ()
    """steps ahead of now that `frames` show"""
    frames: UInt8[ndarray, "F h w C"] | None = None
    timings: Mapping[str, float] = field(default_factory=dict)
    """seconds per stage"""


@runtime_checkable
class Policy(Protocol):
    """Decides from what it has observed. Called as: reset; then per control step `observe`, and `decide` when the
    executor needs new actions."""

    def reset(self, seed: int) -> None:
        """Forget everything; all chance until the next reset comes from `seed`."""

    def observe(self, observation: Observation) -> None:
        """Take note of what is seen now; called once per control step."""

    def decide(self, observation: Observation, instruction: str) -> Decision:
        """The next chunk of actions, from the observation that was noted last."""


@runtime_checkable
class Told(Protocol):
    """A policy that is also told what was executed: after each control step."""

    def executed(self, action: Float32[ndarray, "A"]) -> None: ...


class Witness:
    """What a model gets to see of an episode: the last `model.history` observations, the first one repeated at the start,
    exactly as in training windows; and of what came before, as many whole chunks as it was trained to remember."""

    def __init__(self, model: WorldActionModel):
        self.model = model.eval()
        self.reset(0)

    def reset(self, seed: int) -> None:
        self._seed, self._step = seed, -1
        self._seen: deque[Observation] = deque(maxlen=self.model.history + (self.model.chunks - 1) * self.model.chunk)
        self._done: deque[ndarray] = deque(maxlen=max(1, (self.model.chunks - 1) * self.model.chunk))
        self._session: Running | None = None
        self._stood, self._told = -1, ""

    def observe(self, observation: Observation) -> None:
        self._check(observation)
        self._seen.append(observation)
        self._step += 1

    def executed(self, action: Float32[ndarray, "A"]) -> None:
        """What was executed at the control step whose observation was noted last: what the gate let through, not what was
        decided."""
        self._done.append(action)

    def situation(self, instruction: str, back: int = 0) -> tuple[Context, list[int]]:
        """What the model saw `back` steps ago (default: what it sees now), and the seed of the decision that is due."""
        camera, last = self.model.task_spec.cameras[0], len(self._seen) - 1 - back
        rows = [self._seen[max(last - i, 0)] for i in reversed(range(self.model.history))]
        frames = np.stack([seen["frames"][camera] for seen in rows])
        state = np.stack([seen["state"] for seen in rows]).astype(np.float32)
        context = Context(torch.from_numpy(frames).movedim(-1, -3)[None].contiguous().to(self._device),
                          torch.from_numpy(state)[None].to(self._device), (instruction,), None,
                          signals_of(self.model.needs, lambda step: self._seen[max(last + step, 0)], self._device))
        return context, [decision_seed(self._seed, self._step)]

    @property
    def _device(self) -> torch.device:
        return next((p.device for p in self.model.parameters()), torch.device("cpu"))

    def session(self, instruction: str) -> Running:
        """The model's session, standing at now. One that stood a chunk ago goes on; otherwise it is made from what was seen:
        slower, but the same. It remembers whole chunks, and begins anew when it is full."""
        chunk, remembered = self.model.chunk, (self._step // self.model.chunk) % self.model.chunks
        if self._session is not None and instruction == self._told and self._step - self._stood == chunk and remembered:
            self._session.observe(self.situation(instruction)[0], self._happened(0))
        else:
            self._session = self.model.session(self.situation(instruction, remembered * chunk)[0])
            for left in reversed(range(remembered)):
                self._session.observe(self.situation(instruction, left * chunk)[0], self._happened(left * chunk))
        self._stood, self._told = self._step, instruction
        return self._session

    def _happened(self, back: int) -> Given:
        """What was seen and executed in the chunk that ended `back` steps ago."""
        camera, end = self.model.task_spec.cameras[0], len(self._seen) - 1 - back
        places = [end - self.model.chunk + offset for offset in self.model.offsets if offset <= self.model.chunk]
        if len(places) < len(self.model.offsets) or not places:
            return Given()
        frames = np.stack([self._seen[place]["frames"][camera] for place in places])
        others = {stream: as_given(name, [pick(self._seen[place], name) for place in places]).to(self._device)
                  for stream, name in self.model.outlooks.items()}
        return Given(future=torch.from_numpy(frames).movedim(-1, -3)[None].float().to(self._device) / 255,
                     action=self._chunk(back), others=others)

    def _chunk(self, back: int) -> Tensor | None:
        """The actions executed in the chunk that ended `back` steps ago; None where the model remembers none."""
        last, done = len(self._done) - back, list(self._done)
        if "action" not in self.model.remembers:
            return None
        if last < self.model.chunk:
            raise SpecError("nobody told which actions were executed, and the model remembers them", where="action@past",
                            expected=f"an action after each of {self.model.chunk} steps", got=max(0, last),
                            fix="act through an Executor, or call executed(action) after each step")
        return torch.from_numpy(np.stack(done[last - self.model.chunk : last]))[None].to(self._device)

    def _check(self, observation: Observation) -> None:
        spec = self.model.task_spec
        image = observation["frames"].get(spec.cameras[0])
        got = "no such camera" if image is None else image.shape
        if image is None or image.shape != (*spec.image_size, 3):
            raise SpecError("the observation is not what the model was trained on", where=f"camera {spec.cameras[0]}",
                            expected=(*spec.image_size, 3), got=got, fix="run the model on the task it was trained for")
        if observation["state"].shape != (len(spec.state),):
            raise SpecError("the observation is not what the model was trained on", where="state",
                            expected=f"{len(spec.state)} numbers: {spec.state}", got=observation["state"].shape,
                            fix="run the model on the task it was trained for")
        check_senses(self.model.needs, observation, spec)


class ModelPolicy(Witness):
    """A world action model as a policy.

    Args:
        want: {"action"} to act only, {"future", "action"} to imagine and act.

    Raises:
        Unanswerable: if the model's wiring cannot answer that.
    """

    def __init__(self, model: WorldActionModel, want: AbstractSet[str] = frozenset({"future", "action"})):
        query = Query(frozenset(want))
        if query.action != "sought" or query not in model.answers():
            raise Unanswerable(f"this model is no such policy: {query}", where=type(model).__name__,
                               expected="; ".join(sorted(map(str, model.answers()))), got=query,
                               fix="act with a recipe whose wiring answers it (wam list)")
        super().__init__(model)
        self.want = frozenset(want)
        if untold := sorted(model.remembers - {"future", "action", *model.outlooks}):
            raise Unanswerable("this model remembers what a policy is not told", where=", ".join(f"{n}@past" for n in untold),
                               expected="frames, actions, and signals that are measured", got=", ".join(untold),
                               fix="let its streams read those alone; or ask it through model.session, which can be told")

    def decide(self, observation: Observation, instruction: str) -> Decision:
        start = time.perf_counter()
        with torch.inference_mode():
            answer = self.answer(self.session(instruction), decision_seed(self._seed, self._step))
        seconds = time.perf_counter() - start
        assert answer.action is not None
        imagined = None if answer.future is None else as_image(answer.future[0])
        return Decision(answer.action[0].float().cpu().numpy(), self.model.offsets if imagined is not None else (), imagined,
                        {**answer.timings, "predict": seconds})


    def answer(self, session: Running, seed: int) -> Prediction:
        return session.predict(want=self.want, seeds=[seed])


class ReplayPolicy:
    """Plays recorded actions back without looking: the control against tasks that need no perception. When the
    recording has ended it repeats the last action if `hold` is None, else `hold`."""

    def __init__(self, actions: Float32[ndarray, "T A"], hold: Float32[ndarray, "A"] | None = None):
        self._actions, self._hold = actions, actions[-1] if hold is None else hold
        self.reset(0)

    def reset(self, seed: int) -> None:
        self._step = -1

    def observe(self, observation: Observation) -> None:
        self._step += 1

    def decide(self, observation: Observation, instruction: str) -> Decision:
        rest = self._actions[self._step:]
        return Decision(rest if len(rest) else self._hold[None])


def decision_seed(seed: int, step: int) -> int:
    """The seed of the decision at a control step: every decision of every episode has noise of its own."""
    return int(np.random.SeedSequence([seed, step]).generate_state(1, np.uint32)[0])
