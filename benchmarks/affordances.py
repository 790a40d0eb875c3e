"""Affordances (contact and path afterwards): extracted from demonstrations, performed, extracted again.

    python benchmarks/affordances.py docs/results/affordances.json

PushWorld and two Meta-World tasks, from the experts' demonstrations in scenes of their own; minutes on one core.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path

from wamlab.control.collect import demonstrate
from wamlab.evaluate.provenance import provenance
from wamlab.labels.quality.affordances import round_trips
from wamlab.simulators import make

TASKS = {"pushworld": 40, "metaworld/drawer-open": 20, "metaworld/plate-slide": 20}
"""task and number of demonstrations"""
SEED = 7


def kept(value: object) -> bool:
    """Leaves out what a score does not say; zero is said."""
    return value is not None and value is not False and value != ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path)
    asked = parser.parse_args()
    found, renderers, start = {}, [], time.process_time()
    for task, count in TASKS.items():
        simulator = make(task)
        simulator.renders = False
        episodes = [demonstrate(simulator, "expert", SEED, index, ("segmentation",)) for index in range(count)]
        found[task] = [{k: round(v, 5) if isinstance(v, float) else v for k, v in asdict(score).items()
                        if kept(v)} for score in round_trips(simulator, episodes, "object", seed=SEED)]
        renderers.append(simulator.renderer)
        simulator.close()
        for row in found[task]:
            print(f"{task:<24}{row['model']:<20}{row['metric']:<26}{row['value']:8.3f}  [{row['low']:.3f}, {row['high']:.3f}]",
                  flush=True)
    said = provenance(f"python benchmarks/affordances.py {asked.out}", [SEED], renderers)
    asked.out.write_text(json.dumps({"provenance": said, "demonstrations": TASKS, "scores": found,
                                     "cpu_seconds": round(time.process_time() - start)}, indent=1) + "\n")


if __name__ == "__main__":
    main()
