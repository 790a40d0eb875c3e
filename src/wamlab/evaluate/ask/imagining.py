"""What a model imagines for the actions of branches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from numpy import ndarray

from ...data.atomic import make_folder, write_whole
from ...data.sealed import seal, unseal
from ...errors import DataError, Unanswerable
from ...models.base import WorldActionModel
from ...ranges import SEED
from ...spec import check
from ...types import WORLD_MODEL, Context, Given, as_image
from .branch_data import Branches
from .manifest import DEAF, NO_IMAGINATION


def why_not(model: WorldActionModel) -> str:
    """Why a model cannot be asked what a given action will do; empty if it can."""
    if WORLD_MODEL in model.answers():
        return ""
    return DEAF if any(query.future == "sought" for query in model.answers()) else NO_IMAGINATION


@dataclass(frozen=True, eq=False)
class Futures:
    """Imagined frames for every context and action."""

    frames: UInt8[ndarray, "C K F h w 3"]
    offsets: tuple[int, ...]
    """steps ahead that they show"""

    def save(self, path: Path) -> None:
        """Write atomically, so that a log can be scored again without the model. Raises DataError if it cannot be written."""
        make_folder(path.parent)
        write_whole(path, seal({"frames": np.ascontiguousarray(self.frames), "offsets": np.array(self.offsets)}))

    @classmethod
    def load(cls, path: str | Path) -> Futures:
        """Read what `save` wrote. Raises DataError if the file is missing or damaged."""
        path, fix = Path(path), "move the file away; the model is asked again"
        if not path.exists():
            raise DataError("there are no imagined futures to read", where=path, expected="a file that was saved", fix=fix)
        arrays = unseal(path, "the file of imagined futures", fix).arrays
        frames, offsets = arrays.get("frames"), arrays.get("offsets")
        if frames is None or offsets is None or frames.dtype != np.uint8 or frames.ndim != 6 or offsets.dtype != np.int64 \
                or offsets.shape != frames.shape[2:3] or frames.shape[-1] != 3:
            got = ", ".join(f"{name} {value.dtype} {value.shape}" for name, value in arrays.items())
            raise DataError("the imagined futures are damaged", where=path, got=got[:200], fix=fix,
                            expected="uint8 frames [C, K, F, h, w, 3], F offsets")
        return cls(frames, tuple(int(offset) for offset in offsets))


def imagine_branches(model: WorldActionModel, branches: Branches, *, seed: int = 0, batch: int = 36,
                     progress: Callable[[int, int], None] | None = None) -> Futures:
    """Ask the model for the future of every action of every context.

    All actions of a context get the same noise, so that two imagined futures, like two true ones, differ by nothing
    but the action.

    Args:
        batch: questions at once.
        progress: called with (questions answered, questions).

    Raises:
        Unanswerable: if the model's future does not follow a given action by its wiring.
        DataError: if the branches are too short, or show other offsets or less history than the model needs.
        SpecError: if they come from a world of another kind.
    """
    SEED.check(seed, "seed")
    if why := why_not(model):
        raise Unanswerable(why, where=type(model).__name__, expected=WORLD_MODEL,
                           got="; ".join(sorted(map(str, model.answers()))))
    check(branches.spec, model.task_spec)
    protocol = branches.protocol
    missing = set(model.offsets) - set(protocol.offsets)
    if missing or model.chunk > protocol.horizon or model.history > protocol.history:
        raise DataError("the branches do not fit the model", where=protocol.task,
                        expected=f"offsets {model.offsets}, horizon >= {model.chunk}, history >= {model.history}",
                        got=f"offsets {protocol.offsets}, horizon {protocol.horizon}, history {protocol.history}",
                        fix="make branches with a protocol of the model's sizes")
    contexts, kinds = branches.actions.shape[:2]
    height, width = branches.spec.image_size
    frames = np.empty((contexts * kinds, len(model.offsets), height, width, 3), np.uint8)
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    seen = torch.from_numpy(branches.context_frames[:, -model.history:]).movedim(-1, -3)
    state = torch.from_numpy(branches.context_state[:, -model.history:])
    actions = torch.from_numpy(branches.actions[:, :, :model.chunk])
    model.eval()
    for start in range(0, len(frames), batch):
        c, k = np.divmod(np.arange(start, min(start + batch, len(frames))), kinds)
        context = Context(seen[c].contiguous().to(device), state[c].to(device), (branches.spec.instruction,) * len(c))
        seeds = [seed * 1_000_003 + int(i) for i in c]
        with torch.inference_mode():
            answer = model.predict(context, Given(action=actions[c, k].to(device)), {"future"}, seeds)
        assert answer.future is not None
        frames[start:start + len(c)] = as_image(answer.future)
        if progress is not None:
            progress(start + len(c), len(frames))
    return Futures(frames.reshape(contexts, kinds, *frames.shape[1:]), tuple(model.offsets))
