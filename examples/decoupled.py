"""A trained model whose future is taken off its action afterwards: it still shows a future and still acts, but neither follows
the other. The control that the causal card must call a decorative future.

    python examples/decoupled.py checkpoints/uwm/model checkpoints/off
    wam rollout checkpoints/off metaworld/drawer-open --recipe examples/decoupled.py --out rollouts/off

What it shows is what the model would imagine of the scene in a mirror; what it does is what it does without imagining.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from wamlab import recipe
from wamlab.config import from_json
from wamlab.learn import checkpoint
from wamlab.models.stream import StreamWAM
from wamlab.models.streams import Streams
from wamlab.spec import TaskSpec
from wamlab.types import POLICY, VIDEO, Context, Given, Prediction, Query
from wamlab.userfile import load_file


class DecoupledWAM(StreamWAM):
    def _predict(self, context: Context, given: Given, query: Query, seeds: Sequence[int]) -> Prediction:
        shown = done = None
        if query.future == "sought":
            mirrored = replace(context, frames=context.frames.flip(-1))
            shown = super()._predict(mirrored, Given(), VIDEO, seeds).future
        if query.action == "sought":
            done = super()._predict(context, Given(), POLICY, seeds).action
        return Prediction(shown, done)


@dataclass(frozen=True)
class DecoupledStreams(Streams):
    def build(self, task_spec: TaskSpec) -> DecoupledWAM:
        return DecoupledWAM(self, task_spec)


def taken_off(model: Streams) -> DecoupledStreams:
    """The same settings, built as a model whose future is decoupled."""
    return DecoupledStreams(**{field.name: vars(model)[field.name] for field in fields(model)})


def decouple(source: Path, target: Path) -> Path:
    """A copy of a trained model (a recipe of the package that acts also without imagining) with its future taken off."""
    header = checkpoint.read_header(source)
    trained = from_json(recipe.Recipe, header["recipe"], str(source), checkpoint.KNOWN)
    task = from_json(TaskSpec, header["task_spec"], str(source))
    made = replace(decoupled, model=taken_off(trained.model), training=trained.training)
    extra = {name: header[name] for name in ("curves", "curve_names", "seed", "step") if name in header}
    checkpoint.save(target, checkpoint.read_tensors(source), made, task, extra)
    return target


uwm = recipe.load("uwm")
decoupled = replace(uwm, name="decoupled", summary="a joint model whose future was taken off its action after training",
                    paper="none: a control", differs="the future is that of the mirrored scene, the action needs none",
                    model=taken_off(uwm.model))
del uwm

if __name__ == "__main__":
    print(load_file(__file__, "decouple").decouple(*map(Path, sys.argv[1:3])))  # a checkpoint names no class of __main__
