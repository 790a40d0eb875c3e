"""Who may import whom: lower layers never know higher ones, and nothing goes in circles."""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "wamlab"

# Rooms, from the bottom up. A module may import modules of its own line and of lines below. The longest prefix counts.
LAYERS = [
    ("errors", "reading", "reading_tensors", "ranges", "fields", "queries", "types", "spec", "config", "userfile", "wamlab",
     "signals", "pictures"),
    ("simulators",),
    ("data",),
    ("parts",),
    ("models",),
    ("recipe",),
    ("learn",),
    ("labels", "curate.remix"),
    ("control",),
    ("evaluate", "evaluate.power"),
    ("evaluate.eyes",),
    ("evaluate.metrics",),
    ("evaluate.ask",),
    ("evaluate.scoring",),
    ("evaluate.conformance",),
    ("evaluate.card",),
    ("evaluate.sufficiency",),
    ("evaluate.records",),
    ("simulators.surrogate", "labels.quality", "curate.filters"),
    ("report",),
    ("curate", "curate.value"),
    ("recipes", "job"),
    ("commands", "cli", "__main__"),
]
FLOORS = {"evaluate", "labels", "curate"}
"""rooms whose own files lie below their folders: a folder in them has to be named in LAYERS"""
SIMULATORS_MAY_USE = {"wamlab", "errors", "types", "spec", "userfile", "gymnasium", "mujoco", "metaworld", "numpy", "scipy",
                      "jaxtyping", "OpenGL", "glfw", "PIL"}


def modules() -> dict[str, Path]:
    """Dotted name inside the package (the package itself is "wamlab") to file."""
    names = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts) or "wamlab"] = path
    return names


def for_types_only(tree: ast.Module) -> set[ast.AST]:
    """What stands under `if TYPE_CHECKING:`; it is never run."""
    guards = [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    return {inner for guard in guards for statement in guard.body for inner in ast.walk(statement)}


def imports(name: str, path: Path, known: set[str]) -> set[str]:
    """What a module imports, also inside functions: names in the package, and top names of everything else."""
    package = name.split(".") if path.name == "__init__.py" and name != "wamlab" else name.split(".")[:-1]
    found = set()
    tree = ast.parse(path.read_text())
    skipped = for_types_only(tree)
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            targets = [alias.name.split(".") for alias in node.names]
            found |= {".".join(t[1:]) or "wamlab" if t[0] == "wamlab" else t[0] for t in targets}
        elif isinstance(node, ast.ImportFrom):
            base = (node.module or "").split(".") if node.module else []
            if node.level:
                base = package[: len(package) - node.level + 1] + base
            elif base[0] == "wamlab":
                base = base[1:]
            else:
                found.add(base[0])
                continue
            for alias in node.names:
                member = ".".join([*base, alias.name])
                found.add(member if member in known else ".".join(base) or "wamlab")
    return found - {name}


GRAPH = {name: imports(name, path, set(modules())) for name, path in modules().items()}


def layer(name: str) -> int:
    """The layer of the longest prefix that is listed."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        for number, members in enumerate(LAYERS):
            if ".".join(parts[:length]) in members:
                return number
    raise AssertionError(f"{name} stands in no layer: add it to LAYERS")


def room(name: str) -> str:
    """The longest prefix that is listed."""
    parts = name.split(".")
    listed = {member for members in LAYERS for member in members}
    return next(prefix for prefix in (".".join(parts[:n]) for n in range(len(parts), 0, -1)) if prefix in listed)


def between_rooms(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """Which room imports from which other rooms."""
    found: dict[str, set[str]] = {}
    for name, others in graph.items():
        found.setdefault(room(name), set()).update({room(other) for other in others if other in graph} - {room(name)})
    return found


def unlisted(names: set[str]) -> list[str]:
    """Folders inside of FLOORS that no line of LAYERS names."""
    folders = {".".join(name.split(".")[:2]) for name in names if name.count(".") > 1 and name.split(".")[0] in FLOORS}
    return sorted(folder for folder in folders if room(folder) != folder)


def violations(graph: dict[str, set[str]]) -> list[str]:
    return sorted(f"{name} (layer {layer(name)}) imports {other} (layer {layer(other)})"
                  for name, others in graph.items() for other in others if other in graph and layer(other) > layer(name))


def test_lower_layers_never_import_higher_ones():
    assert violations(GRAPH) == []


def test_the_scan_sees_a_violation():
    assert violations({"data.store": {"models.base"}, "models.base": {"data.store"}}) == [
        "data.store (layer 2) imports models.base (layer 4)"]


def test_simulators_know_only_records_and_engines():
    allowed = SIMULATORS_MAY_USE | set(__import__("sys").stdlib_module_names)
    for name, others in GRAPH.items():
        if name.split(".")[0] == "simulators" and layer(name) == layer("simulators"):
            foreign = {other for other in others if other.split(".")[0] not in allowed | {"simulators"}}
            assert not foreign, f"{name} imports {sorted(foreign)}"


def test_no_import_cycles():
    inside = {name: {other for other in others if other in GRAPH} for name, others in GRAPH.items()}
    list(graphlib.TopologicalSorter(inside).static_order())
    with pytest.raises(graphlib.CycleError):
        list(graphlib.TopologicalSorter({"a": {"b"}, "b": {"a"}}).static_order())


def test_no_cycles_between_rooms():
    list(graphlib.TopologicalSorter(between_rooms(GRAPH)).static_order())
    with pytest.raises(graphlib.CycleError):  # these stand on one line, so that no order of lines forbids it
        list(graphlib.TopologicalSorter(between_rooms({"recipes.uwm": {"job.run"}, "job.run": {"recipes.uwm"}})).static_order())


def test_every_folder_is_a_room_with_a_line():
    assert unlisted(set(GRAPH)) == []
    assert unlisted({"evaluate.attic.old", "evaluate.ask.f2a", "evaluate.log"}) == ["evaluate.attic"]


def test_files_stay_small():
    long = {name: len(path.read_text().splitlines()) for name, path in modules().items()}
    assert {name: lines for name, lines in long.items() if lines > 250} == {}
