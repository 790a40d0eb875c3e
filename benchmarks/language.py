"""What the stream language costs: training steps, tokens of many chunks, decisions with and without memory, tokens one by one.

    python benchmarks/language.py docs/results/language.json
    python benchmarks/language.py OUT.json --against ../another/checkout/src      its training steps beside, round by round

CPU seconds of one thread at the recipes' default size, medians over rounds in which all take turns, so that whatever else the
machine does falls on all alike; ratios are what is meant to be read.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from wamlab import recipe
from wamlab.spec import ActionSpec, TaskSpec
from wamlab.types import Batch, Context

ROUNDS, SIZE = 7, 32


def task() -> TaskSpec:
    action = ActionSpec(("x", "y", "z", "grip"), (-1.0,) * 4, (1.0,) * 4, ("1",) * 4)
    return TaskSpec("toy", "push it", ("main",), (64, 64), ("x", "y", "z"), action, (), 20.0, 50)


def context(size: int, g: torch.Generator) -> Context:
    frames = torch.randint(0, 256, (size, 1, 3, 64, 64), dtype=torch.uint8, generator=g)
    return Context(frames, torch.randn(size, 1, 3, generator=g), ("push it",) * size)


def batch(model: Any, size: int, chunks: int) -> Batch:
    g, parts, offsets = torch.Generator().manual_seed(0), [], len(model.offsets)
    for _ in range(chunks):
        yes, frames = torch.ones(size, model.chunk, dtype=torch.bool), torch.zeros(size, offsets, 3, 64, 64, dtype=torch.uint8)
        parts.append(Batch(context(size, g), frames, yes[:, :1].expand(-1, offsets),
                           torch.rand(size, model.chunk, 4, generator=g), yes, yes[:, 0],
                           torch.arange(model.history + offsets).repeat(size, 1)))
    return replace(parts[0], later=tuple(parts[1:])) if chunks > 1 else parts[0]


class Steps:
    """Training steps of one recipe, on cached latents as in training."""

    def __init__(self, name: str):
        torch.manual_seed(0)
        self.model = recipe.load(name).model.build(task())
        chunks = getattr(self.model, "chunks", 1)  # another checkout may know of none
        if self.model.codec is not None:
            self.model.latents = self.model.codec.encode(torch.rand(8, 3, 64, 64)).detach()
            self.model.codec.requires_grad_(False)
        self.optimiser = torch.optim.AdamW([p for p in self.model.parameters() if p.requires_grad], 1e-3)
        self.batch = batch(self.model, max(1, SIZE // chunks), chunks)

    def __call__(self, number: int) -> float:
        start = time.process_time()
        self.optimiser.zero_grad()
        self.model.loss(self.batch, number)["total"].backward()
        self.optimiser.step()
        return time.process_time() - start


def steps(names: list[str]) -> dict[str, list[float]]:
    """CPU seconds per step and recipe; the first round warms up and is left out."""
    models = {name: Steps(name) for name in names}
    rounds = [{name: model(number) for name, model in models.items()} for number in range(ROUNDS + 1)]
    return {name: [one[name] for one in rounds[1:]] for name in names}


def elsewhere(source: str, names: list[str]) -> dict[str, list[float]]:
    """The same of another checkout."""
    code = f"import runpy, json, sys; m = runpy.run_path({__file__!r}); print(json.dumps(m['steps']({names!r})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          env=os.environ | {"PYTHONPATH": source, "OMP_NUM_THREADS": "1"})
    return json.loads(done.stdout.splitlines()[-1])


def decisions(name: str = "dreamzero") -> dict[str, float]:
    """A decision that remembers three chunks, from memory and computed anew: CPU seconds."""
    from wamlab.models.session import Session
    from wamlab.types import Given

    torch.manual_seed(0)
    model = recipe.load(name).model.build(task()).eval()
    g = torch.Generator().manual_seed(1)
    found: dict[str, list[float]] = {"cached": [], "recomputed": []}
    with torch.inference_mode():
        sessions = {"cached": Session(model, context(1, g)), "recomputed": Session(model, context(1, g), use_cache=False)}
        for _ in range(model.chunks - 1):
            happened, now = Given(torch.rand(1, 2, 3, 64, 64, generator=g), torch.rand(1, 8, 4, generator=g)), context(1, g)
            for session in sessions.values():
                session.observe(now, happened)
        for _ in range(ROUNDS + 1):
            for kind, session in sessions.items():
                start = time.process_time()
                session.predict(seeds=[0])
                found[kind].append(time.process_time() - start)
    return {kind: statistics.median(times[1:]) for kind, times in found.items()}


def written(name: str = "world_vla") -> dict[str, float] | None:
    """The frames of one chunk, written code by code: CPU seconds with and without memory. None where no recipe does so."""
    from wamlab.models.session import Session
    from wamlab.types import Given

    if name not in recipe.names():
        return None
    torch.manual_seed(0)
    model = recipe.load(name).model.build(task()).eval()
    g = torch.Generator().manual_seed(1)
    given, found = Given(action=torch.rand(1, model.chunk, 4, generator=g)), {"cached": [], "recomputed": []}
    now = context(1, g)
    with torch.inference_mode():
        for _ in range(3):
            for kind, times in found.items():
                session = Session(model, now, use_cache=kind == "cached")
                start = time.process_time()
                session.predict(given, {"future"}, [0])
                times.append(time.process_time() - start)
    return {kind: statistics.median(times[1:]) for kind, times in found.items()} | {
        "tokens": model.contents["future"].tokens}


def main() -> None:
    from wamlab.evaluate.provenance import provenance

    torch.set_num_threads(1)
    out, options = Path(sys.argv[1]), sys.argv[2:]
    names = list(recipe.names())
    here = steps(names)
    median = {name: statistics.median(times) for name, times in here.items()}
    result: dict[str, Any] = {"step_seconds": {name: round(value, 4) for name, value in median.items()}}
    if "--against" in options:
        source = options[options.index("--against") + 1]
        before = [one for one in names if (Path(source) / f"wamlab/recipes/{one}.py").exists() or one.startswith("fast_wam")]
        ratios: dict[str, list[float]] = {name: [] for name in before}
        for _ in range(3):
            there, again = elsewhere(source, before), elsewhere(str(Path(recipe.__file__).parents[1]), before)
            for name in before:
                ratios[name].append(statistics.median(again[name]) / statistics.median(there[name]))
        result["step_ratio_to_before"] = {name: round(statistics.median(values), 3) for name, values in ratios.items()}
    tokens = {name: sum(model.contents[s].tokens for s in model.table.generated) * model.chunks * max(1, SIZE // model.chunks)
              for name in ("uwm", "dreamzero") for model in [recipe.load(name).model.build(task())]}
    result["dreamzero_per_token_of_uwm"] = round(median["dreamzero"] / tokens["dreamzero"] / (median["uwm"] / tokens["uwm"]), 3)
    for what, found in (("decision_at_4_chunks", decisions()), ("codes_one_by_one", written())):
        if found is not None:
            result[what] = {k: round(v, 4) for k, v in found.items()} | {
                "times_faster": round(found["recomputed"] / found["cached"], 2)}
    told = provenance("python benchmarks/language.py OUT.json --against CHECKOUT/src", seeds=[0])
    out.write_text(json.dumps(told | result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
