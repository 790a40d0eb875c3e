"""Do the scripted experts still solve their tasks when friction and mass vary, and what does measuring cost?

    python benchmarks/randomised.py [--scenes 20] [--out docs/results/randomised.json]

The same scenes with and without randomisation; nothing is rendered, so what camera, light and colour do to pictures does not
count. Cost: CPU time per control step of an expert's episode, with a 64x64 frame, without and with each modality.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from wamlab.control.collect import demonstrate
from wamlab.evaluate.provenance import provenance
from wamlab.evaluate.statistics import clopper_pearson, mcnemar
from wamlab.simulators import make
from wamlab.simulators.randomise import FRICTION, MASS

TASKS = ("drawer-open", "button-press-topdown", "plate-slide", "push", "pick-place")
KINDS = ("friction", "mass")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scenes", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("docs/results/randomised.json"))
    asked = parser.parse_args()
    tasks, pairs = {}, []
    for task in TASKS:
        world = make(f"metaworld/{task}", renders=False)
        solved = {}
        for name, kinds in (("plain", ()), ("varied", KINDS)):
            world.randomise = kinds
            solved[name] = [demonstrate(world, "expert", 0, index).solved for index in range(asked.scenes)]
        world.close()
        pairs += list(zip(solved["plain"], solved["varied"], strict=True))
        tasks[task] = {name: int(sum(found)) for name, found in solved.items()}
        print(task, tasks[task], flush=True)
    count = len(pairs)
    total = {name: {"solved": sum(pair[place] for pair in pairs), "of": count,
                    "interval": list(clopper_pearson(sum(pair[place] for pair in pairs), count))}
             for place, name in enumerate(("plain", "varied"))}
    only = [sum(a and not b for a, b in pairs), sum(b and not a for a, b in pairs)]
    world, cost = make("metaworld/push"), {}
    for names in ((), ("depth",), ("segmentation",), ("contacts",), ("poses",)):
        best = float("inf")
        for _ in range(3):
            begin = time.process_time()
            steps = len(demonstrate(world, "expert", 0, 0, names))
            best = min(best, (time.process_time() - begin) / steps)
        cost[names[0] if names else "frames alone"] = 1e3 * best
    renderer = world.renderer
    world.close()
    print(json.dumps([total, only, cost], indent=1))
    asked.out.write_text(json.dumps({
        "provenance": provenance("python benchmarks/randomised.py", seeds=[0], renderer=renderer), "friction": FRICTION,
        "mass": MASS, "tasks": tasks, "all": total, "solved_only": {"plain": only[0], "varied": only[1], "p": mcnemar(*only)},
        "ms_per_control_step": cost}, indent=1) + "\n")


if __name__ == "__main__":
    main()
