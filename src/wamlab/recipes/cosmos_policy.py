"""Cosmos Policy: actions, the state they lead to and its value are further latent frames of one video model.

    wam train cosmos_policy --data data/drawer --out checkpoints/cosmos_policy
    wam rollout checkpoints/cosmos_policy/model metaworld/drawer-open --best-of 8 --out rollouts/cosmos_policy

One set of weights is a policy, a world model and a value function: half of the samples seek everything, a quarter what given
actions lead to, a quarter the value of what is given. With --best-of it plans: of some answers, the one it values most is done.
Values are those of whoever acted. Where everything is sought these are demonstrations alone; with the actions given it is also
play, which is worth what it stumbles upon, mostly nothing.
"""

from ..models.streams import Streams
from ..parts.processes import FlowMatching
from ..parts.representations import Actions, After, Tiled, Value
from ..parts.streams import Stream
from ..parts.vocabulary import CONDITIONS, actions, frames
from ..queries import query
from ..recipe import Recipe, Training

ALL = (*CONDITIONS, "action", "after", "future", "value")
EVERYTHING, OUTCOME = query("action after future value"), query("after future value", given="action")
WORTH = query("value", given="action after future")
NOISY = FlowMatching(shift=4.0)  # 16 copies of an action average their noise away, and an action that shows is not inferred

cosmos_policy = Recipe(
    name="cosmos_policy",
    summary="joint, one video model: actions, the next state and its value are tiled into latent frames; plans by best of N",
    paper="Cosmos Policy (arXiv 2601.16163)",
    differs="trained from nothing instead of from a video model of 2 billion weights; small convolutional latents; data "
            "prediction with 5 flow steps; each token of a latent frame repeats one step's action; signals by mean and "
            "deviation instead of to [-1, 1]; levels shifted by 4 instead of noise of which 70 % is log-normal and 30 % "
            "uniform from 1 to 85 times the data; the context is tokens of its own; values come from demonstrations and "
            "play instead of the policy's own rollouts, and best of N asks one question of one model instead of "
            "averaging several",
    model=Streams(
        streams={"future": frames(process=NOISY), "action": actions(Tiled(Actions()), NOISY),
                 "after": Stream(Tiled(After()), NOISY), "value": Stream(Tiled(Value()), NOISY)},
        reads={name: ALL for name in ("future", "action", "after", "value")}, clock="shared",
        practice=(EVERYTHING, EVERYTHING, OUTCOME, WORTH)),
    training=Training(steps=2400),  # half of the samples teach to act
)
