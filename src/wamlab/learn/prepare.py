"""What is measured on the data before a model's own training starts: scales, and every frame's latents."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import UInt8
from numpy import ndarray
from torch import Tensor

from ..data.draws import Source
from ..data.windows import Windows
from ..errors import SpecError
from ..models.base import WorldActionModel
from ..parts.codecs import Codec
from ..signals import FRAMES
from ..types import Batch
from .diagnosis import statistics


def long_enough(model: WorldActionModel, windows: Windows) -> None:
    """Raises SpecError if no episode reaches into the last chunk that the model is to learn."""
    needed, longest = (model.chunks - 1) * model.chunk + 1, windows.longest
    if longest < needed:
        raise SpecError("no episode is as long as the model's memory", where="Streams.chunks",
                        expected=f"an episode of at least {needed} actions ({model.chunks} chunks of {model.chunk})",
                        got=f"at most {longest}", fix=f"chunks={max(1, (longest - 1) // model.chunk + 1)}, or longer episodes")


def prepare(model: WorldActionModel, windows: Windows, sources: Sequence[Source], device: torch.device,
            settle: Callable[[], None] = lambda: None) -> dict[str, dict[str, list[float]] | None]:
    """Set the model's normalisation, and return what was measured of "action" and "state". Where there is a codec, which has
    been learned by now: freeze and whiten it, encode every frame once, and set the scale of the future.

    Args:
        settle: called whenever something was measured: puts back what is not to be measured anew.
    """
    imitable = np.concatenate([source.imitated for source in sources])
    others = np.concatenate([source.others for source in sources])
    even = np.unique(np.linspace(0, len(imitable) - 1, 4096).astype(int))
    known = np.argsort(~windows.has_action[others], kind="stable")[:4096]  # unknown actions last
    sample = windows.batch(imitable[even] if len(imitable) else others[known]).to(device)
    model.fit(sample.action[sample.action_mask], sample.context.state[sample.context.known].flatten(0, 1))
    settle()
    if model.codec is not None:
        _freeze(model, model.codec, windows, device, settle)
    if model.needs:
        model.fit_signals(windows.batch(np.unique(np.linspace(0, len(windows) - 1, 1024).astype(int))).to(device))
        settle()
    every = windows.batch(np.unique(np.linspace(0, len(windows) - 1, 4096).astype(int)), frames=False)  # play included
    return {"action": statistics(every.action[every.action_mask].numpy()),
            "state": statistics(every.context.state[every.context.known].flatten(0, 1).numpy())}


@torch.no_grad()
def _freeze(model: WorldActionModel, codec: Codec, windows: Windows, device: torch.device,
            settle: Callable[[], None]) -> None:
    codec.freeze(model.draws)
    sample = windows.batch(np.unique(np.linspace(0, len(windows) - 1, 2048).astype(int))).to(device)
    codec.fit(torch.cat([frames_of(sample, camera)[:, 0][:512] for camera in model.filmed]).float() / 255)
    settle()
    model.latents = latents_of(model, codec, windows, device)
    if "" not in model.latents:
        return
    whole = sample.future_mask.all(1) | ~sample.future_mask.all(1).any()  # if no episode is that long: what there is
    place = sample.frame_index[whole][:, model.history - 1 :]
    latents, known = model.latents[""][place], (sample.has_action & sample.context.known)[whole]
    states = torch.from_numpy(windows.states).to(device)[place][known]
    model.fit_motion(latents, sample.action[whole][known], states[:, 1:] - states[:, :1])
    some = torch.where(whole)[0][:: max(1, int(whole.sum()) // 256)]
    model.fit_frames(sample.context.frames[some, -1].float() / 255, sample.future[some].float() / 255)
    settle()


def frames_of(batch: Batch, camera: str) -> UInt8[Tensor, "N S C h w"]:
    """A camera's frames of now and of the future's offsets, of the windows in which it is known; "": the main one."""
    if not camera:
        return torch.cat([batch.context.frames[:, -1:], batch.future], 1)
    now, ahead = (part.signals[FRAMES + camera] for part in (batch.context, batch))
    here = now.known[:, -1]
    return torch.cat([now.values[here, -1:], ahead.values[here]], 1)


def latents_of(model: WorldActionModel, codec: Codec, windows: Windows, device: torch.device) -> dict[str, Tensor]:
    """What the codec makes of every frame of every camera that it serves: [N, n, c] each."""
    return {camera: encoded(codec, windows.tracks.rows[FRAMES + camera] if camera else windows.frames, device)
            for camera in model.filmed}


@torch.no_grad()
def encoded(codec: Codec, frames: UInt8[ndarray, "N h w 3"], device: torch.device) -> Tensor:
    """[N, n, c]."""
    return torch.cat([codec.encode(torch.from_numpy(np.array(frames[i : i + 256])).to(device).permute(0, 3, 1, 2).float() / 255)
                      for i in range(0, len(frames), 256)])
