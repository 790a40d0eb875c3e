"""Same moment, other actions: what would the model see happen?

    python examples/what_if.py runs/first

Takes a finished run, asks its world action model for the future of the recorded actions, of their opposite and of none, and
writes the imagined frames, a row per question, to what_if.png.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from wamlab.data.store import EpisodeStore
from wamlab.data.windows import Windows
from wamlab.learn.checkpoint import load_model
from wamlab.types import Given, as_image

run = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/first")
model = load_model(run / "models" / "uwm" / "model")
store = EpisodeStore.open(sorted((run / "data").iterdir())[0])
windows = Windows([store], history=model.history, chunk=model.chunk, offsets=model.offsets)
batch = windows.batch(np.array([len(windows) // 3]))

rows = []
questions = {"as recorded": batch.action, "the opposite": -batch.action, "nothing": torch.zeros_like(batch.action)}
for name, action in questions.items():
    answer = model.predict(batch.context, Given(action=action), want={"future"})
    frames = as_image(answer.future[0])
    change = np.abs(frames[-1].astype(int) - as_image(batch.context.frames[0, -1:] / 255)[0]).mean()
    print(f"{name:>12}: mean change of a pixel {change:.1f} of 255")
    rows.append(np.concatenate(list(frames), axis=1))
picture = Image.fromarray(np.concatenate(rows))
picture.resize((4 * picture.width, 4 * picture.height), Image.Resampling.NEAREST).save("what_if.png")
print("picture: what_if.png")
