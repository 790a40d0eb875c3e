"""One writer, always: however many claim a folder at once, whatever a dead one left, whichever way the clock jumps. And what
dead writers left half written is cleared away, while what living ones write is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from data_fakes import SPEC as STORE_SPEC
from data_fakes import episode
from lerobot_fakes import SPEC
from wamlab.data.atomic import alone_in, drafting, sweep
from wamlab.data.formats.convert_out import export_lerobot
from wamlab.data.formats.whole import taking_place
from wamlab.data.recorder import Recorder
from wamlab.data.recorder_recovery import LOCK, recover, take_lock
from wamlab.data.store import EpisodeStore
from wamlab.errors import DataError

CLAIMS = """
    import os, sys, time
    from pathlib import Path
    from wamlab.data.atomic import alone_in
    from wamlab.data.recorder_recovery import take_lock
    from wamlab.errors import DataError

    def recording(root):
        take_lock(root)

    def working(root):
        global kept
        kept = alone_in(root)
        kept.__enter__()

    def read_then_write(root):  # what no lock may be: look, and then take
        mark = root / "recording/lock"
        holder = mark.read_text() if mark.exists() else ""
        time.sleep(0.01)
        if holder.isdigit() and int(holder) != os.getpid() and Path("/proc", holder).exists():
            raise DataError("taken")
        mark.write_text(str(os.getpid()))

    claim, base, rounds, many = {f.__name__: f for f in (recording, working, read_then_write)}[sys.argv[1]], *sys.argv[2:]
    numbers = [None, str(os.getpid()), "1", "", "999999999999", "no number"]
    for number in range(int(rounds)):
        root = Path(base, str(number))
        (root / "recording").mkdir(parents=True)
        mark = root / {"working": ".working"}.get(sys.argv[1], "recording/lock")
        left = numbers[number % 6]
        if left is not None and claim is not read_then_write:  # a dead one's, whose number is another's now, of some other year
            mark.write_text(left)
            os.utime(mark, [(0, 0), (2**33, 2**33)][number % 2])
        (go_out, go), (told, tell), (end_out, end) = os.pipe(), os.pipe(), os.pipe()
        children = []
        for _ in range(int(many)):
            child = os.fork()
            if child == 0:
                os.close(go); os.close(end)
                os.read(go_out, 1)
                try:
                    claim(root)
                    os.write(tell, b"1")
                except DataError:
                    os.write(tell, b"0")
                os.read(end_out, 1)
                os._exit(0)
            children.append(child)
        os.close(tell)
        os.close(go)  # all at once
        said = b""
        while len(said) < int(many):
            said += os.read(told, 64)
        os.close(end)
        for child in children:
            os.waitpid(child, 0)
        print(said.count(b"1"))
        for handle in (go_out, told, end_out):
            os.close(handle)
"""


def python(script: str, *arguments: object, **more: object) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, **more)


def winners(folder: Path, kind: str, rounds: int, many: int) -> list[int]:
    out, error = python(CLAIMS, kind, folder, rounds, many).communicate(timeout=60 + rounds)
    assert error == ""
    return [int(line) for line in out.split()]


@pytest.mark.parametrize("kind", ["recording", "working"])
def test_of_many_that_claim_at_once_one_gets_it(tmp_path, kind):
    assert winners(tmp_path, kind, 12, 8) == [1] * 12


def test_looking_before_taking_would_let_several_in(tmp_path):
    assert max(winners(tmp_path, "read_then_write", 3, 8)) > 1


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_of_many_that_claim_at_once_one_gets_it_thousands_of_times(tmp_path):
    assert winners(tmp_path, "recording", 2000, 16) == [1] * 2000


def test_a_recorder_keeps_its_folder_until_it_is_closed_or_gone(tmp_path):
    recorder = Recorder(tmp_path, SPEC)
    os.utime(tmp_path / LOCK, (0, 0))  # the clock jumped by half a century
    other = f"from wamlab.data.recorder_recovery import recover; recover({str(tmp_path)!r})"
    done = python(other).communicate()[1]
    assert "another recorder is at work" in done and f"process {os.getpid()}" in done
    with pytest.raises(DataError, match="another recorder"):
        recover(tmp_path)  # another part of the same process is another, too
    (tmp_path / LOCK).write_text("1")  # what stands there decides nothing
    with pytest.raises(DataError, match="another recorder"):
        Recorder(tmp_path, SPEC)
    recorder.close()
    recorder.close()
    assert not (tmp_path / LOCK).exists()
    Recorder(tmp_path, SPEC)  # is thrown away without being closed
    with Recorder(tmp_path, SPEC) as recorder:
        assert recorder.episodes == 0
    with pytest.raises(DataError, match="another spec"):
        Recorder(tmp_path, SPEC, renderer="another")
    recover(tmp_path)  # one that was refused holds nothing


def test_death_gives_the_lock_up_and_a_child_that_lives_on_does_not_keep_it(tmp_path):
    holder = python("""
        import os, sys, time
        from pathlib import Path
        from wamlab.data.recorder_recovery import take_lock
        take_lock(Path(sys.argv[1]))
        if os.fork() == 0:
            print(os.getpid(), flush=True)  # it lives, and has done what is done after a fork
        time.sleep(600)
    """, tmp_path)
    child = int(holder.stdout.readline())
    try:
        with pytest.raises(DataError, match=f"process {holder.pid}"):
            take_lock(tmp_path)
        holder.kill()
        holder.wait()
        assert (tmp_path / LOCK).read_text() == str(holder.pid)  # it had no time to tidy up
        take_lock(tmp_path).release()
    finally:
        holder.kill()
        os.kill(child, signal.SIGKILL)


def test_the_lock_of_a_folder_that_was_removed_meanwhile_does_not_count(tmp_path):
    first = take_lock(tmp_path)
    (tmp_path / LOCK).unlink()  # by somebody's hand
    second = take_lock(tmp_path)
    first.release()  # is not the second's
    with pytest.raises(DataError):
        take_lock(tmp_path)
    second.release()
    take_lock(tmp_path).release()


def test_only_one_process_works_in_a_folder(tmp_path):
    (tmp_path / ".working").write_text(str(os.getppid()))  # of a dead one, whose number is used again
    with alone_in(tmp_path), pytest.raises(DataError, match="another process works"), alone_in(tmp_path):
        pass
    with pytest.raises(ZeroDivisionError), alone_in(tmp_path):
        raise ZeroDivisionError
    with alone_in(tmp_path):
        pass
    assert not (tmp_path / ".working").exists()


KILLED = """
    import os, signal, sys
    from wamlab.data.formats.convert_out import export_lerobot
    from wamlab.data.store import EpisodeStore
    export_lerobot(EpisodeStore.open(sys.argv[1]), sys.argv[2], progress=lambda *_: os.kill(os.getpid(), signal.SIGKILL))
"""


def test_killed_exports_leave_nothing_for_good(tmp_path):
    store, target = EpisodeStore.create(tmp_path / "store", STORE_SPEC, "r"), tmp_path / "x"
    store.append(episode(1, 5, renderer="r"))
    for _ in range(2):
        python(KILLED, store.path, target).wait()
    left = list(tmp_path.glob(".x.*.tmp"))
    assert len(left) == 1 and list(left[0].rglob("*.parquet"))  # the second one swept what the first had left
    number = left[0].with_name(f".x.{os.getppid()}.0123abcd.tmp")  # and the number of its writer is another's by now
    left[0].rename(number)
    mine = [tmp_path / name for name in (".x.tmp", ".y.1.0123abcd.tmp", ".xx.1.0123abcd.tmp")]
    for path in mine:
        path.mkdir()
    with drafting(target) as living:  # another export into the same place is under way
        export_lerobot(store, target)
        assert not number.exists() and living.exists() and all(path.exists() for path in mine)
    assert not living.exists() and (target / "meta/info.json").exists()


def test_a_folder_takes_its_place_whole_or_not_at_all(tmp_path):
    with pytest.raises(ZeroDivisionError), taking_place(tmp_path / "a") as hidden:
        (hidden / "file").write_text("half")
        assert sweep(tmp_path) == 0
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())
    with taking_place(tmp_path / "a") as hidden:
        (hidden / "file").write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["a"] and (tmp_path / "a/file").read_text() == "whole"


def test_only_drafts_are_swept(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("x")
    base = tmp_path / "base"
    base.mkdir()
    os.mkfifo(base / ".pipe.1.0123abcd.tmp")
    (base / ".link.1.0123abcd.tmp").symlink_to(outside)
    (base / ".file.1.0123abcd.tmp").write_text("half")
    (base / ".folder.1.0123abcd.tmp/deep").mkdir(parents=True)
    assert sweep(base) == 2 and (outside / "kept").exists()
    assert sorted(path.name for path in base.iterdir()) == [".link.1.0123abcd.tmp", ".pipe.1.0123abcd.tmp"]
