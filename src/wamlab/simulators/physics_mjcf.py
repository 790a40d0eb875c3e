"""MJCF of the physics scenes: a floor, end stops, a hand on two slides, bodies in the plane, scenery that can be placed."""

from __future__ import annotations

from .physics_scenes import END, GRAVITY, GREEN, GREY, HAND, HOLD, RADIUS, SHELF, Scene, Thing

TIMESTEP = 0.0025
_ELASTIC = "-20000 -3"
"""stiffness and damping of contacts of slippery balls: they bounce off each other with little loss"""
_FIRM = "0.005 1"


def build(scene: Scene) -> str:
    """The scene as MJCF. Places are set later: free bodies through their joints, scenery as mocap bodies."""
    shelf = _box(f"0 0 {SHELF - 0.005}", f"{END} .05 .005") if scene.lanes else ""
    hold = (f'<equality><weld body1="hand" body2="{scene.held}" relpose="0 0 {-HOLD} 1 0 0 0" solref="0.005 1"/></equality>'
            if scene.held else "")
    ends = "".join(_box(f"{side * (END + 0.02)} 0 .25", ".01 .05 .25") for side in (-1, 1))
    return f"""<mujoco model="physics">
<option timestep="{TIMESTEP}" gravity="0 0 {-GRAVITY}" integrator="implicitfast" cone="elliptic"/>
<visual><headlight ambient=".55 .55 .55" diffuse=".45 .45 .45" specular="0 0 0"/><map znear=".01" zfar="10"/></visual>
<default>
  <geom solref="{_FIRM}" condim="3" friction="1 .005 .0001"/>
  <default class="scenery"><geom contype="1" conaffinity="2" rgba="{_rgba(GREY)}"/></default>
  <default class="hand"><geom contype="4" conaffinity="2" priority="2" condim="1" rgba="{_rgba(HAND)}" mass="1"/></default>
  <default class="look"><geom contype="0" conaffinity="0" rgba="{_rgba(HAND)}" mass="0"/></default>
</default>
<worldbody>
  <geom type="box" size="1.5 .01 1" pos="0 .5 .5" rgba=".86 .87 .9 1" contype="0" conaffinity="0"/>
  {_box("0 0 -.05", "1 .2 .05")}{shelf}{ends}
  <body name="hand" gravcomp="1">
    <joint name="hand x" type="slide" axis="1 0 0"/><joint name="hand z" type="slide" axis="0 0 1"/>{scene.hand}
  </body>
  {"".join(map(_thing, scene.things))}
  <body name="goal" mocap="true"><geom type="box" size=".03 .045 .004" class="look" rgba="{_rgba(GREEN)}"/></body>
  {"".join(_SCENERY[name] for name in scene.extras)}
</worldbody>
{hold}
<actuator>
  <position joint="hand x" kp="6000" kv="160"/><position joint="hand z" kp="6000" kv="160"/>
</actuator>
</mujoco>"""


def _rgba(colour: tuple[float, float, float]) -> str:
    return " ".join(map(str, (*colour, 1)))


def _box(place: str, size: str) -> str:
    return f'<geom type="box" size="{size}" pos="{place}" class="scenery"/>'


def _thing(thing: Thing) -> str:
    form = f'type="sphere" size="{RADIUS}"' if thing.shape == "ball" else f'type="box" size="{RADIUS} {RADIUS} {RADIUS}"'
    surface = (f'condim="3" friction="{thing.friction} .005 .0001"' if thing.friction
               else f'condim="1" solref="{_ELASTIC}"')
    slides = "".join(f'<joint name="{thing.name} {axis}" type="slide" axis="{way}"/>'
                     for axis, way in (("x", "1 0 0"), ("z", "0 0 1")))
    turn = f'<joint name="{thing.name} turn" type="hinge" axis="0 1 0"/>' if thing.shape == "ball" else ""
    return (f'<body name="{thing.name}">{slides}{turn}<geom {form} mass="{thing.mass}" priority="1" '
            f'contype="2" conaffinity="7" rgba="{_rgba(thing.colour)}" {surface}/></body>')


_SCENERY = {
    # the box lies to the right of the body's origin, its upper face through it
    "ramp": '<body name="ramp" mocap="true"><geom type="box" size=".17 .05 .01" pos=".17 0 -.01" class="scenery"/></body>',
    "screen": f'<body name="screen" mocap="true"><geom type="box" size=".07 .005 .06" pos="0 -.08 {0.06 - RADIUS}" '
              'class="look" rgba=".45 .32 .2 1"/></body>',
}
