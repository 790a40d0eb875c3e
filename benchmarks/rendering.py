"""Meta-World with one 64x64 camera: stepping and rendering with MuJoCo's default settings against this package's.

    python benchmarks/rendering.py [--task push] [--rounds 9]

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

import numpy as np

from wamlab.simulators.backend import BACKEND, mujoco
from wamlab.simulators.metaworld import CAMERA, MetaWorld
from wamlab.simulators.rendering import fingerprint, open_renderer
from wamlab.simulators.scene import free_camera


def cpu_ms(work: Callable[[], object], count: int) -> float:
    begin = time.process_time()
    for _ in range(count):
        work()
    return (time.process_time() - begin) * 1e3 / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--task", default="push")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    if BACKEND == "raycast":
        raise SystemExit("MuJoCo's default renderer needs OpenGL; this machine has none to compare with")

    world = MetaWorld(arguments.task, renders=False)
    model, data, camera = world.world.model, world.world.data, free_camera(*CAMERA)
    default = mujoco.Renderer(model, 64, 64)
    fast = open_renderer(model)
    action = np.zeros(4, np.float32)

    def draw_default() -> np.ndarray:
        default._gl_context.make_current()  # two contexts in one process
        default.update_scene(data, camera)
        return default.render()

    def draw_fast() -> np.ndarray:
        fast.update(data, camera)
        return fast.rgb((64, 64))

    def step() -> None:
        world.world.step(action)

    difference = np.abs(draw_default().astype(int) - draw_fast()).mean()
    times: dict[str, list[float]] = {"step": [], "default": [], "fast": []}
    for _ in range(arguments.rounds):
        for name, work, count in (("step", step, 100), ("default", draw_default, 5), ("fast", draw_fast, 50)):
            work()  # fills caches that the other one has emptied
            times[name].append(cpu_ms(work, count))
    native, slow, quick = (statistics.median(times[name]) for name in ("step", "default", "fast"))
    control = 4 * native
    print(f"{'CPU ms':24}{'MuJoCo default':>16}{'wamlab':>10}{'ratio':>8}")
    for label, a, b in (("one 64x64 frame", slow, quick), ("native step + frame", native + slow, native + quick),
                        ("control step + frame", control + slow, control + quick)):
        print(f"{label:24}{a:16.2f}{b:10.2f}{a / b:8.1f}")
    print(json.dumps({"task": world.task_spec.task, "renderer": fingerprint(), "rounds": arguments.rounds,
                      "native_step_ms": round(native, 3), "default_ms": round(slow, 2), "fast_ms": round(quick, 3),
                      "frame_ratio": round(slow / quick, 1),
                      "step_and_frame_ratio": round((native + slow) / (native + quick), 1),
                      "mean_difference_of_255": round(float(difference), 2)}))
    fast.close()
    world.close()


if __name__ == "__main__":
    main()
