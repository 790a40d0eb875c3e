"""Put the logs of finished runs side by side, for docs/results.

    python benchmarks/summarise.py docs/results/first-run.json runs/seed0 runs/seed1 runs/seed2

Writes one JSON file: what was run, where, every score of every run (null models' too), and the median over the runs.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path

from wamlab.evaluate.log import EvalLog

KEPT = ("success", "psnr", "branch.psnr", "ssim", "cc", "fcs", "pea", "identification", "false_effect", "latency", "readout")


def kept(metric: str) -> bool:
    return any(metric == name or metric.startswith(name + ".") for name in KEPT)


def main(out: Path, folders: list[Path]) -> None:
    runs, values = [], defaultdict(list)
    for folder in folders:
        log = EvalLog.load(folder / "log")
        scores = [s for s in log.scores if kept(s.metric) and s.value is not None]
        for score in scores:
            values[f"{score.model} | {score.task} | {score.metric}"].append(score.value)
        facts = {k: log.provenance.get(k) for k in ("command", "seeds", "cpu", "cores", "threads", "packages", "renderer",
                                                    "commit", "date")}
        runs.append(facts | {"seconds": dict(log.timings), "scores": [
            {k: round(v, 5) if isinstance(v, float) else v for k, v in asdict(s).items() if v not in ("", False, None)}
            for s in scores]})
    medians = {name: {"median": round(statistics.median(found), 4), "runs": [round(v, 4) for v in found]}
               for name, found in sorted(values.items()) if not name.startswith(("null", "readout"))}
    out.write_text(json.dumps({"medians": medians, "runs": runs}, indent=1) + "\n")
    for name, found in medians.items():
        if name.split(" | ")[2] in ("success", "cc.robot", "cc.object", "psnr.changed.gain", "psnr.gain", "fcs"):
            print(f"{name:<60} median {found['median']:<8} runs {found['runs']}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(p) for p in sys.argv[2:]])
