"""The chapter that says in words what the numbers carry: a verdict per model and task, and what each model can be asked."""

from __future__ import annotations

from ..evaluate.card.card import from_log
from ..evaluate.log import EvalLog
from .scores import place
from .view import Section, Table

OPEN = "there is too little evidence to say"
MEANS = {
    "imagines and follows it": "it imagines what then happens, and acts on what it imagines",
    "imagines but acts on its own": "it imagines what then happens, but does not act on it",
    "decorative future": "it shows a future that neither follows its action nor fits what happens",
    "no future at test time": "it acts without imagining",
    "not enough evidence": f"{OPEN} whether it imagines what then happens, and acts on it",
}
"""verdicts as a reader says them who has never seen them"""


def verdicts(log: EvalLog) -> Section:
    """Words first, reasons beside them; then what each model can be asked."""
    title, cards = "The causal card", from_log(log)
    if not cards:
        return Section("card", title, missing="unavailable: no model acted in closed loop")
    rows = [[card.model, place(log, card.task), card.verdict.words, "; ".join(card.verdict.reasons)] for card in cards]
    told = dict.fromkeys(card.verdict.words for card in cards)
    tables = [Table(["model", "task", "verdict", "because"], rows,
                    caption=" ".join(f"{words.capitalize()}: {MEANS[words]}." for words in told))]
    asked = {card.model: card.capabilities for card in cards if card.capabilities}
    if asked:
        names = [capability.name for capability in next(iter(asked.values()))]
        able = [[model, *("" if c is None else c.why if c.available else f"unavailable: {c.why}" for c in (
            next((c for c in found if c.name == name), None) for name in names))] for model, found in asked.items()]
        tables.append(Table(["model", *names], able, caption="What can be asked of each model, by its wiring."))
    return Section("card", title, "Does the imagined future follow the action, and does the action follow the imagined future? "
                   "A verdict is given only as far as the 95 % intervals carry it; the numbers behind it are in the next "
                   "chapters.", tables=tables)
