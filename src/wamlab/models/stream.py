"""StreamWAM: any world action model that is made of streams, processes and a coupling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..data.transforms import floors
from ..errors import SpecError
from ..parts.augmentation import shifted
from ..parts.coupling import Coupling
from ..parts.levels import training_levels
from ..parts.processes import FlowMatching, Process
from ..parts.representations import ConvAutoencoder, Representation
from ..spec import TaskSpec
from ..types import VIDEO, Batch, Context, Given, Prediction, Query
from .base import WorldActionModel
from .network import Network
from .sampling import sample
from .settings import checked


@dataclass(frozen=True)
class Streams:
    """The settings of a StreamWAM; `build` makes the model."""

    coupling: Coupling
    representation: Representation = field(default_factory=ConvAutoencoder)
    """how future frames are written down"""
    future: Process = field(default_factory=FlowMatching)
    """how the future is generated"""
    action: Process = field(default_factory=FlowMatching)
    """how actions are generated"""
    experts: Mapping[str, str] = field(default_factory=dict)
    """segment -> name of its weights; segments not named share one set called "shared" """
    width: int = 128
    depth: int = 4
    heads: int = 4
    history: int = 1
    """frames of context"""
    chunk: int = 8
    """actions per answer"""
    offsets: tuple[int, ...] = (4, 8)
    """steps ahead of now that the future's frames show"""
    play_weight: float = 2.0
    """weight of the future's loss on disturbed and playful actions: only they show what unusual actions do"""
    action_weight: float = 3.0
    """weight of the action's loss against the future's"""
    shift: int = 3
    """context frames are shifted by up to this many pixels in training (arXiv 2004.13649)"""
    tied: float = 0.5
    """share of training samples in which future and action have the same level, as they have when sampled together"""
    corners: float = 0.2
    """share of training samples in which one stream is fully given or fully absent (independent levels only)"""

    def build(self, task_spec: TaskSpec) -> StreamWAM:
        return StreamWAM(self, task_spec)

    def axes(self) -> dict[str, str]:
        """This model's row in the design space, computed from its parts."""
        c = self.coupling
        has_future = "future" in c.streams
        copy = {"future@clean": "clean", "future@hidden": "un-denoised"}
        reads = copy[c.copy] if c.copy else "yes" if c.directly("action", "future") else "never" if has_future else "–"
        experts = "one" if len(c.networks) == 1 and not self.experts else "separate" if len(c.networks) > 1 else "one each"
        together = c.directly("action", "future")
        order = {"future@clean": "future, then action", "future@hidden": "one pass, then action"}
        return {
            "future": self.representation.title if has_future else "none",
            "process": self.future.title if has_future else self.action.title,
            "action reads future": reads,
            "future reads action": ("yes" if c.directly("future", "action") else "no") if has_future else "–",
            "experts": experts,
            "inference": "together" if together else order[c.copy] if c.copy else "action only",
        }


class StreamWAM(WorldActionModel):
    """See `Streams`. Normalisation lives inside: batches and answers are in physical units."""

    motion: Tensor
    action_mean: Tensor
    action_scale: Tensor
    state_mean: Tensor
    state_scale: Tensor

    def __init__(self, config: Streams, task_spec: TaskSpec):
        super().__init__()
        self.config, self.task_spec, self.coupling = checked(config), task_spec, config.coupling
        self.history, self.chunk = config.history, config.chunk
        self.processes = {"future": config.future, "action": config.action}
        self.has_future = "future" in self.coupling.streams
        self.offsets = config.offsets if self.has_future else ()
        joint = self.coupling.directly("action", "future")
        if joint and len(config.future.grid()) != len(config.action.grid()):
            raise SpecError("future and action are sampled together but take different numbers of steps",
                            where="Streams.future, Streams.action", expected=len(config.action.grid()) - 1,
                            got=len(config.future.grid()) - 1)
        self.codec = config.representation.build(task_spec.image_size) if self.has_future else None
        width = task_spec.action.width
        sizes = {"action": (config.chunk, width, width)}
        if self.codec is not None:
            tokens = len(config.offsets) * self.codec.tokens
            # Each future token is shown the latent of the same place now, of which it is the change.
            seen = (tokens, 2 * self.codec.width, self.codec.width)
            sizes |= {"future": seen, "future@clean": seen, "future@hidden": (tokens, config.depth * config.width, 0)}
            self.register_buffer("motion", torch.ones(self.codec.width))
        experts = {name: "shared" for network in self.coupling.networks for name in network} | dict(config.experts)
        self.networks: Sequence[Network] = nn.ModuleList(  # type: ignore[assignment]
            Network(segments, self.coupling.reads, experts, sizes, width=config.width, depth=config.depth,
                    heads=config.heads, state_width=len(task_spec.state), history=config.history, image=task_spec.image_size,
                    offsets=self.offsets)
            for segments in self.coupling.networks)
        for name, width in (("action", task_spec.action.width), ("state", len(task_spec.state))):
            self.register_buffer(f"{name}_mean", torch.zeros(width))
            self.register_buffer(f"{name}_scale", torch.ones(width))

    def answers(self) -> frozenset[Query]:
        return self.coupling.answers

    def fit(self, action: Float[Tensor, "N A"], state: Float[Tensor, "M P"]) -> None:
        """Set the normalisation from training data, the same in every unit. Channels that hardly vary are not blown up."""
        legal = self.task_spec.action
        for name, values, limits in (("action", action, (legal.low, legal.high)), ("state", state, None)):
            if len(values):
                least = torch.from_numpy(floors(values.cpu().numpy(), limits)).to(values)
                getattr(self, f"{name}_mean").copy_(values.mean(0))
                getattr(self, f"{name}_scale").copy_(torch.maximum(values.std(0, correction=min(1, len(values) - 1)), least))

    def fit_motion(self, change: Float[Tensor, "N F n c"], action: Float[Tensor, "M K A"],
                   moved: Float[Tensor, "M F P"]) -> None:
        """Set the unit of the future stream, the usual change of each latent channel; and how actions move the body."""
        self.motion.copy_(change.pow(2).mean((0, 1, 2)).sqrt().clamp_min(1e-3))
        for network in self.networks:
            if network.steering is not None and len(action):
                network.steering.fit(self.normalised(action), moved / self.state_scale)

    def normalised(self, action: Float[Tensor, "B K A"]) -> Float[Tensor, "B K A"]:
        return (action - self.action_mean) / self.action_scale

    def encode_future(self, future: Float[Tensor, "B F C h w"], now: Float[Tensor, "B n c"]) -> Float[Tensor, "B Fn c"]:
        """Frames in [0, 1] to what the future stream holds: latents' change since now, in units of usual motion."""
        assert self.codec is not None
        latents = self.codec.encode(future.flatten(0, 1)).unflatten(0, future.shape[:2])
        return ((latents - now[:, None]) / self.motion).flatten(1, 2)

    def decode_future(self, values: Float[Tensor, "B Fn c"], now: Float[Tensor, "B n c"],
                      reference: Float[Tensor, "B C h w"]) -> Float[Tensor, "B F C h w"]:
        assert self.codec is not None
        latents = values.unflatten(1, (len(self.offsets), -1)) * self.motion + now[:, None]
        many = reference[:, None].expand(-1, len(self.offsets), -1, -1, -1)
        return self.codec.decode(latents.flatten(0, 1), many.flatten(0, 1)).unflatten(0, latents.shape[:2])

    def seen(self, now: Float[Tensor, "B n c"]) -> Float[Tensor, "B Fn c"]:
        """The latents of now, once for each future frame."""
        return now.repeat(1, len(self.offsets), 1)

    @torch.no_grad()
    def _targets(self, batch: Batch) -> tuple[dict[str, Tensor], Tensor | None]:
        """What each stream should be, and the latents of now."""
        data, now = {"action": self.normalised(batch.action)}, None
        if self.codec is not None:
            if self.latents is not None:
                found = self.latents[batch.frame_index[:, self.history - 1 :]]
                now = found[:, 0]
                data["future"] = ((found[:, 1:] - found[:, :1]) / self.motion).flatten(1, 2)
            else:
                now = self.codec.encode(batch.context.frames[:, -1].float() / 255)
                data["future"] = self.encode_future(batch.future.float() / 255, now)
        return data, None if now is None else self.seen(now)

    def loss(self, batch: Batch, seed: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        c, (data, seen) = self.coupling, self._targets(batch)
        levels = training_levels(c, self.processes, batch.imitate, batch.has_action, generator, tied=self.config.tied,
                                 corners=self.config.corners)
        noise = {name: torch.randn(data[name].shape, generator=generator) for name in c.streams}
        device = data["action"].device
        levels, noise = ({k: v.to(device) for k, v in d.items()} for d in (levels, noise))
        noisy = {name: self.processes[name].corrupt(data[name], noise[name], levels[name]) for name in c.streams}
        values, clock = dict(noisy), levels | self.given(batch.context)
        if c.copy == "future@clean":
            blurred = torch.rand(len(batch), generator=generator).to(device) < c.teacher_noise
            tau = torch.where(blurred, torch.rand(len(batch), generator=generator).to(device), torch.ones((), device=device))
            values["future@clean"] = self.processes["future"].corrupt(data["future"], noise["future"], tau)
            clock["future@clean"] = tau
        context = shifted(batch.context, self.config.shift, generator) if self.training else batch.context
        outputs: dict[str, Tensor] = {}
        for number, network in enumerate(self.networks):
            conditions = self._conditions(network, context)
            if "future@hidden" in network.segments:
                values["future@hidden"] = self.look(context, noise["future"], seen)[0]
            tokens = conditions | {name: network.embed(name, values[name], seen) for name in network.segments if name in values}
            hidden, _ = network(self.steer(network, tokens, values["action"], context, clock), clock)
            outputs |= {name: network.read(name, hidden[name]) for name in c.streams if c.home(name) == number}
        losses = {}
        usable = torch.where(batch.has_action, batch.imitate | c.directly("future", "action"), VIDEO in self.answers())
        masks = {"action": batch.action_mask & batch.imitate[:, None], "future": batch.future_mask & usable[:, None]}
        for name in c.streams:
            process = self.processes[name]
            error = (outputs[name] - process.target(data[name], noise[name], levels[name])) ** 2
            mask = masks[name] & (levels[name] < 1)[:, None]
            weight = mask.repeat_interleave(error.shape[1] // mask.shape[1], 1)[..., None].float()
            if name == "future":
                weight = weight * torch.where(batch.imitate | ~batch.has_action, 1.0, self.config.play_weight)[:, None, None]
            losses[name] = (error * weight).sum() / (weight.sum() * error.shape[-1]).clamp_min(1)
        weighted = [losses[name] * (self.config.action_weight if name == "action" else 1.0) for name in c.streams]
        return losses | {"total": torch.stack(weighted).sum()}

    def steer(self, network: Network, tokens: dict[str, Tensor], action: Tensor | None, context: Context,
              levels: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tokens; the future's are steered by the action where the coupling has it read and the body's place is known."""
        if network.steering is None or action is None or "future" not in tokens:
            return tokens
        extra = network.steering(action, self.proprioception(context)[:, -1], levels["action"])
        return tokens | {"future": tokens["future"] + extra * levels["state"][:, None, None]}

    def look(self, context: Context, noise: Float[Tensor, "B Fn c"],
             seen: Float[Tensor, "B Fn c"] | None) -> tuple[Tensor, Tensor]:
        """One pass of the future's network over pure noise, without gradient.

        Returns:
            hidden states of all blocks [B, Fn, depth * d], and the future that this single pass expects.
        """
        with torch.no_grad():
            network, zero = self.networks[self.coupling.home("future")], torch.zeros(len(noise), device=noise.device)
            start = self.processes["future"].corrupt(noise, noise, zero)
            tokens = self._conditions(network, context) | {"future": network.embed("future", start, seen)}
            hidden, _ = network(tokens, {"future": zero} | self.given(context))
            estimate = self.processes["future"].estimate(network.read("future", hidden["future"]), start, zero)
            return torch.cat(hidden["future"], -1), estimate

    def proprioception(self, context: Context) -> Float[Tensor, "B H P"]:
        """Normalised; zeros where it is unknown."""
        state = (context.state - self.state_mean) / self.state_scale
        return state * context.known[:, None, None]

    def given(self, context: Context) -> dict[str, Tensor]:
        """The level of the proprioception: 1 where it is known, else 0."""
        return {"state": context.known.float()}

    def _conditions(self, network: Network, context: Context) -> dict[str, Tensor]:
        return network.conditions(context.frames.float() / 255, self.proprioception(context), context.instruction)

    def _predict(self, context: Context, given: Given, query: Query, seeds: Sequence[int]) -> Prediction:
        return sample(self, context, given, query, seeds)
