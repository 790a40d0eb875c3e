"""The main job's wall time, CPU seconds and peak memory, of the whole process tree, on a machine that does nothing else.

    python benchmarks/main_job.py docs/results/main-job.json
    python benchmarks/main_job.py /tmp/debug.json --size debug

Everything after the first argument goes to `wam run`. Every other second the processes are read (Linux): memory is the
sum of their proportional set sizes, in which shared pages count once; CPU time the sum of what each had used when it was
last seen.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from wamlab.evaluate.provenance import provenance


def family(root: int) -> list[int]:
    """`root` and all that descend from it."""
    parent = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
    found = {root}
    while more := {pid for pid, above in parent.items() if above in found} - found:
        found |= more
    return sorted(found)


def cpu_seconds(pid: int) -> float:
    """User and system time of one process, without its children."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def main() -> None:
    out, options = Path(sys.argv[1]), sys.argv[2:]
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        home = options[options.index("--out") + 1] if "--out" in options else f"{folder}/run"
        rest = [o for i, o in enumerate(options) if o != "--out" and options[i - 1:i] != ["--out"]]
        start, peak = time.perf_counter(), 0
        used: dict[int, float] = {}
        job = subprocess.Popen([sys.executable, "-m", "wamlab", "run", "--out", home, "--json", *rest],
                               stdout=subprocess.PIPE, text=True)
        while job.poll() is None:
            tree = family(job.pid)
            peak = max(peak, sum(memory(pid) for pid in tree))
            used |= {pid: max(used.get(pid, 0.0), cpu_seconds(pid)) for pid in tree}
            time.sleep(2.0)
        wall = time.perf_counter() - start
        printed = job.communicate()[0]
    if job.returncode:
        raise SystemExit(f"wam run ended with {job.returncode}")
    facts = provenance(" ".join(["wam run", *rest]), seeds=[0])
    measured = {"wall_seconds": round(wall, 1), "cpu_seconds": round(sum(used.values()), 1),
                "peak_memory_bytes": peak, "load_before": load, "models": json.loads(printed)["models"]}
    out.write_text(json.dumps(facts | measured, indent=1) + "\n")
    print(f"{wall:.0f} s wall, {measured['cpu_seconds']:.0f} CPU s, {peak / 2**30:.2f} GiB")


if __name__ == "__main__":
    main()
