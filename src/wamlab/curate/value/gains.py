"""What more of a source brought, what another order did, what filtering did: differences between trainings of the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ...evaluate.statistics import Estimate, mean_of_runs
from .score import BETTER, UNITS


def gains(results: Sequence[dict[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    """One row per comparison and score, positive is better; the interval is over the training seeds.

    "amount": the whole of a source against a share of it, all others whole; "doubling": the slope over the shares above 0, per
    doubling of the source's episodes; "filter": filtered against not; "order": one source last against all mixed.
    """
    table = {(tuple(r["fractions"][n] for n in names), r["filtered"], r["last"], r["seed"]): r for r in results}
    seeds = sorted({r["seed"] for r in results})
    whole = (1.0,) * len(names)
    rows = []
    for score, sign in BETTER.items():
        if any(score not in r["scores"] for r in results):
            continue
        unit = UNITS[score]

        def values(mix: tuple[float, ...], filtered: bool = False, last: str = "", score: str = score,
                   sign: int = sign) -> ndarray:
            return np.array([sign * table[mix, filtered, last, seed]["scores"][score] for seed in seeds])

        base = values(whole)
        for number, name in enumerate(names):
            shares = sorted({mix[number] for mix, *_ in table if all(s == 1 for i, s in enumerate(mix) if i != number)})
            mixes = {share: (*whole[:number], share, *whole[number + 1:]) for share in shares}
            counts = {share: table[mixes[share], False, "", seeds[0]]["episodes"][name] for share in shares}
            for share in shares[:-1]:
                episodes = counts[1.0] - counts[share]
                rows.append(_row("amount", name, score, unit, base - values(mixes[share]), share=share, episodes=episodes))
            some = [share for share in shares if share > 0]
            if len(some) > 1:
                slopes = slope(np.log2(some), np.stack([values(mixes[share]) for share in some]))
                rows.append(_row("doubling", name, score, unit, slopes))
        if (whole, True, "", seeds[0]) in table:
            rows.append(_row("filter", ", ".join(names), score, unit, values(whole, True) - base))
        rows += [_row("order", name, score, unit, values(whole, last=name) - base) for name in names
                 if (whole, False, name, seeds[0]) in table]
    return rows


def notes(results: Sequence[dict[str, Any]]) -> list[str]:
    """What a reader of the gains has to know: a score at its floor or ceiling in every training says nothing of data."""
    found = []
    for score in ("action error", "imagination"):
        told = [(r, r["scores"].get("by source", {}).get(score, {})) for r in results]
        lacking = sorted({name for r, values in told for name in r.get("episodes", {}) if name not in values})
        if lacking and any(values for _, values in told):
            found.append(f"{score} could not be told on the held-out episodes of {', '.join(lacking)}: "
                         "they show nothing to imitate, or nothing that changes")
    for score, bounds in {"success": {0.0: "floor", 1.0: "ceiling"}}.items():
        values = {r["scores"].get(score) for r in results}
        if len(values) == 1 and (value := values.pop()) in bounds:
            found.append(f"{score} is {value:g} in every training: at its {bounds[value]} it cannot tell data apart; its "
                         "intervals of width zero show that, and not that the data are worth the same")
    return found


def slope(place: Float[ndarray, "F"], values: Float[ndarray, "F S"]) -> Float[ndarray, "S"]:
    """Least-squares slope of every column over `place`."""
    away = place - place.mean()
    return np.asarray(away @ (values - values.mean(0)) / (away @ away))


def _row(kind: str, source: str, score: str, unit: str, differences: ndarray, **more: Any) -> dict[str, Any]:
    found: Estimate = mean_of_runs(differences)
    return {"kind": kind, "source": source, "score": score, "unit": unit, "gain": round(found.value, 5),
            "low": round(found.low, 5), "high": round(found.high, 5), "seeds": len(differences), **more}
