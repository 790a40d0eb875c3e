"""Latent labels measure themselves: what is planted is said to be there, and labels that say nothing are said to be empty."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from wamlab import cli
from wamlab.control.collect import collect
from wamlab.data.store import EpisodeStore
from wamlab.labels.bottleneck import Continuous, Discrete
from wamlab.labels.latent import LatentConfig, LatentNet
from wamlab.labels.latent_training import LatentActions
from wamlab.labels.pairs import Pairs
from wamlab.labels.quality.report import latent_report

WAYS = np.array([[0, 2], [0, -2], [2, 0], [-2, 0]])


def moved(frame: np.ndarray, way: int) -> np.ndarray:
    return np.roll(frame, WAYS[way], (0, 1))


def film(still: bool = False) -> tuple[Pairs, np.ndarray]:
    """Eight episodes in which everything moves one of four ways at each step; which way is the action. (pairs, ways)"""
    rng = np.random.default_rng(0)
    frames, before, episode, ways = [], [], [], []
    for number in range(8):
        frames.append(rng.integers(0, 255, (32, 32, 3)).astype(np.uint8))
        for _ in range(20):
            before.append(len(frames) - 1)
            episode.append(number)
            ways.append(rng.integers(4))
            frames.append(frames[-1] if still else moved(frames[-1], ways[-1]))
    action = WAYS[ways].astype(np.float32)
    return Pairs(np.stack(frames), np.array(before), np.ones(len(before), np.int64), np.array(episode), action), np.array(ways)


class Planted(LatentActions):
    """A labeller whose labels are given, by the place of the pair's first frame, and whose pictures follow them."""

    def given(self, pairs: Pairs, ways: np.ndarray):
        object.__setattr__(self, "table", dict(zip(pairs.before.tolist(), ways.tolist(), strict=True)))
        return self

    def codes(self, pairs):
        return np.array([self.table[place] for place in pairs.before.tolist()]) if self.names else None

    def of(self, pairs):
        return np.eye(4, dtype=np.float32)[[self.table[place] for place in pairs.before.tolist()]]

    def imagine(self, frames, latent):
        made = [moved(frame, int(one.argmax())) for frame, one in zip(frames, latent, strict=True)]
        return np.stack(made).transpose(0, 3, 1, 2).astype(np.float32) / 255


def planted(pairs: Pairs, ways: np.ndarray, bottleneck: Discrete | Continuous | None = None) -> LatentActions:
    config = LatentConfig(bottleneck or Discrete(codes=4))
    return Planted(LatentNet(config, 32, 2), config, 0).given(pairs, ways)


@pytest.mark.parametrize("bottleneck", [Discrete(codes=4), Continuous()])
def test_labels_that_are_the_actions_are_said_to_be(bottleneck):
    pairs, ways = film()
    said = latent_report(planted(pairs, ways, bottleneck), pairs)
    assert said["unexplained"] == pytest.approx(0, abs=1e-6) and "warning" not in said
    assert said["unexplained with exchanged labels"] > 0.5 and said["unexplained with one label"] > 0.5
    assert said["true actions told"] > 0.95 and said["true actions told by exchanged labels"] < 0.3
    if bottleneck == Continuous():
        assert "codes in use" not in said and said["numbers in use"].startswith("4 of")
    else:
        assert said["codes in use"] == "4 of 4" and 3.5 < said["perplexity"] <= 4


@pytest.mark.parametrize("labels, still, word", [
    ("one", False, "collapsed (1 of 4 in use"), ("chance", False, "exchanged labels explain"), ("true", True, "nothing moves")])
def test_labels_that_say_nothing_are_said_to_be_empty(labels, still, word):
    pairs, ways = film(still)
    other = {"one": np.zeros_like(ways), "true": ways, "chance": np.random.default_rng(5).integers(4, size=len(ways))}[labels]
    said = latent_report(planted(pairs, other), pairs)
    assert word in said["warning"]
    if labels == "one":
        assert said["perplexity"] == 1
    if still:
        assert said["unexplained"] is None
    if labels == "chance":
        assert said["true actions told"] < 0.3


def test_the_command_warns_of_a_film_in_which_nothing_moves(tmp_path, capsys):
    live = collect("pushworld", 2, tmp_path / "live", kind="play", workers=1, options={"size": 32})
    still = EpisodeStore.create(tmp_path / "still", live.task_spec, live.renderer, {})
    for index in live.indices():
        episode = live[index]
        frames = {name: np.repeat(one[:1], len(one), 0) for name, one in episode.frames.items()}
        still.put(index, replace(episode, frames=frames))
    for store, empty in ((still, True), (live, None)):
        command = ["data", "label", str(store.path), str(tmp_path / f"{store.path.name} labelled"), "--by", "latent", "--kind",
                   "discrete", "--steps", "2"]
        assert cli.main(command) == 0
        said = capsys.readouterr()
        assert "perplexity" in said.out and "codes in use" in said.out and "unexplained" in said.out
        assert empty is None or "warning: nothing moves" in said.err
        kept = EpisodeStore.open(tmp_path / f"{store.path.name} labelled").provenance["label"]
        assert ("nothing moves" in kept.get("warning", "")) == bool(empty)
    assert cli.main([*command, "--json"]) == 0  # goes on with what is there, to the same measures
    assert json.loads(capsys.readouterr().out)["perplexity"] == kept["perplexity"]
