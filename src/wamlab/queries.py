"""Questions put to a model: what is given and what is sought."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["given", "sought", "absent"]


@dataclass(frozen=True)
class Query:
    """What is given and what is sought, by the names of streams; all else is absent. A model's role is the query put to it."""

    sought: frozenset[str]
    given: frozenset[str] = frozenset()

    def role(self, name: str) -> Role:
        return "sought" if name in self.sought else "given" if name in self.given else "absent"

    @property
    def future(self) -> Role:
        return self.role("future")

    @property
    def action(self) -> Role:
        return self.role("action")

    def __str__(self) -> str:
        others = sorted((self.sought | self.given) - {"future", "action"})
        return ", ".join(f"{name} {self.role(name)}" for name in ("future", "action", *others))


def query(sought: str, given: str = "") -> Query:
    """A question from names with spaces between: query("future", given="action")."""
    return Query(frozenset(sought.split()), frozenset(given.split()))


POLICY = query("action")
IMAGINE_AND_ACT = query("future action")
WORLD_MODEL = query("future", given="action")
INVERSE_DYNAMICS = query("action", given="future")
VIDEO = query("future")
QUERIES = {
    "policy": POLICY, "imagine_and_act": IMAGINE_AND_ACT, "world_model": WORLD_MODEL,
    "inverse_dynamics": INVERSE_DYNAMICS, "video": VIDEO,
}
