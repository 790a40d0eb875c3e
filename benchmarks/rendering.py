"""Meta-World with one 64x64 camera: stepping and rendering with MuJoCo's default settings against this package's.

    python benchmarks/rendering.py [--task push] [--rounds 9] [--out docs/results/rendering.json]

Both draw the same simulator in one process, in turns. CPU milliseconds are process time over all threads, the median
of the rounds. "Native step" is Meta-World's own (12.5 ms of simulated time, one frame each, as its own `render` does),
"control step" four of them, as this package steps; with pictures this cheap, stepping is what is left. The ratio
is what to compare, for it depends little on the machine's load.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from wamlab.evaluate.provenance import provenance
from wamlab.simulators import make
from wamlab.simulators.backend import BACKEND, mujoco
from wamlab.simulators.metaworld import CAMERA, MetaWorld
from wamlab.simulators.raycast import RaycastRenderer
from wamlab.simulators.rendering import fingerprint, open_renderer
from wamlab.simulators.scene import free_camera


def cpu_ms(work: Callable[[], object], count: int) -> float:
    begin = time.process_time()
    for _ in range(count):
        work()
    return (time.process_time() - begin) * 1e3 / count


def pushworld() -> dict[str, int]:
    """Control steps a CPU second, with and without pictures."""
    speeds = {}
    for name, renders in (("without pictures", False), ("with pictures", True)):
        world = make("pushworld", renders=renders)
        world.reset(seed=0)
        act = np.array([0.1, 0.0], np.float32)
        speeds[name] = round(1e3 / cpu_ms(partial(world.step, act), 2000))
        world.close()
    return speeds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--task", default="push")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if BACKEND == "raycast":
        raise SystemExit("MuJoCo's default renderer needs OpenGL; this machine has none to compare with")

    world = MetaWorld(arguments.task, renders=False)
    model, data, camera = world.world.model, world.world.data, free_camera(*CAMERA)
    default = mujoco.Renderer(model, 64, 64)
    fast, cast = open_renderer(model), RaycastRenderer(model)
    action = np.zeros(4, np.float32)

    def draw_default() -> np.ndarray:
        default._gl_context.make_current()  # two contexts in one process
        default.update_scene(data, camera)
        return default.render()

    def draw_fast() -> np.ndarray:
        fast.update(data, camera)
        return fast.rgb((64, 64))

    def draw_cast() -> None:
        cast.update(data, camera)
        cast.rgb((64, 64))

    def step() -> None:
        world.world.step(action)

    difference = np.abs(draw_default().astype(int) - draw_fast()).mean()
    times: dict[str, list[float]] = {"step": [], "default": [], "fast": [], "raycast": []}
    for _ in range(arguments.rounds):
        for name, work, count in (("step", step, 100), ("default", draw_default, 5), ("fast", draw_fast, 50),
                                  ("raycast", draw_cast, 20)):
            work()  # fills caches that the other one has emptied
            times[name].append(cpu_ms(work, count))
    native, slow, quick = (statistics.median(times[name]) for name in ("step", "default", "fast"))
    control = 4 * native
    print(f"{'CPU ms':24}{'MuJoCo default':>16}{'wamlab':>10}{'ratio':>8}")
    for label, a, b in (("one 64x64 frame", slow, quick), ("native step + frame", native + slow, native + quick),
                        ("control step + frame", control + slow, control + quick)):
        print(f"{label:24}{a:16.2f}{b:10.2f}{a / b:8.1f}")
    found = {"task": world.task_spec.task, "rounds": arguments.rounds,
             "native_step_ms": round(native, 3), "default_ms": round(slow, 2), "fast_ms": round(quick, 3),
             "raycast_ms": round(statistics.median(times["raycast"]), 2), "frame_ratio": round(slow / quick, 1),
             "native_step_and_frame_ratio": round((native + slow) / (native + quick), 1),
             "control_step_and_frame_ratio": round((control + slow) / (control + quick), 1),
             "mean_difference_of_255": round(float(difference), 2), "pushworld_steps_per_cpu_second": pushworld()}
    print(json.dumps(found))
    if arguments.out:
        facts = provenance(f"python benchmarks/rendering.py --task {arguments.task}", renderer=fingerprint())
        arguments.out.write_text(json.dumps(facts | found, indent=1) + "\n")
    fast.close()
    cast.close()
    world.close()


if __name__ == "__main__":
    main()
