"""Faults put into the language on purpose, one at a time, as a plugin of pytest: what they break must be noticed.

    WAMLAB_MUTATION=causality pytest -p language_mutations tests/test_table.py tests/test_session.py
"""

from __future__ import annotations

import os
from collections.abc import Callable

import torch

from wamlab.models import filling, network, session
from wamlab.models.knowledge import Known
from wamlab.models.stream import StreamWAM
from wamlab.parts import questions
from wamlab.parts.memory import Memory
from wamlab.parts.representations.frames import LatentContent
from wamlab.parts.streams import Node


def mask() -> None:
    """Actions read the instruction where the table does not say so: every token may attend to the first one."""
    honest = network.table_mask

    def open_door(*told):
        found, where = honest(*told)
        found[:, 0] = True
        return found, where

    network.table_mask = open_door


def causality() -> None:
    """A chunk reads the finished frames of the next one."""
    honest = network.table_mask

    def ahead(table, nodes, sizes, steps):
        found, where = honest(table, nodes, sizes, steps)
        for node in nodes:
            later = Node(node.stream, "clean", node.chunk + 1)
            if node.view == "clean" and later in where:
                found[where[node], where[later]] = True
        return found, where

    network.table_mask = ahead


def writing_predict() -> None:
    """What is imagined is kept as if it had happened."""
    honest = session.answer

    def keeps(model, known, memories, chunk, query, given, noise, use_cache):
        found = honest(model, known, memories, chunk, query, given, noise, use_cache)
        for name, value in found.items():
            known.put(Node(name, model.table.solid(name), chunk), value)
        return found

    session.answer = keeps


def writing_memory() -> None:
    """What is computed for an answer lands in the memory itself."""
    honest = filling.fill

    def keeps(model, stage, known, memories, chunk, noise, use_cache):
        found = honest(model, stage, known, memories, chunk, noise, use_cache)
        home = model.table.home(Node(stage[0], "", chunk))
        node = model.networks[home].nodes[0]
        if node in memories[home].slots:
            memories[home].slots[node] = [(k * 1.5, v * 1.5) for k, v in memories[home].slots[node]]
        return found

    filling.fill = keeps


def stale_later_chunks() -> None:
    """Being told what happened in a chunk leaves what was imagined after it."""
    Memory.forget = lambda self, nodes: None
    honest = Memory.write
    Memory.write = lambda self, nodes, keys: honest(self, nodes, keys) if not all(n in self.slots for n, _ in nodes) else None


def level_of_what_is_written() -> None:
    """What is finished is remembered at another level than the one at which training shows it."""
    honest = session.Session._write

    def tired(self, nodes):
        for node in nodes:
            if node.view == "clean":
                self.known.levels[node] = torch.full((len(self.known.values[node]),), 0.5)
        honest(self, nodes)

    session.Session._write = tired


def level_of_what_is_given() -> None:
    """What is given is told as half noise."""
    honest = Known.put

    def dim(self, node, value, level=None):
        honest(self, node, value, level if level is not None or node.view else torch.full((len(value),), 0.5))

    filling.Known.put = dim


def reality_does_not_overwrite() -> None:
    """What happened is written only where nothing was imagined."""
    honest = Known.put
    session.Known.put = lambda self, node, value, level=None: None if node.view == "clean" and node in self.values else honest(
        self, node, value, level)


def a_codec_that_looks_ahead() -> None:
    """Every token of a frame knows the last frame."""
    honest = LatentContent.encode
    LatentContent.encode = lambda self, moment: (found := honest(self, moment)) + 0.01 * found.mean(1, keepdim=True)


def an_answer_never_practised() -> None:
    """A model claims every question."""
    questions.why_not = lambda table, query: ""


def shared_noise() -> None:
    """Situations of one batch are answered with one another's noise."""
    honest = session.noise_of

    def mixed(model, seeds, device):
        return {name: value.mean(0, keepdim=True).expand_as(value) for name, value in honest(model, seeds, device).items()}

    session.noise_of = mixed


def places_of_the_first_chunk() -> None:
    """Remembered chunks are computed as if all were the first."""
    honest = StreamWAM.run

    def lost(self, number, active, known, memory=None, write=False):
        held = self.networks[number].positions
        if not write:
            return honest(self, number, active, known, memory, write)
        kept = {name: value.data.clone() for name, value in held.items()}
        for value in held.values():
            value.data[:] = value.data[:1]
        try:
            return honest(self, number, active, known, memory, write)
        finally:
            for name, value in held.items():
                value.data[:] = kept[name]

    StreamWAM.run = lost


MUTATIONS: dict[str, Callable[[], None]] = {
    one.__name__: one for one in (
        mask, causality, writing_predict, writing_memory, stale_later_chunks, level_of_what_is_written, level_of_what_is_given,
        reality_does_not_overwrite, a_codec_that_looks_ahead, an_answer_never_practised, shared_noise,
        places_of_the_first_chunk)
}


def pytest_configure(config) -> None:
    if wanted := os.environ.get("WAMLAB_MUTATION"):
        MUTATIONS[wanted]()
