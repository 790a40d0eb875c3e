"""What is wrong with a dataset is found and named; what is right is left alone."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from lerobot_fakes import bench_lerobot, bench_store
from mutations import CONTENT, TABLE, fingerprint, kind_of, make_case
from wamlab.data.check.run import check_dataset
from wamlab.errors import DataError, WamError
from wamlab.evaluate.provenance import provenance

RESULTS = Path(__file__).parents[1] / "docs/results/data-mutations.json"
ALL = 1000
SAMPLE = sorted({kind_of(seed): seed for seed in reversed(range(ALL))}.values())
"""the first of each kind"""


@pytest.fixture(scope="session")
def good(tmp_path_factory):
    return bench_lerobot(tmp_path_factory.mktemp("good"), 10)


@pytest.mark.parametrize("seed,episodes", [(0, 10), (1, 14), (2, 8)])
def test_a_good_dataset_has_no_findings(tmp_path, seed, episodes):
    assert check_dataset(bench_lerobot(tmp_path, episodes, seed=seed)) == []
    assert check_dataset(tmp_path / "store") == []


def test_a_folder_without_a_dataset_is_an_error(tmp_path):
    with pytest.raises(DataError, match="no dataset here"):
        check_dataset(tmp_path)


def judge(seed: int, good: Path, folder: Path) -> tuple[str, str, str]:
    """(kind of mutation, "detected" | "harmless" | "MISSED" | "CRASHED" | "MISNAMED", details)."""
    case = make_case(seed, good, folder)
    name = case.words.partition(":")[0]
    try:
        found = check_dataset(case.root)
    except WamError as error:
        return name, "detected", str(error)
    except Exception as error:  # anything else is a crash of the checker: that is what is counted
        return name, "CRASHED", f"seed {seed}: {case.words}: {error!r}"
    if not found:
        try:
            same = fingerprint(case.root) == fingerprint(good)
        except WamError as error:
            return name, "MISSED", f"seed {seed}: {case.words}: cannot be read: {error}"
        return name, "harmless" if same else "MISSED", f"seed {seed}: {case.words}"
    if not all(one.file and (one.field or one.check in ("checksum", "stray file", "unreadable", "statistics", "video"))
               for one in found):
        return name, "MISNAMED", f"seed {seed}: {case.words}: no file or field in {found}"
    right = [one for one in found if one.check in case.checks and (not case.episodes or one.episode in (None, *range(10)))]
    if case.checks and not right:
        return name, "MISNAMED", f"seed {seed}: {case.words}: {sorted({one.check for one in found})}"
    return name, "detected", found[0].problem


def judge_all(seeds, good: Path, folder: Path) -> tuple[dict[str, Counter], list[str]]:
    counts: dict[str, Counter] = {}
    wrong = []
    for seed in seeds:
        place = folder / str(seed)
        place.mkdir()
        name, verdict, details = judge(seed, good, place)
        counts.setdefault(name, Counter())[verdict] += 1
        if verdict.isupper():
            wrong.append(f"{verdict} {details}")
        shutil.rmtree(place)
    return counts, wrong


def test_mutations_are_detected_or_harmless(good, tmp_path):
    counts, wrong = judge_all(SAMPLE, good, tmp_path)
    assert not wrong, "\n".join(wrong)
    assert sum(sum(c.values()) for c in counts.values()) == len(SAMPLE) >= len(CONTENT) + len(TABLE)
    assert sum(c["detected"] for c in counts.values()) > 0.9 * len(SAMPLE)


def test_a_copied_film_in_which_little_moves_is_found(good, tmp_path):
    assert judge(971, good, tmp_path)[:2] == ("copied_video", "detected")


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_over_a_thousand_mutations(good, tmp_path):
    start = time.process_time()
    counts, wrong = judge_all(range(ALL), good, tmp_path)
    total = {verdict: sum(c[verdict] for c in counts.values()) for verdict in ("detected", "harmless")}
    said = {"mutations": ALL, **total, "missed, misnamed or crashed": len(wrong),
            "cpu seconds": round(time.process_time() - start),
            "kinds": {name: dict(count) for name, count in sorted(counts.items())}}
    assert not wrong, "\n".join(wrong)
    assert len(counts) >= len(CONTENT) + len(TABLE)
    facts = provenance("pytest -m slow tests/test_data_check.py", seeds=(0, ALL - 1))
    RESULTS.write_text(json.dumps(facts | said, indent=1) + "\n")


def test_damaged_episode_files_of_a_store_are_found(tmp_path):
    store = bench_store(tmp_path / "store", 3)
    generator = np.random.default_rng(0)
    for _ in range(40):
        file = store.files()[int(generator.integers(3))]
        whole = file.read_bytes()
        broken = bytearray(whole)
        broken[int(generator.integers(len(broken)))] ^= 1 << int(generator.integers(8))
        file.write_bytes(broken)
        found = check_dataset(tmp_path / "store")
        assert [one.file for one in found if one.check == "unreadable"] == [str(file)]
        file.write_bytes(whole)
