"""The one abstract base of every model."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

from ..errors import Unanswerable
from ..parts.codecs import Codec
from ..spec import TaskSpec
from ..types import WORLD_MODEL, Batch, Context, Given, Need, Prediction, Query
from .asked import check_asked


@runtime_checkable
class Running(Protocol):
    """A situation that goes on: B rows, of which more is seen and asked chunk after chunk. See `models.session`."""

    @property
    def chunk(self) -> int:
        """Chunks that are remembered before the one about to happen."""
        ...

    def predict(self, given: Given | None = None, want: AbstractSet[str] = ...,
                seeds: Sequence[int] | None = None) -> Prediction:
        """Answer a question about what is about to happen. Nothing is written."""
        ...

    def observe(self, context: Context, happened: Given) -> None:
        """What really happened in the chunk that was about to, and what is seen at its end."""
        ...


class Stateless:
    """A situation of a model without memory."""

    chunk = 0

    def __init__(self, model: WorldActionModel, context: Context):
        self.model, self.context = model, context

    def predict(self, given: Given | None = None, want: AbstractSet[str] = frozenset({"future", "action"}),
                seeds: Sequence[int] | None = None) -> Prediction:
        return self.model.predict(self.context, given, want, seeds)

    def observe(self, context: Context, happened: Given) -> None:
        self.context = context


class WorldActionModel(nn.Module):
    """future, action = WAM(observation, instruction).

    Subclasses set `task_spec`, `history` (context frames), `chunk` (actions per answer) and `offsets`
    (steps ahead of now that the future's frames show) and implement `loss`, `_predict` and `answers`.
    """

    task_spec: TaskSpec
    history: int = 1
    chunk: int
    chunks: int = 1
    """chunks of time, one after the other, that a training window holds"""
    offsets: tuple[int, ...]
    latents: Mapping[str, Tensor] | None
    """per camera ("": the main one) the latents of every frame in the training set, set by the trainer so that none is encoded
    twice"""

    def __init__(self) -> None:
        super().__init__()
        self.latents = None

    @property
    def codec(self) -> Codec | None:
        """What writes future frames down, if there is such a thing; trained first, then frozen."""
        return None

    @property
    def draws(self) -> bool:
        """Whether the codec's drawing part goes on learning with the model."""
        return False

    @property
    def filmed(self) -> tuple[str, ...]:
        """The cameras whose frames the codec writes down; "": the main one."""
        return ("",) if self.codec is not None else ()

    @property
    def needs(self) -> Mapping[str, Need]:
        """What it reads beside main camera, proprioception and actions: see `wamlab.signals`."""
        return {}

    @property
    def outlooks(self) -> Mapping[str, str]:
        """Streams that tell what lies ahead of a signal of `needs`, and that signal: as `Given.others` names them."""
        return {}

    @property
    def remembers(self) -> frozenset[str]:
        """Streams of which it reads what happened in earlier chunks, and has to be told."""
        return frozenset()

    @property
    def reads_actions(self) -> bool:
        """Whether something that is learned beside the actions depends on them."""
        return WORLD_MODEL in self.answers()

    def part(self, name: str) -> str:
        """The part of the model to which a tensor belongs, as one tells people of it."""
        return name.partition(".")[0]

    def unlike(self, name: str, spec: TaskSpec) -> str:
        """Why a tensor learned under another task spec means something else here; empty if it means the same."""
        return ""

    def fit(self, action: Float[Tensor, "N A"], state: Float[Tensor, "M P"]) -> None:
        """Set normalisation from training data in physical units: known actions and states alone, of which there may be none.
        Models without any need not override it."""

    def fit_motion(self, latents: Tensor, action: Float[Tensor, "M K A"], moved: Float[Tensor, "M F P"]) -> None:
        """Learn from whole windows what usually moves, and how far: latents [N, 1 + F, n, c] of now and of each future frame;
        and, of the M windows in which both are known, the actions and the change of the proprioception in physical units.
        Models without a future need not."""

    def fit_frames(self, now: Float[Tensor, "N C h w"], future: Float[Tensor, "N F C h w"]) -> None:
        """Learn from pictures in [0, 1] of whole windows, now and ahead, what usually moves. Most models need not."""

    def fit_signals(self, batch: Batch) -> None:
        """Set the normalisation of the signals of `needs`, from many windows. Models without any need not."""

    @abstractmethod
    def loss(self, batch: Batch, seed: int) -> dict[str, Tensor]:
        """Scalars by name; "total" is what training descends. All noise comes from `seed`."""

    @abstractmethod
    def answers(self) -> frozenset[Query]:
        """The queries this model's wiring can answer."""

    @abstractmethod
    def _predict(self, context: Context, given: Given, query: Query, seeds: Sequence[int]) -> Prediction:
        """The answer to a query that `answers` contains."""

    def session(self, context: Context) -> Running:
        """A running situation; this one remembers nothing but what is seen now."""
        return Stateless(self, context)

    def predict(self, context: Context, given: Given | None = None,
                want: AbstractSet[str] = frozenset({"future", "action"}), seeds: Sequence[int] | None = None) -> Prediction:
        """Answer a question.

        Args:
            context: B situations.
            given: what is fixed: a future, an action chunk, or nothing.
            want: names of streams: what is sought.
            seeds: one per situation; the noise of a situation depends on its own seed alone, so the answer does
                not depend on what else is in the batch. Default: all 0.

        Raises:
            Unanswerable: if the model's wiring cannot answer, naming what it can.
            SpecError: if what is given, or the seeds, do not fit the model and the situations.
        """
        given = given or Given()
        asked = Query(frozenset(want) - {*given.named}, frozenset(given.named))
        if asked not in self.answers():
            raise Unanswerable(f"this model cannot answer: {asked}", where=type(self).__name__,
                               expected="; ".join(sorted(map(str, self.answers()))), got=asked,
                               fix="ask a query it answers, or choose a recipe whose wiring answers this one (wam list)")
        check_asked(self, len(context), given, seeds)
        return self._predict(context, given, asked, seeds if seeds is not None else [0] * len(context))
