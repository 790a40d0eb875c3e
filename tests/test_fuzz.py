"""Whatever a file or an option holds, the answer is a result or a WamError: no other exception, no hang, no lake of memory.

Every kind of header that is read is written as it should be, then spoilt in one place, about a hundred times each;
`pytest -m slow` does the same a hundred thousand times.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import shlex
import shutil
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_fakes import SPEC, episode, imagined_episode
from helpers_models import small_spec
from hostile import head_of, hostile_json, spoilt, watched, with_head
from lerobot_fakes import bench_lerobot
from synthetic import write_run
from test_lerobot import old_dataset
from wamlab import cli, recipe
from wamlab.commands import show
from wamlab.commands.places import stores
from wamlab.data.formats.convert import describe
from wamlab.data.formats.sidecar import read_sidecar
from wamlab.data.record import pack
from wamlab.data.recorder_plan import PLAN, Plan, read_plan
from wamlab.data.store import EpisodeStore, checksum
from wamlab.data.umi import files as umi
from wamlab.data.umi.calibrate import Calibration
from wamlab.data.umi.track import Frame
from wamlab.errors import DataError, WamError
from wamlab.evaluate.ask import answer_file
from wamlab.evaluate.ask.branch_data import Branches, Protocol
from wamlab.evaluate.ask.imagining import Futures
from wamlab.evaluate.conformance import gate
from wamlab.evaluate.evidence import Answers
from wamlab.evaluate.eyes.readout import Audit, Eye, Readout, Shape
from wamlab.evaluate.log import EvalLog
from wamlab.evaluate.records import reading
from wamlab.evaluate.records.lines import rows
from wamlab.job.cards import settings as run_settings
from wamlab.learn import checkpoint
from wamlab.ranges import Within
from wamlab.reading import CONTROL

FEW, MANY = {"small": 144, "middle": 60, "large": 20}, 4600
"""inputs for each kind of file: 2,088 in all in the default set and 101,200 in the slow one, beside those for options"""
WORDS = ("", "0", "-1", "-0.5", "nan", "inf", "-inf", "1e999", "0.5", "1.5", "9" * 30, "9" * 5000, "2147483648", "4294967296",
         "18446744073709551616", "1000001", "x", "\0", "a\0b", "\ud800", "../..", "--", "-", "None", "True", "[]", "{}",
         "a" * 5000, "1_000", "٣", "0x10", "1e6", " 1", "1,2", "0:1,1", "\x1b[2J")


@dataclass(frozen=True)
class Target:
    """A kind of file: where it is, what it holds, how such a thing is written again, and who reads it."""

    file: Path
    said: Any
    read: Callable[[], object]
    written: Callable[[bytes], bytes] = lambda text: text


def forged(arrays: dict[str, np.ndarray]) -> Callable[[bytes], bytes]:
    """An episode file with this text in its header, the checksums of which are right."""
    from safetensors.numpy import save

    def write(text: bytes) -> bytes:
        said = text.decode("utf-8", "replace")
        sums = json.dumps({name: checksum(value) for name, value in arrays.items()})
        return save(arrays, {"episode": said, "checksums": sums, "header_checksum": str(zlib.crc32(said.encode()))})

    return write


def tensors(file: Path, read: Callable[[], object]) -> Target:
    head, data = head_of(file)
    return Target(file, head, read, lambda text: with_head(text, data))


def inner(file: Path, name: str, read: Callable[[], object]) -> Target:
    """The JSON text that stands in the header of a safetensors file."""
    head, data = head_of(file)

    def write(text: bytes) -> bytes:
        texts = head["__metadata__"] | {name: text.decode("utf-8", "replace")}
        return with_head(json.dumps(head | {"__metadata__": texts}).encode(), data)

    return Target(file, json.loads(head["__metadata__"][name]), read, write)


def line_of(file: Path, read: Callable[[], object]) -> Target:
    """The lines of a file of JSON lines, as one list."""
    said = [json.loads(line) for line in file.read_text().splitlines()]

    def write(text: bytes) -> bytes:
        try:
            kept = json.loads(text)
        except (ValueError, RecursionError):
            return text
        return "\n".join(map(json.dumps, kept)).encode() if isinstance(kept, list) else text

    return Target(file, said, read, write)


def branches(folder: Path) -> Path:
    protocol = Protocol("counter", (1, 2), contexts=2, horizon=2, actions=("null", "forward"))
    generator = np.random.default_rng(0)
    made = Branches(
        SPEC, protocol, "r", np.zeros((2, 2, 2, 2), np.float32), np.zeros((2, 1, 4, 6, 3), np.uint8),
        np.zeros((2, 1, 2), np.float32), {"arm": generator.normal(size=(2, 2, 3, 3))}, np.zeros((2, 2, 3), bool),
        np.zeros((2, 2, 2, 4, 6, 3), np.uint8), np.arange(2), np.arange(2), np.arange(2))
    made.save(folder / "branches.safetensors")
    Branches.load(folder / "branches.safetensors")
    return folder / "branches.safetensors"


def known_plan(root: Path) -> Plan:
    found = read_plan(root)
    if found is None:  # one that is damaged is as good as none
        raise DataError("no plan", where=root)
    return found


@pytest.fixture(scope="module")
def targets(tmp_path_factory) -> dict[str, Target]:
    """Every kind of file, whole, and whoever reads it."""
    root = tmp_path_factory.mktemp("whole")
    store = EpisodeStore.create(root / "store", SPEC, "r", {"source": "made up"})
    store.put(0, imagined_episode())
    one = store.files()[0]
    arrays, text = pack(episode(1, 4))
    shutil.copytree(root / "store", root / "forged")
    (root / "forged/episodes/00000000.safetensors").write_bytes(forged(arrays)(text.encode()))
    forgery = EpisodeStore.open(root / "forged")
    new = bench_lerobot(root / "new", 2)
    old_dataset(root / "old", ["x", "y", "g"])
    write_run(root / "run")
    (root / "run/run.json").write_text(json.dumps({"models": ["uwm", "vla"], "seed": 0, "execute": 4}))
    made = recipe.load("vla").sized("debug")
    weights = made.model.build(small_spec()).state_dict()
    checkpoint.save(root / "model", weights, made, small_spec(), {"stage": "done", "step": 1})
    shape = Shape({"arm": 3}, True, 8)
    Readout(Eye(shape), shape, np.zeros(3), np.ones(3), {"arm": Audit(0.1, 0.1, 0.9, 10)}).save(root / "readout.safetensors")
    Futures(np.zeros((2, 2, 2, 4, 6, 3), np.uint8), (1, 2)).save(root / "futures.safetensors")
    states = {"arm": np.zeros((2, 2, 2, 3))}
    answer_file.save(Answers({"arm": np.zeros((2, 3))}, states, states, (1, 2), ("a", "b"), ("free", "near"),
                             {"own": {"arm": np.zeros((2, 2, 3))}}), root / "answers.safetensors")
    (root / "calibration.json").write_text(Calibration(Frame.none(), Frame.none()).to_json())
    (root / "demo").mkdir()
    (root / "demo/demonstration.json").write_text(json.dumps({"instruction": "grip", "scene": 3}))
    (root / "recording/recording").mkdir(parents=True)
    (root / "recording" / PLAN).write_bytes(Plan(SPEC, "r").content())
    gate.write({"cc": ["pushworld"], "dose": []}, root / "conformance.json")
    lines = [line.table for line in rows(Path(__file__).parents[1] / "docs/protocol-cc-1.0.md")]
    (root / "records.jsonl").write_text("\n".join(map(json.dumps, lines)))

    def whole(file: Path, read: Callable[[], object]) -> Target:
        return Target(file, json.loads(file.read_text()), read)

    found = {
        "dataset.json": whole(root / "store/dataset.json", lambda: EpisodeStore.open(root / "store")),
        "an episode's header": tensors(one, lambda: (store.load(0), store.meta(0))),
        "what an episode says": Target(root / "forged/episodes/00000000.safetensors", json.loads(text),
                                       lambda: (forgery.load(0), forgery.meta(0)), forged(arrays)),
        "info.json": whole(new / "meta/info.json", lambda: describe(new)),
        "wamlab.json": whole(new / "meta/wamlab.json", lambda: read_sidecar(new)),
        "info.json of version 2.1": whole(root / "old/meta/info.json", lambda: describe(root / "old")),
        "tasks": line_of(root / "old/meta/tasks.jsonl", lambda: describe(root / "old")),
        "episodes": line_of(root / "old/meta/episodes.jsonl", lambda: describe(root / "old")),
        "checkpoint.json": whole(root / "model/checkpoint.json", lambda: show.checkpoint(root / "model")),
        "a checkpoint's tensors": tensors(root / "model/tensors.safetensors", lambda: checkpoint.load_model(root / "model")),
        "log.json": whole(root / "run/log/log.json", lambda: (show.run(root / "run"), EvalLog.load(root / "run/log"))),
        "places in a log": whole(root / "run/log/log.json", lambda: stores(root / "run/log")),
        "run.json": whole(root / "run/run.json", lambda: run_settings(root / "run")),
        "plan.json": whole(root / "recording" / PLAN, lambda: known_plan(root / "recording")),
        "records": line_of(root / "records.jsonl", lambda: reading.load(root / "records.jsonl")),
        "calibration.json": whole(root / "calibration.json", lambda: umi.read_calibration(root, root / "calibration.json")),
        "demonstration.json": whole(root / "demo/demonstration.json", lambda: umi.described(root / "demo")),
        "conformance.json": whole(root / "conformance.json", lambda: gate.read(root / "conformance.json")),
        "branches": inner(branches(root), "branches", lambda: Branches.load(root / "branches.safetensors")),
        "a readout": inner(root / "readout.safetensors", "readout", lambda: Readout.load(root / "readout.safetensors")),
        "answers": inner(root / "answers.safetensors", "answers", lambda: answer_file.load(root / "answers.safetensors")),
        "futures": tensors(root / "futures.safetensors", lambda: Futures.load(root / "futures.safetensors")),
    }
    for target in found.values():
        target.read()  # whole, all of them are read
    return found


KINDS = {
    "an episode's header": "small", "what an episode says": "small", "wamlab.json": "small", "run.json": "small",
    "plan.json": "small", "calibration.json": "small", "demonstration.json": "small", "conformance.json": "small",
    "branches": "small", "a readout": "small", "answers": "small", "futures": "small",
    "dataset.json": "middle", "records": "middle", "log.json": "middle", "places in a log": "middle",
    "info.json": "large", "info.json of version 2.1": "large", "tasks": "large", "episodes": "large",
    "checkpoint.json": "large", "a checkpoint's tensors": "large"}
"""how much work a reading is"""


def hunt(target: Target, count: int) -> int:
    """Spoil a file `count` times; returns how often it was refused. Whatever is no WamError comes out."""
    refused = 0
    kept = target.file.read_bytes()

    @settings(max_examples=count, deadline=None, database=None, report_multiple_bugs=False,
              derandomize=count < MANY, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def one(data: st.DataObject) -> None:
        nonlocal refused
        target.file.write_bytes(data.draw(spoilt(target.written(data.draw(hostile_json(target.said))))))
        with watched():
            try:
                target.read()
            except WamError as error:
                refused += 1
                assert str(error)

    try:
        one()
    finally:
        target.file.write_bytes(kept)
    return refused


@pytest.mark.parametrize("kind", KINDS)
def test_spoilt_files(targets, kind):
    assert set(targets) == set(KINDS)
    count = FEW[KINDS[kind]]
    assert hunt(targets[kind], count) > count // 4  # or nothing was spoilt


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_many_spoilt_files(targets, kind):
    hunt(targets[kind], MANY)


def test_the_watch_sees_what_it_should(tmp_path):
    with pytest.raises(MemoryError), watched():
        np.ones(1 << 28)
    file = tmp_path / "x.json"
    file.write_text("{}")
    with pytest.raises(ZeroDivisionError):
        hunt(Target(file, {"a": 1}, lambda: 1 // file.read_bytes().startswith(b"{")), 50)


def commands() -> dict[tuple[str, ...], tuple[type, list[str]]]:
    """Every command and action, by the words that call it: its class, and the arguments of the first example of its help."""
    found: dict[tuple[str, ...], type] = {}
    for name in cli.COMMANDS:
        command = importlib.import_module(f"wamlab.commands.{name}").Command
        if name != "data":
            found[(name,)] = command
        else:
            for part in get_args(get_type_hints(command, include_extras=True)["action"]):
                found[name, next(one.name for one in part.__metadata__ if hasattr(one, "name"))] = part.__origin__
    lines = {words: command.__doc__.partition("examples:")[2].strip().splitlines()[0] for words, command in found.items()}
    return {words: (command, shlex.split(lines[words])[1 + len(words):]) for words, command in found.items()}


def options(command: type) -> list[tuple[str, Any]]:
    """(option, type) of each field that is no switch and no positional; fields of a dataclass within are options too."""
    hints, found = get_type_hints(command, include_extras=True), []
    for field in dataclasses.fields(command):
        hint = hints[field.name]
        bare = hint.__origin__ if get_origin(hint) is Annotated else hint
        if dataclasses.is_dataclass(bare):
            found += options(bare)
        elif bare is not bool and "Positional" not in str(hint):
            named = (getattr(one, "name", None) for one in getattr(hint, "__metadata__", ()))
            found.append(("--" + next((name for name in named if name), field.name.replace("_", "-")), hint))
    return found


def run_options(words: tuple[str, ...], said: list[str]) -> bool:
    """Whether a command line is refused as `wam` refuses it: by a WamError, or an exit with status 2."""
    with watched():
        try:
            cli.parse(words[0], [*words[1:], *said])
        except WamError:
            return True
        except SystemExit as stop:
            assert stop.code == 2
            return True
    return False


@pytest.mark.parametrize("words", sorted(commands()), ids=" ".join)
def test_hostile_options(words, capsys):
    """Two hostile words for every option, beside an example of the help; all of them in the slow set."""
    command, example = commands()[words]
    assert not run_options(words, example)
    for number, (option, _) in enumerate(options(command)):
        for word in (WORDS[number % len(WORDS)], WORDS[(7 * number + 3) % len(WORDS)]):
            run_options(words, [*example, option, word])
    out, err = capsys.readouterr()
    assert not out and not CONTROL.search(err)


@pytest.mark.slow
@pytest.mark.parametrize("words", sorted(commands()), ids=" ".join)
def test_many_hostile_options(words, capsys):
    command, example = commands()[words]
    for option, _ in options(command):
        for word in WORDS:
            run_options(words, [*example, option, word])
    out, err = capsys.readouterr()
    assert not out and not CONTROL.search(err)


@pytest.mark.parametrize("words", sorted(commands()), ids=" ".join)
def test_every_number_has_a_range_and_every_path_is_one(words):
    """The type of each option says what it may be; beyond its range it is refused by name, at its ends it is not."""
    command, example = commands()[words]
    for option, hint in options(command):
        text = str(hint)
        if {int, float} & {part for part in walk(hint) if isinstance(part, type)}:
            within = next(one for one in walk(hint) if isinstance(one, Within))
            many = 2 if "tuple" in text and "..." not in text else 1
            for bad in (within.low - 1, within.high + 1, "nan"):
                with pytest.raises((WamError, SystemExit)) as caught:
                    cli.parse(words[0], [*words[1:], *example, option, *[str(bad)] * many])
                if isinstance(caught.value, WamError):
                    assert caught.value.where == option and str(within) == str(caught.value.expected)
            cli.parse(words[0], [*words[1:], *example, option, *[str(within.high)] * many])
        elif "Path" in text and "recorded" not in text:
            with pytest.raises(SystemExit):
                cli.parse(words[0], [*words[1:], *example, option, ""])


def walk(hint: Any) -> Iterator[Any]:
    """A type's parts, and what is annotated on them."""
    yield hint
    yield from getattr(hint, "__metadata__", ())
    for part in get_args(hint):
        if not isinstance(part, str):
            yield from walk(part)
