"""Nothing is narrowed on the way in without a line that says so: columns, names, outcomes, bad episodes, tables that lie."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lerobot_fakes import bench_store
from wamlab.cli import main
from wamlab.data.check.run import check_dataset
from wamlab.data.formats.channels import channel_names
from wamlab.data.formats.convert import import_lerobot
from wamlab.data.formats.convert_out import export_lerobot
from wamlab.data.formats.features import Feature
from wamlab.data.formats.lerobot import LeRobot
from wamlab.data.formats.lerobot_write import Writer
from wamlab.data.formats.sidecar import FILE
from wamlab.data.formats.statistics import picture_statistics
from wamlab.data.formats.tables import read_table
from wamlab.data.store import EpisodeStore
from wamlab.errors import DataError, UnknownName

TOP, DATA, EPISODES = "observation.images.top", "data/chunk-000/file-000.parquet", "meta/episodes/chunk-000/file-000.parquet"
LENGTH = 8


def walked(number: int, channels: int = 2) -> dict[str, np.ndarray]:
    """State and action of an episode: a random walk, and where it goes next."""
    state = np.cumsum(np.random.default_rng(number).normal(0, 0.1, (LENGTH, channels)), 0).astype(np.float32)
    return {"observation.state": state, "action": np.concatenate([state[1:], state[-1:]])}


def foreign(root: Path, columns=walked, features=None, episodes: int = 3, names: dict[str, str] | None = None,
            task="push") -> Path:
    """A dataset as other tools write it: no sidecar.

    Args:
        columns: an episode's columns by its number.
        features: in place of state and action of two numbers.
        names: columns to call otherwise.
    """
    called = names or {}
    features = {"observation.state": Feature("float32", (2,), ("x", "y")), "action": Feature("float32", (2,), ("dx", "dy")),
                TOP: Feature("image", (8, 8, 3)), **(features or {})}
    root.mkdir(parents=True)
    writer = Writer(root, {called.get(name, name): feature for name, feature in features.items()}, fps=10)
    for number in range(episodes):
        frames = np.full((LENGTH, 8, 8, 3), 60 + 20 * number, np.uint8) + np.arange(LENGTH, dtype=np.uint8)[:, None, None, None]
        own = columns(number)
        writer.add({called.get(name, name): value for name, value in own.items()},
                   {called.get(name, name): frames for name in features if features[name].picture}, task)
    writer.close()
    return root


def problems(findings) -> list[str]:
    return [finding.problem for finding in findings if finding.check in ("import", "stray file")]


def rewrite(file: Path, change) -> None:
    pq.write_table(change(pq.read_table(file)), file)


# ---- what came of it ------------------------------------------------------------------------------------------------


def ending(last: list[bool], dtype="bool"):
    def columns(number: int) -> dict[str, np.ndarray]:
        after = np.zeros((LENGTH, 1), dtype)
        after[-1] = last[number]
        return walked(number) | {"next.success": after, "next.reward": after.astype(np.float32)}
    return columns


OUTCOME = {"next.success": Feature("bool", (1,)), "next.reward": Feature("float32", (1,))}


def test_success_that_stands_in_the_last_row_alone_counts(tmp_path):
    root = foreign(tmp_path / "a", ending([True, False, True]), OUTCOME)
    done = import_lerobot(root, tmp_path / "b")
    assert [episode.solved for episode in done.store] == [True, False, True] and all(e.outcome_known for e in done.store)
    assert done.store[0].success.tolist() == [False] * (LENGTH - 1) + [True]
    assert done.store[0].meta["last_row"] == {"success": True, "reward": 1.0}
    assert any("last row alone" in text and "0, 2" in text for text in problems(done.noticed))
    assert set(problems(done.noticed)) <= set(problems(check_dataset(root)))  # in the same words
    # there and back: what is ours is exact, also what the last row said
    back = import_lerobot(export_lerobot(done.store, tmp_path / "c", video="lossless"), tmp_path / "d").store
    for one, two in zip(done.store, back, strict=True):
        assert np.array_equal(one.success, two.success) and one.meta["last_row"] == two.meta["last_row"]


def test_an_outcome_that_nobody_told_is_not_a_failure(tmp_path, capsys):
    root = foreign(tmp_path / "a")
    done = import_lerobot(root, tmp_path / "b")
    assert not any(episode.outcome_known for episode in done.store)
    assert any("unknown in every episode" in text for text in problems(done.noticed))
    assert main(["data", "info", str(tmp_path / "b"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["solved"] == "unknown" and said["unknown_outcomes"] == 3
    out = LeRobot.open(export_lerobot(done.store, tmp_path / "c", video="lossless"))
    assert "next.success" not in out.info.features  # nor is it written as one
    again = import_lerobot(tmp_path / "c", tmp_path / "d").store
    assert not any(episode.outcome_known for episode in again)


def test_outcomes_of_which_some_are_known_stay_apart(tmp_path):
    told = {"next.success": Feature("float32", (1,))}
    done = import_lerobot(foreign(tmp_path / "a", lambda number: walked(number) | {
        "next.success": np.full((LENGTH, 1), (1.0, 0.0, -1.0)[number], np.float32)}, told), tmp_path / "b")
    assert [(e.outcome_known, e.solved) for e in done.store] == [(True, True), (True, False), (False, False)]
    export_lerobot(done.store, tmp_path / "c", video="lossless")
    (tmp_path / "c" / FILE).unlink()  # as another tool would read it
    assert LeRobot.open(tmp_path / "c").columns(2)["next.success"].tolist() == [[-1]] * LENGTH
    back = import_lerobot(tmp_path / "c", tmp_path / "d").store
    assert [(e.outcome_known, e.solved) for e in back] == [(True, True), (True, False), (False, False)]


# ---- columns ---------------------------------------------------------------------------------------------------------


def test_the_names_of_openpi_are_known(tmp_path):
    root = foreign(tmp_path / "a", names={"observation.state": "state", "action": "actions", TOP: "image"})
    done = import_lerobot(root, tmp_path / "b")
    assert done.columns == {"action": "actions", "state": "state", "instruction": "task_index"}
    assert np.array_equal(done.store[1].state, walked(1)["observation.state"]) and done.store.task_spec.cameras == ("image",)


def test_a_state_under_another_name_is_not_lost(tmp_path):
    root = foreign(tmp_path / "a", names={"observation.state": "observation.joints"})
    with pytest.raises(DataError, match="no state under a name") as caught:
        import_lerobot(root, tmp_path / "b")
    assert "--state observation.joints" in caught.value.fix and not (tmp_path / "b").exists()
    assert [f.problem for f in check_dataset(root) if f.severity == "error"] == [caught.value.problem]
    assert import_lerobot(root, tmp_path / "b", state="observation.joints").store.task_spec.state == ("x", "y")
    done = import_lerobot(root, tmp_path / "c", state="none")
    assert done.store.task_spec.state == () and any("leaves 1 columns behind: observation.joints" in text
                                                    for text in problems(done.noticed))
    with pytest.raises(UnknownName, match=r"observation\.joint'"):
        import_lerobot(root, tmp_path / "d", state="observation.joint")
    with pytest.raises(DataError, match="no actions under a name") as caught:
        import_lerobot(foreign(tmp_path / "e", names={"action": "robot_command"}), tmp_path / "f")
    assert "--action robot_command" in caught.value.fix


def test_instructions_come_from_a_column_or_are_said(tmp_path):
    def told(number):
        return walked(number) | {"language": ["open it"] * 3 + ["close it"] * (LENGTH - 3)}

    root = foreign(tmp_path / "a", told, {"language": Feature("string", (1,))})
    assert "language" in "".join(problems(import_lerobot(root, tmp_path / "b").noticed))  # left behind, and said to be
    one = import_lerobot(root, tmp_path / "c", instruction="language").store[2]
    assert one.instructions == ((0, "open it"), (3, "close it"))
    said = import_lerobot(root, tmp_path / "d", instruction="fold the towel").store
    assert {episode.instruction for episode in said} == {"fold the towel"}
    with pytest.raises(UnknownName, match="langage"):  # a word that misses a column is no sentence
        import_lerobot(root, tmp_path / "e", instruction="langage")


@pytest.mark.parametrize("names, shape, found", [
    ([["a", "b", "c"]], (3,), ("a", "b", "c")),
    ({"gripper": 2, "x": 0, "y": 1}, (3,), ("x", "y", "gripper")),
    ({"left": ["x", "g"], "right": ["x", "g"]}, (4,), ("left.x", "left.g", "right.x", "right.g")),
    ({"left": {"x": 1}, "right": {"x": 0}}, (2,), ("right.x", "left.x")),
    ({"arm": [1, 2], "gripper": [0]}, (3,), ("gripper", "arm 0", "arm 1")),
    ({"arm": [0, 2], "gripper": [2, 3]}, (3,), ("arm 0", "arm 1", "gripper")),
    ([["x", "y", "z"]] * 2, (2, 3), ("0.x", "0.y", "0.z", "1.x", "1.y", "1.z")),
    (["state"], (8,), ()), (["arm", "joint"], (2, 3), ()), (None, (4,), ())])
def test_names_stand_by_their_numbers(names, shape, found):
    assert channel_names(names, shape, "here") == found


@pytest.mark.parametrize("names, shape", [({"x": 0, "y": 2}, (2,)), (["a", "b"], (3,)), (["a", "a"], (2,)),
                                          ({"x": 0, "y": ["z"]}, (2,)), ({"x": True, "y": 0}, (2,))])
def test_names_that_contradict_are_refused(names, shape):
    with pytest.raises(DataError, match=r"names"):
        channel_names(names, shape, "here")


def test_actions_of_two_arms_as_a_table(tmp_path):
    def columns(number):
        return walked(number) | {"action": np.random.default_rng(number).normal(size=(LENGTH, 2, 3)).astype(np.float32)}

    done = import_lerobot(foreign(tmp_path / "a", columns, {"action": Feature("float32", (2, 3))}), tmp_path / "b")
    assert done.store.task_spec.action.width == 6
    assert np.array_equal(done.store[1].action, columns(1)["action"][:-1].reshape(-1, 6))


# ---- bad episodes ----------------------------------------------------------------------------------------------------


def spoilt(number: int) -> dict[str, np.ndarray]:
    made = walked(number)
    if number == 1:
        made["action"] = made["action"].copy()
        made["action"][3, 0] = np.nan
    return made


def test_what_is_left_out_leaves_nothing_behind(tmp_path):
    root = foreign(tmp_path / "a", spoilt)
    with pytest.raises(DataError, match="episode 1 cannot be imported: action is not finite at step 3"):
        import_lerobot(root, tmp_path / "b")
    assert not (tmp_path / "b").exists()
    done = import_lerobot(root, tmp_path / "b", skip_bad=True)
    assert done.store.indices() == [0, 2] and [index for index, _ in done.skipped] == [1]
    kept = np.concatenate([walked(number)["action"] for number in (0, 2)])
    assert done.store.task_spec.action.low == tuple(map(float, kept.min(0)))
    assert import_lerobot(root, tmp_path / "b", skip_bad=True).skipped[0][0] == 1  # goes on, and says it again


def test_an_episode_whose_picture_is_damaged_has_no_say_in_the_limits(tmp_path):
    def columns(number):
        made = walked(number)
        return made | {"action": made["action"] * (100 if number == 2 else 1)}

    root = foreign(tmp_path / "a", columns)

    def damage(table):
        at = table.column_names.index(TOP)
        cells = table[TOP].to_pylist()
        cells[2 * LENGTH + 1]["bytes"] = b"no picture"
        return table.set_column(at, TOP, pa.array(cells, table.schema.field(at).type))

    rewrite(root / DATA, damage)
    done = import_lerobot(root, tmp_path / "b", skip_bad=True)
    assert done.store.indices() == [0, 1] and max(done.store.task_spec.action.high) < 5
    assert EpisodeStore.open(tmp_path / "b").task_spec == done.store.task_spec
    assert import_lerobot(root, tmp_path / "b").store.indices() == [0, 1]
    assert max(import_lerobot(foreign(tmp_path / "c", columns), tmp_path / "d").store.task_spec.action.high) > 5  # control


def test_empty_and_missing_episodes_are_left_out(tmp_path):
    root = foreign(tmp_path / "a")

    def emptied(table):
        rows = table.to_pylist()
        rows[1] |= {"length": 0, "dataset_to_index": rows[1]["dataset_from_index"]}
        return pa.Table.from_pylist(rows, table.schema)

    rewrite(root / EPISODES, emptied)
    with pytest.raises(DataError, match="episode 1 is empty"):
        import_lerobot(root, tmp_path / "b")
    assert import_lerobot(root, tmp_path / "b", skip_bad=True).store.indices() == [0, 2]
    (root / DATA).unlink()
    with pytest.raises(DataError, match="no episodes that can be read"):
        import_lerobot(root, tmp_path / "c", skip_bad=True)
    assert not (tmp_path / "c").exists()


# ---- tables that lie -------------------------------------------------------------------------------------------------


def split(root: Path) -> None:
    """The rows of episode 2 into a second file, of which the table of episodes knows nothing."""
    table = pq.read_table(root / DATA)
    pq.write_table(table.slice(2 * LENGTH), root / "data/chunk-000/file-001.parquet")
    pq.write_table(table.slice(0, 2 * LENGTH), root / DATA)


def test_rows_are_found_wherever_they_lie(tmp_path):
    root = foreign(tmp_path / "a")
    split(root)
    done = import_lerobot(root, tmp_path / "b")
    assert np.array_equal(done.store[2].state, walked(2)["observation.state"])
    found = check_dataset(root)
    assert any("found by episode_index" in text for text in problems(done.noticed)) and set(problems(done.noticed)) <= \
        set(problems(found)) and not any(finding.severity == "error" for finding in found)


def test_nothing_is_called_removable_while_something_is_missing(tmp_path):
    root = foreign(tmp_path / "a")
    split(root)
    rewrite(root / "data/chunk-000/file-001.parquet", lambda table: table.slice(0, LENGTH - 1))  # and one row is gone
    with pytest.raises(DataError, match="episode 2 cannot be imported") as caught:
        import_lerobot(root, tmp_path / "b")
    assert f"{LENGTH - 1} rows" in caught.value.got and "keep all its files" in caught.value.fix
    (stray,) = [finding for finding in check_dataset(root) if finding.check == "stray file"]
    assert stray.severity == "error" and "episodes 2, which are incomplete" in stray.problem and "keep it" in stray.fix
    whole = foreign(tmp_path / "c")
    (whole / "data/chunk-000/file-007.parquet").write_bytes((whole / DATA).read_bytes())
    (stray,) = [finding for finding in check_dataset(whole) if finding.check == "stray file"]
    assert stray.severity == "warning" and "whole elsewhere" in stray.problem and "keep it" in stray.fix


def test_no_advice_destroys(tmp_path):
    texts = [path.read_text() for path in (Path(__file__).parents[1] / "src/wamlab/data").rglob("*.py")]
    assert not [line for text in texts for line in text.splitlines() if "fix" in line and
                any(word in line for word in ('"remove ', '"delete ', "or remove ", "or delete ", '"drop ', "or drop "))]


def test_a_few_bytes_do_not_become_many(tmp_path):
    """Five million equal rows take up half a megabyte; they are counted before they are read."""
    file = tmp_path / "many.parquet"
    with pq.ParquetWriter(file, pa.schema([("episode_index", pa.int64())]), compression="zstd") as writer:
        for _ in range(5):
            writer.write_table(pa.table({"episode_index": np.zeros(1_000_000, np.int64)}))
    assert file.stat().st_size < 100_000
    with pytest.raises(DataError, match="more than is read at once"):
        read_table(file, rows=1_000_000)
    text = tmp_path / "text.parquet"  # one long text in a dictionary stands for all rows
    long = pa.array(["x" * 500_000]).dictionary_encode()
    pq.write_table(pa.table({"task": pa.DictionaryArray.from_arrays(pa.array(np.zeros(4000, np.int32)), long.dictionary).cast(
        pa.string())}), text, dictionary_pagesize_limit=2**20)
    with pytest.raises(DataError, match="unpacks to too much"):
        read_table(text)
    assert read_table(file, rows=5_000_000).num_rows == 5_000_000  # control


def test_columns_of_one_name_and_numbers_that_do_not_fit(tmp_path):
    file = tmp_path / "two.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]), file)
    with pytest.raises(DataError, match="two columns of the table have one name"):
        read_table(file)
    root = foreign(tmp_path / "a", features={"mode": Feature("uint8", (1,))}, columns=lambda number: walked(number) | {
        "mode": np.full((LENGTH, 1), 7, np.uint8)})
    assert LeRobot.open(root).columns(0)["mode"].max() == 7

    def larger(table):
        at = table.column_names.index("mode")
        return table.set_column(at, "mode", pa.array(np.full(table.num_rows, 300)))

    rewrite(root / DATA, larger)
    with pytest.raises(DataError, match="does not fit the column's type"):
        LeRobot.open(root).columns(0)


def test_numbers_that_32_bits_do_not_hold_are_told(tmp_path):
    def columns(offset):
        return lambda number: walked(number) | {"observation.state": walked(number)["observation.state"].astype(float) + offset}

    wide = {"observation.state": Feature("float64", (2,), ("x", "y"))}
    lost = import_lerobot(foreign(tmp_path / "a", columns(1.7e9), wide), tmp_path / "b")
    assert any("32 bits do not hold" in text for text in problems(lost.noticed))
    kept = import_lerobot(foreign(tmp_path / "c", columns(0.0), wide), tmp_path / "d")
    assert not any("32 bits" in text for text in problems(kept.noticed))


# ---- what an import leaves when it fails; what a check calls what ------------------------------------------------------


@pytest.mark.parametrize("size", [(0, 0), (-4, 64), (100_000_000, 100_000_000), (16_000, 16_000)])
def test_a_size_that_is_none_leaves_nothing(tmp_path, size, capsys):
    root = foreign(tmp_path / "a", episodes=1)
    assert main(["data", "import", str(root), "--out", str(tmp_path / "b"), "--size", *map(str, size)]) == 2
    assert "Traceback" not in capsys.readouterr().err and not (tmp_path / "b").exists()
    assert import_lerobot(root, tmp_path / "b", size=(6, 6)).store.task_spec.image_size == (6, 6)
    with pytest.raises(DataError, match="pictures of another size"):
        import_lerobot(root, tmp_path / "b", size=(4, 4))


def test_a_store_without_episodes_refuses_nothing(tmp_path):
    root = foreign(tmp_path / "a", episodes=1)
    done = import_lerobot(root, tmp_path / "b", size=(6, 6))
    done.store.files()[0].unlink()  # as if it had been stopped before its first episode
    assert import_lerobot(root, tmp_path / "b", size=(4, 4)).store.task_spec.image_size == (4, 4)


def test_an_episode_of_no_step_is_not_exported(tmp_path):
    store = bench_store(tmp_path / "a", 1)
    whole = store[0]
    store.append(replace(whole, frames={name: value[:1] for name, value in whole.frames.items()}, state=whole.state[:1],
                         action=whole.action[:0], success=whole.success[:1], imitate=None, has_action=None,
                         truth={name: value[:1] for name, value in whole.truth.items()}))
    with pytest.raises(DataError, match="has no step"):
        export_lerobot(store, tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_statistics_of_pictures_are_a_note_and_of_vectors_a_warning(tmp_path, capsys):
    root = foreign(tmp_path / "a")
    file = root / "meta/stats.json"
    said = json.loads(file.read_text())
    said[TOP] |= {"mean": [[[0.9]], [[0.9]], [[0.9]]], "count": [7]}  # as where sums of bytes overflow
    file.write_text(json.dumps(said))
    found = [f for f in check_dataset(root) if f.check == "statistics"]
    assert [(f.severity, f.field) for f in found] == [("note", f"{TOP}.mean")]
    assert main(["data", "check", str(root)]) == 0 and "nothing is wrong" in capsys.readouterr().out
    said["action"]["mean"] = [5.0, 5.0]
    file.write_text(json.dumps(said))
    assert "warning" in {f.severity for f in check_dataset(root) if f.check == "statistics"}
    assert picture_statistics(np.eye(3, 256, dtype=np.int64) * 64, 1)["count"] == [1]
