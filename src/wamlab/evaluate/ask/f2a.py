"""Offer futures to a model and do what it answers: the evidence for CC-F2A.

From each saved state the model is shown true futures, each of another action, through its own path from future to action.
What it answers is executed from the exactly restored state. Beside them its own imagination, and controls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Float32
from numpy import ndarray
from torch import Tensor

from ...control.workers import in_workers
from ...errors import DataError, Unanswerable
from ...models.base import WorldActionModel
from ...simulators import Simulator, make
from ...spec import check
from ...types import IMAGINE_AND_ACT, INVERSE_DYNAMICS, POLICY, Context, Given
from ..metric import Answers
from .actions import OFFERED
from .branch_data import Branches
from .branches import revisit
from .manifest import NOT_OFFERED

SHAM = 1 / 255
"""how much a sham change adds to every other pixel"""
Progress = Callable[[int, int], None]


def answer_branches(model: WorldActionModel, branches: Branches, *, offered: Sequence[str] = OFFERED, seed: int = 0,
                    batch: int = 36, workers: int = 1, progress: Progress | None = None,
                    make_simulator: Callable[[], Simulator] | None = None) -> Answers:
    """Offer futures, execute the answers, and record what came of them.

    Args:
        offered: names of actions whose true futures are offered; those that the branches do not have are left out.
        batch: questions at once.
        workers: processes that execute.
        progress: called with (scenes done, scenes).
        make_simulator: builds the simulator in place of `simulators.make(task)`; picklable.

    Raises:
        Unanswerable: if the model's action cannot be given a future by its wiring.
        DataError: if the branches do not fit the model, its answers are not finite, or the simulator does not come back to
            the saved states.
    """
    if INVERSE_DYNAMICS not in model.answers():
        raise Unanswerable(NOT_OFFERED, where=type(model).__name__, expected=INVERSE_DYNAMICS,
                           got="; ".join(sorted(map(str, model.answers()))))
    check(branches.spec, model.task_spec)
    protocol = branches.protocol
    offsets = tuple(o for o in model.offsets if o <= model.chunk)
    kinds = tuple(name for name in offered if name in protocol.actions)
    if not set(model.offsets) <= set(protocol.offsets) or not offsets or len(kinds) < 2 or model.history > protocol.history:
        raise DataError("the branches do not fit the model", where=protocol.task,
                        expected=f"offsets {model.offsets}, history >= {model.history}, two of the actions {tuple(offered)}",
                        got=f"offsets {protocol.offsets}, history {protocol.history}, actions {protocol.actions}")
    actions, controls = ask(model, branches, kinds, seed, batch)
    count = len(kinds)
    build = make_simulator or partial(make, protocol.task, **protocol.options)
    done = execute(branches, np.concatenate([actions, *controls.values()], 1), build, offsets, workers, progress)
    real = branches.real(offsets)
    places = [protocol.actions.index(name) for name in kinds]
    return Answers(branches.start(), {name: value[:, places] for name, value in real.items()},
                   {name: value[:, :count] for name, value in done.items()}, offsets, kinds, branches.strata,
                   {control: {name: value[:, count + i] for name, value in done.items()}
                    for i, control in enumerate(controls)})


def ask(model: WorldActionModel, branches: Branches, kinds: Sequence[str], seed: int,
        batch: int) -> tuple[Float32[ndarray, "C K H A"], dict[str, Float32[ndarray, "C 1 H A"]]]:
    """Actions for every offered future, and for the controls that the model can be asked for."""
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    places = [branches.protocol.offsets.index(offset) for offset in model.offsets]
    seen = torch.from_numpy(np.ascontiguousarray(branches.context_frames[:, -model.history:])).movedim(-1, -3)
    state = torch.from_numpy(np.ascontiguousarray(branches.context_state[:, -model.history:]))
    contexts = len(branches)
    model.eval()

    def put(given: Tensor | None, want: frozenset[str]) -> tuple[Tensor | None, Tensor]:
        futures, answers = [], []
        for start in range(0, contexts, batch):
            rows = slice(start, min(start + batch, contexts))
            context = Context(seen[rows].contiguous().to(device), state[rows].to(device),
                              (branches.spec.instruction,) * (rows.stop - start))
            seeds = [seed * 1_000_003 + i for i in range(start, rows.stop)]
            with torch.inference_mode():
                shown = Given() if given is None else Given(future=given[rows].to(device))
                answer = model.predict(context, shown, want, seeds)
            assert answer.action is not None
            answers.append(answer.action.cpu())
            if answer.future is not None:
                futures.append(answer.future.cpu())
        return torch.cat(futures) if futures else None, torch.cat(answers)

    def chunk(answer: Tensor, what: str) -> ndarray:
        values = answer.float().numpy()
        if not np.isfinite(values).all():
            bad = int(np.argwhere(~np.isfinite(values))[0, 0])
            raise DataError("the model answered with numbers that are not finite", where=f"context {bad}, {what}",
                            expected="finite actions", got=values[bad])
        spec = branches.spec.action
        return np.clip(values, spec.low, spec.high).astype(np.float32)[:, None]

    def frames(place: int) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(branches.frames[:, place][:, places])).movedim(-1, -3).float() / 255

    act = frozenset({"action"})
    answered = [chunk(put(frames(branches.protocol.actions.index(name)), act)[1], f"the future of {name}") for name in kinds]
    still = (seen[:, -1:].float() / 255).expand(-1, len(model.offsets), -1, -1, -1)
    controls = {"frozen": chunk(put(still, act)[1], "a frozen future")}
    if IMAGINE_AND_ACT in model.answers():
        own = put(None, frozenset({"future", "action"}))[0]
        assert own is not None
        controls |= {"own": chunk(put(own, act)[1], "its own future"),
                     "swapped": chunk(put(own.roll(contexts // 2, 0), act)[1], "another scene's future"),
                     "sham": chunk(put(sham(own), act)[1], "its own future, hardly changed")}
    if POLICY in model.answers():
        controls["blocked"] = chunk(put(None, act)[1], "no future")
    return np.concatenate(answered, 1), controls


def sham(future: Float[Tensor, "*batch w"]) -> Float[Tensor, "*batch w"]:
    """A future that no eye can tell from the given one."""
    stripes = torch.zeros(future.shape[-1]).index_fill(0, torch.arange(0, future.shape[-1], 2), SHAM)
    return (future + stripes.to(future.device)).clamp(0, 1)


def execute(branches: Branches, actions: Float32[ndarray, "C K H A"], build: Callable[[], Simulator], offsets: tuple[int, ...],
            workers: int = 1, progress: Progress | None = None) -> dict[str, ndarray]:
    """Execute chunks from the restored states of all contexts: true states per entity [C, K, T, D]."""
    job = Doing(branches, actions, build, offsets)
    scenes = sorted({int(scene) for scene in branches.scene})
    found: dict[int, Mapping[str, ndarray]] = {}
    if workers > 1 and len(scenes) > 1:
        for part in in_workers(job, [scenes[i::workers] for i in range(min(workers, len(scenes)))]):
            found |= part
    else:
        found = job(scenes, lambda: True, (lambda done: progress(done, len(scenes))) if progress else lambda done: None)
    return {e.name: np.stack([found[c][e.name] for c in range(len(branches))]) for e in branches.spec.entities}


@dataclass(frozen=True)
class Doing:
    """A picklable piece of work: the contexts of some scenes."""

    branches: Branches
    actions: Float32[ndarray, "C K H A"]
    build: Callable[[], Simulator]
    offsets: tuple[int, ...]

    def __call__(self, scenes: list[int], alive: Callable[[], bool],
                 done: Callable[[int], None] = lambda count: None) -> dict[int, Mapping[str, ndarray]]:
        simulator = self.build()
        found: dict[int, Mapping[str, ndarray]] = {}
        simulator.renders = False
        try:
            for count, scene in enumerate(scenes, 1):
                visit = revisit(simulator, self.branches.protocol, scene)
                for c in np.flatnonzero(self.branches.scene == scene):
                    if not alive():
                        return found
                    found[int(c)] = self.context(simulator, visit.states[int(self.branches.step[c])], int(c))
                done(count)
        finally:
            simulator.close()
        return found

    def context(self, simulator: Simulator, state: object, c: int) -> dict[str, ndarray]:
        """True states after every chunk of one context."""
        names = [e.name for e in simulator.task_spec.entities]
        rows: dict[str, list[ndarray]] = {name: [] for name in names}
        for chunk in self.actions[c]:
            simulator.load_state(state)
            if any((simulator.truth()[name] != self.branches.truth[name][c, 0, 0]).any() for name in names):
                raise DataError("the simulator did not come back to the saved state", where=f"context {c}",
                                expected="the scene as the branches recorded it", got="another state",
                                fix="make the branches again with this version of the simulator")
            places = []
            for ahead, action in enumerate(chunk[:max(self.offsets)], 1):
                simulator.step(action)
                if ahead in self.offsets:
                    places.append(simulator.truth())
            for name in names:
                rows[name].append(np.stack([place[name] for place in places]))
        return {name: np.stack(value) for name, value in rows.items()}
