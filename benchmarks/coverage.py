"""Do the intervals cover, and does the sequential test err, as often as they say? By simulation, for docs/results.

    python benchmarks/coverage.py docs/results/coverage.json

Rates and paired differences are enumerated, so their coverage is exact; everything else is drawn `--draws` times, and told with
the Clopper-Pearson interval of the simulation itself.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray
from scipy import stats

from wamlab.evaluate.aggregate import stratified
from wamlab.evaluate.metrics.causal import concordance, products
from wamlab.evaluate.power.sequential import compare, log_wealth, win_share
from wamlab.evaluate.provenance import provenance
from wamlab.evaluate.statistics import clopper_pearson, cluster_bootstrap, mcnemar, median_of_clusters, tango, wilson

NOMINAL = 0.95


def told(name: str, hits: ndarray, nominal: float = NOMINAL, **setting: Any) -> dict[str, Any]:
    """A simulated share with its own uncertainty."""
    low, high = clopper_pearson(int(hits.sum()), len(hits))
    return {"what": name, **setting, "nominal": nominal, "value": round(float(hits.mean()), 4), "low": round(low, 4),
            "high": round(high, 4), "draws": len(hits)}


def rates() -> list[dict[str, Any]]:
    """Exact coverage of the two intervals of a rate, over 99 true rates."""
    found = []
    for interval in (clopper_pearson, wilson):
        for n in (10, 20, 30, 50, 100):
            ends = np.array([interval(k, n) for k in range(n + 1)])
            true = np.arange(1, 100) / 100
            inside = (ends[:, :1] <= true) & (true <= ends[:, 1:])
            cover = (stats.binom.pmf(np.arange(n + 1)[:, None], n, true) * inside).sum(0)
            found.append({"what": f"interval of a rate: {interval.__name__}", "n": n, "nominal": NOMINAL, "exact": True,
                          "mean over rates .01 to .99": round(float(cover.mean()), 4),
                          "least": round(float(cover.min()), 4), "least at": float(true[cover.argmin()])})
    return found


def paired() -> list[dict[str, Any]]:
    """Exact coverage of Tango's interval and exact size of McNemar's test."""
    found = []
    for n in (20, 30):
        cells = [(b, c) for b in range(n + 1) for c in range(n + 1 - b)]
        ends = np.array([tango(b, c, n) for b, c in cells])
        p_values = np.array([mcnemar(b, c) for b, c in cells])
        for first, second in ((0.1, 0.1), (0.25, 0.25), (0.3, 0.1), (0.2, 0.02)):
            weight = stats.multinomial.pmf([(b, c, n - b - c) for b, c in cells], n, [first, second, 1 - first - second])
            inside = (ends[:, 0] <= first - second + 1e-12) & (first - second <= ends[:, 1] + 1e-12)
            setting = {"n": n, "only first": first, "only second": second, "exact": True}
            found.append({"what": "interval of a paired difference: tango", **setting, "nominal": NOMINAL,
                          "value": round(float((weight * inside).sum()), 4)})
            if first == second:
                found.append({"what": "false positives of McNemar's exact test", **setting, "nominal": 0.05,
                              "value": round(float((weight * (p_values <= 0.05)).sum()), 4)})
    return found


def sequential(draws: int, generator: np.random.Generator) -> list[dict[str, Any]]:
    """How often two equally good policies are told apart by looking after every start, and how soon unequal ones are."""
    found = []
    for rate, together in ((0.5, 0.0), (0.8, 0.0), (0.5, 0.6), (0.95, 0.0)):
        shared = generator.random((draws, 400)) < together
        one, two = (generator.random((draws, 400)) < rate for _ in range(2))
        two = np.where(shared, one, two)
        wrong = np.array([compare(a, b).winner != "" for a, b in zip(one, two, strict=True)])
        found.append(told("false positives of the sequential test over 400 looks", wrong, 0.05, rate=rate, copied=together))
    for share in (0.6, 0.7, 0.8):
        wins = np.cumsum(generator.random((draws, 1000)) < share, 1)
        over = log_wealth(wins, np.arange(1, 1001)) >= np.log(20)
        stop = np.where(over.any(1), over.argmax(1) + 1, 1001)
        found.append({"what": "differing starts until it is decided", "share won": share, "median": int(np.median(stop)),
                      "decided within 1000": round(float(over.any(1).mean()), 4), "draws": draws})
    for share in (0.5, 0.8):
        wins = np.cumsum(generator.random((max(200, draws // 10), 100)) < share, 1)
        held = np.array([all(low <= share <= high for low, high in (win_share(int(w), n) for n, w in enumerate(row, 1)))
                         for row in wins])
        found.append(told("confidence sequence of the share won, at all of 100 looks", held, share=share))
    return found


def plain_level(count: int) -> float:
    """The level whose widened percentiles are the plain ones of NOMINAL: what would be told without widening."""
    z = stats.norm.ppf((1 + NOMINAL) / 2) / np.sqrt(count / (count - 1))
    return float(2 * stats.t.cdf(z, count - 1) - 1)


def bootstraps(draws: int, generator: np.random.Generator) -> list[dict[str, Any]]:
    """Concordances over contexts, medians over episodes, and interquartile means over runs."""
    def contexts(count: int, uneven: float) -> ndarray:
        """Sums of a model with half the gain, with noise; uneven: spread of the logarithm of the contexts' sizes."""
        size = generator.lognormal(0, uneven, (count, 1, 1, 1))
        real = size * generator.normal(size=(count, 9, 2, 3))
        imagined = 0.5 * real + size * generator.normal(0, 0.6, real.shape) + generator.normal(0, 0.1, real.shape)
        return products(imagined, real).sum(1)

    found = []
    for uneven, bca in ((0.0, False), (0.4, False), (0.7, False), (0.4, True)):
        true = float(concordance(contexts(100_000, uneven).sum(0, keepdims=True))[0])
        for count in (12, 24, 60, 200):
            held: dict[str, list[bool]] = {"told": [], "without widening": []}
            for _ in range(draws):
                sums = contexts(count, uneven)
                for name, level in (("told", NOMINAL), ("without widening", plain_level(count))):
                    if name == "told" or not bca:
                        made = cluster_bootstrap(sums, concordance, resamples=2000, bca=bca, level=level)
                        held[name].append(made is not None and made.low <= true <= made.high)
            row = told(f"interval of a concordance: cluster bootstrap, {'BCa' if bca else 'widened percentiles'}",
                       np.array(held["told"]), contexts=count, unevenness=uneven)
            found.append(row | ({} if bca else {"without widening": round(float(np.mean(held["without widening"])), 4)}))
    for episodes in (10, 30):
        held = []
        for _ in range(draws):
            values = np.repeat(generator.normal(0, 1, episodes), 4) + generator.normal(0, 1, 4 * episodes)
            median = median_of_clusters(values, np.repeat(np.arange(episodes), 4), resamples=1000)[0]
            held.append(median is not None and median.low <= 0 <= median.high)
        found.append(told("interval of a median over chunks: episodes are drawn", np.array(held), episodes=episodes))
    for runs in (3, 5, 10):
        held = []
        for _ in range(draws):
            made = stratified({f"task {t}": generator.normal(0, 1, runs) for t in range(8)}, resamples=1000)
            held.append(made.low <= 0 <= made.high)
        found.append(told("interval of an interquartile mean over 8 tasks", np.array(held), runs=runs))
    return found


def naive(draws: int, generator: np.random.Generator) -> list[dict[str, Any]]:
    """Controls that must fail: looking again and again at a test that is made for one look; frames taken for units."""
    def peeking(one: ndarray, two: ndarray) -> bool:
        first, second = np.cumsum(one & ~two), np.cumsum(two & ~one)
        return any(mcnemar(int(first[i]), int(second[i])) <= 0.05 for i in range(9, len(one), 10))

    few = max(200, draws // 5)
    wrong = np.array([peeking(*(generator.random((2, 400)) < 0.5)) for _ in range(few)])
    held = []
    for _ in range(few):
        values = np.repeat(generator.normal(0, 1, 20), 30) + generator.normal(0, 0.1, 600)
        made = cluster_bootstrap(np.stack([values, np.ones(600)], -1), lambda s: s[..., 0] / s[..., 1], resamples=500)
        held.append(made is not None and made.low <= 0 <= made.high)
    return [told("control: false positives of McNemar's test when looked at every 10 starts", wrong, 0.05),
            told("control: interval of a mean when 30 frames of each of 20 episodes are taken for units", np.array(held))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    parts: list[Callable[[int, np.random.Generator], list[dict[str, Any]]]] = [sequential, bootstraps, naive]
    found = [*rates(), *paired()]
    for number, part in enumerate(parts):
        found += part(asked.draws, np.random.default_rng([asked.seed, number]))
    command = f"python benchmarks/coverage.py OUT --draws {asked.draws} --seed {asked.seed}"
    asked.out.write_text(json.dumps(provenance(command, seeds=[asked.seed]) | {"results": found}, indent=1) + "\n")
    for row in found:
        print(json.dumps(row))


if __name__ == "__main__":
    main()
