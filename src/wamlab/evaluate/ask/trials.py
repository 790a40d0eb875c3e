"""Closed-loop interventions: the same starts again and again, each time with another future shown to the policy, or with
another judge of a planner's choices.

Futures. The policy imagines and acts as two questions: what will be, then (the future given) what to do. Between the two the
future is exchanged: "own" leaves it, "sham" changes it imperceptibly, "swapped" shows what the same model imagined at the same
decision of another scene, "oracle" what the expert will really bring about. All arms go through the model's own path from
future to action, so that they differ by the future alone.

Choices. At every decision a planner takes, of the same set of chunks (the expert's own among them, in random order), the one
whose outcome is nearest to the expert's: by the "truth" of the simulator, by the "imagination" of the model, or by "chance".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import UInt8
from numpy import ndarray

from ...control.executor import Executor, run_episode
from ...control.gate import Gate
from ...control.policy import Decision, ModelPolicy, Observation, Policy
from ...control.workers import in_workers
from ...errors import WamError
from ...models.base import WorldActionModel
from ...models.oracle import imagined, planned
from ...simulators import Simulator
from ...spec import check
from ...types import IMAGINE_AND_ACT, INVERSE_DYNAMICS, Episode, Given, as_image
from ..evidence import Trials
from ..eyes.readout import Readout
from .choosing import CHOICES, Chooser
from .f2a import sham
from .imagining import why_not
from .manifest import NO_FUTURE, NOT_OFFERED
from .rollout import one_thread

FUTURES = ("own", "swapped", "sham", "oracle")
NO_EXPERT = "the simulator has no expert whose future could be shown"
Films = Mapping[int, Sequence[UInt8[ndarray, "F h w 3"]]]
"""start -> frames imagined at each decision of another start's episode"""


class Shown(ModelPolicy):
    """A model that acts from the future that it is shown.

    Args:
        arm: one of FUTURES.
        simulator: the one in which the episode runs; "oracle" looks ahead in it and leaves it as it was.
        films: what "swapped" shows.

    Raises:
        Unanswerable: if its wiring cannot imagine, or cannot be shown a future.
    """

    def __init__(self, model: WorldActionModel, arm: str, simulator: Simulator, films: Films):
        super().__init__(model, frozenset({"future", "action"}))
        self.arm, self.simulator, self.films = arm, simulator, films

    def reset(self, seed: int) -> None:
        super().reset(seed)
        self._seen_films, self._decisions = seed, 0

    def decide(self, observation: Observation, instruction: str) -> Decision:
        context, seeds = self.situation(instruction)
        frames: ndarray | None = None
        if self.arm == "swapped":
            film = self.films[self._seen_films]
            frames = film[min(self._decisions, len(film) - 1)]
        elif self.arm == "oracle":
            plan = planned(self.simulator, self.model.chunk)
            state = self.simulator.save_state()
            frames = imagined(self.simulator, state, plan, self.model.offsets)
            self.simulator.load_state(state)
        self._decisions += 1
        with torch.inference_mode():
            if frames is None:
                future = self.model.predict(context, want={"future", "action"}, seeds=seeds).future
                assert future is not None
                future = sham(future) if self.arm == "sham" else future
            else:
                future = torch.from_numpy(frames).movedim(-1, -3)[None].float().to(context.frames.device) / 255
            action = self.model.predict(context, Given(future=future), {"action"}, seeds).action
        assert action is not None
        return Decision(action[0].float().cpu().numpy(), self.model.offsets, as_image(future[0]))


@dataclass(frozen=True)
class Setting:
    """What an intervention needs; all parts are picklable.

    `make_model` and `make_simulator` are called once in each process; `films` see `films_of`.
    """

    make_model: Callable[[], WorldActionModel]
    make_simulator: Callable[[], Simulator]
    execute: int = 4
    films: Films = field(default_factory=dict)
    readout: Readout | None = None
    """needed for "imagination": reads the model's frames"""
    scales: Mapping[str, float] = field(default_factory=dict)
    """sigma per entity"""

    def policy(self, arm: str, model: WorldActionModel, simulator: Simulator) -> Policy:
        if arm in FUTURES:
            return Shown(model, arm, simulator, self.films)
        return Chooser(arm, model, simulator, self.readout, self.scales)


def films_of(episodes: Sequence[Episode]) -> Films:
    """Per start, what was imagined in the episode of the start half-way round: never its own."""
    count = len(episodes)
    found = {}
    for i, episode in enumerate(episodes):
        other = episodes[(i + max(1, count // 2)) % count]
        film = [plan.frames for plan in other.imagined if plan.frames is not None]
        if film and other is not episode:
            found[int(episode.meta["seed"])] = film
    return found


def missing_arms(model: WorldActionModel, setting: Setting, seeds: Sequence[int], expert: bool) -> dict[str, str]:
    """Arms that cannot be run, and why."""
    can, lacking = model.answers(), {}
    no_future = "" if IMAGINE_AND_ACT in can else NO_FUTURE
    deaf = "" if INVERSE_DYNAMICS in can else NOT_OFFERED
    for arm in FUTURES:
        why = no_future or deaf
        if arm == "swapped" and not why and not all(seed in setting.films for seed in seeds):
            why = "there is no other episode whose imagination could be shown"
        if arm == "oracle" and not why and not expert:
            why = NO_EXPERT
        if why:
            lacking[arm] = why
    for arm in CHOICES:
        why = "" if expert else "the simulator has no expert whose plan a planner could be held to"
        if arm == "imagination" and not why:
            why = why_not(model) or ("" if setting.readout else "there is no readout")
        if why:
            lacking[arm] = why
    return lacking


def run_trials(setting: Setting, seeds: Sequence[int], arms: Sequence[str] = (*FUTURES, *CHOICES), *, workers: int = 1,
               progress: Callable[[int, int], None] | None = None) -> Trials:
    """Every arm from every start; starts that are solved before the first action are left out of all.

    Args:
        workers: processes; the numbers do not depend on them.
        progress: called with (episodes done, episodes); between processes only at the end.

    Raises:
        WamError: if an episode fails.
    """
    model, simulator = setting.make_model(), setting.make_simulator()
    try:
        simulator.reset(seed=int(seeds[0]))
        lacking = missing_arms(model, setting, seeds, simulator.expert() is not None)
    finally:
        simulator.close()
    asked = tuple(arm for arm in arms if arm not in lacking)
    job = Repeated(setting, asked, progress)
    if workers > 1 and len(seeds) > 1:
        shares = [list(seeds[i::workers]) for i in range(min(workers, len(seeds)))]
        found = [row for part in in_workers(Repeated(setting, asked), shares) for row in part]
    else:
        found = job(list(seeds))
    rows = dict(found)
    kept = [rows[seed] for seed in seeds if not any(before for before, _ in rows[seed].values())]
    return Trials({arm: np.array([row[arm][1] for row in kept], bool) for arm in asked},
                  {arm: why for arm, why in lacking.items() if arm in arms})


@dataclass(frozen=True)
class Repeated:
    """A picklable piece of work: some starts, in all arms."""

    setting: Setting
    arms: tuple[str, ...]
    progress: Callable[[int, int], None] | None = None

    def __call__(self, seeds: list[int],
                 alive: Callable[[], bool] = lambda: True) -> list[tuple[int, dict[str, tuple[bool, bool]]]]:
        model, simulator = self.setting.make_model(), self.setting.make_simulator()
        check(simulator.task_spec, model.task_spec)
        policies = {arm: self.setting.policy(arm, model, simulator) for arm in self.arms}
        found: list[tuple[int, dict[str, tuple[bool, bool]]]] = []
        try:
            with one_thread():
                for number, seed in enumerate(seeds):
                    row = {}
                    for place, (arm, policy) in enumerate(policies.items(), 1):
                        if not alive():
                            return found
                        row[arm] = self.one(arm, policy, simulator, seed)
                        if self.progress is not None:
                            self.progress(number * len(policies) + place, len(seeds) * len(policies))
                    found.append((seed, row))
        finally:
            simulator.close()
        return found

    def one(self, arm: str, policy: Policy, simulator: Simulator, seed: int) -> tuple[bool, bool]:
        """Whether the start was solved already, and whether it was solved. Raises WamError naming arm and start."""
        executor = Executor(policy, Gate(simulator.task_spec.action), self.setting.execute)
        try:
            episode = run_episode(simulator, executor, seed)
        except WamError as error:
            raise WamError(f"start {seed} failed with the {arm} future or choice: {error.problem}", where=error.where,
                           expected=error.expected, got=error.got, fix=error.fix) from error
        return bool(episode.success[0]), episode.solved
