"""Steering by hand: what is pressed becomes actions, what is kept is on the disk, and nothing is lost."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from wamlab.control.collect import scene_of
from wamlab.control.devices import Controls, Device, Screen, Status, Wish
from wamlab.control.teleop import Teleoperation
from wamlab.control.teleop_page import Browser
from wamlab.data.formats.convert import import_lerobot
from wamlab.data.formats.lerobot import LeRobot
from wamlab.data.formats.sidecar import read_sidecar
from wamlab.data.recorder import Recorder
from wamlab.data.recorder_recovery import recover
from wamlab.errors import DataError, WamError
from wamlab.simulators import make


class Stopwatch:
    """A clock that goes on only by sleeping."""

    def __init__(self):
        self.time, self.slept = 0.0, []

    def now(self):
        return self.time

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.time += seconds


class Script:
    """A device that reads its wishes from a list; an exception in it is raised. Ends when the list ends."""

    def __init__(self, wishes):
        self.wishes = list(wishes)

    def read(self):
        if not self.wishes:
            return Wish(orders=("end",))
        wish = self.wishes.pop(0)
        if isinstance(wish, BaseException):
            raise wish
        return wish


class Wall:
    """A screen that remembers."""

    def __init__(self):
        self.seen: list[Status] = []
        self.pictures = []

    def show(self, picture, status):
        self.pictures.append(picture)
        self.seen.append(status)


START, KEEP, DISCARD = Wish(orders=("start/stop",)), Wish(orders=("keep",)), Wish(orders=("discard",))
RIGHT = Wish(np.array([1.0, 0.0, 0.0]))


def session(folder: Path, wishes, *, world=None, episodes=None, **more):
    world = world or make("pushworld", size=32)
    wall, clock = Wall(), Stopwatch()
    with Recorder(folder, world.task_spec, renderer=world.renderer, still_scenes=True) as recorder:
        teleoperation = Teleoperation(world, recorder, Script(wishes), wall, clock=clock, **more)
        return teleoperation.run(episodes), wall, clock


def test_the_parts_fit_their_protocols():
    assert isinstance(Script([]), Device) and isinstance(Wall(), Screen)


def test_what_was_done_is_what_is_recorded(tmp_path):
    moves = [START, *[Wish(np.array([1.0, -0.5, 0.0]))] * 5, KEEP]
    done, wall, _ = session(tmp_path / "set", moves, seed=2, speed=0.5)
    assert (done.kept, done.discarded, done.interrupted) == (1, 0, False)
    recorded = LeRobot.open(tmp_path / "set")
    columns = recorded.columns(0)
    # START itself is the first step, with nothing moved
    np.testing.assert_allclose(columns["action"][:-1], [[0, 0], *[[0.5, -0.25]] * 5])
    world = make("pushworld", size=32)  # replaying the actions in the same scene gives the same states
    seen, _ = world.reset(seed=scene_of(2, 0))
    for row, action in enumerate(columns["action"][:-1]):
        assert np.array_equal(columns["observation.state"][row], seen["state"])
        seen = world.step(action)[0]
    assert np.array_equal(columns["observation.state"][-1], seen["state"])
    meta = read_sidecar(tmp_path / "set").episodes[0]["meta"]
    assert meta["source"] == "teleop" and meta["scene"] == scene_of(2, 0) and meta["solved"] is False
    assert [status.state for status in wall.seen] == ["recording"] * 6 + ["ready"]
    store = import_lerobot(tmp_path / "set", tmp_path / "store").store
    assert store.task_spec == world.task_spec and len(store[0]) == 6


def test_an_episode_can_be_thrown_away_and_tried_again(tmp_path):
    done, wall, _ = session(tmp_path / "set", [START, RIGHT, DISCARD, START, RIGHT, START, RIGHT, KEEP, START, RIGHT, KEEP])
    assert (done.kept, done.discarded) == (2, 1)
    scenes = [entry["meta"]["scene"] for _, entry in sorted(read_sidecar(tmp_path / "set").episodes.items())]
    assert scenes == [scene_of(0, 0), scene_of(0, 1)] == list(dict.fromkeys(status.scene for status in wall.seen))[:2]
    rows = LeRobot.open(tmp_path / "set")
    # stopped episodes do not go on: START RIGHT START is 2 steps and the last observation
    assert [rows.length(index) for index in rows.indices()] == [3, 3]


def test_nothing_moves_before_the_start_and_nothing_empty_is_kept(tmp_path):
    world = make("pushworld", size=32)
    world.reset(seed=scene_of(0, 0))
    before = world.truth()["robot"]
    done, wall, _ = session(tmp_path / "set", [RIGHT, RIGHT, KEEP, DISCARD], world=world)
    assert done.kept == done.discarded == 0 and np.array_equal(world.truth()["robot"], before)
    assert {status.state for status in wall.seen} == {"ready"} and LeRobot.open(tmp_path / "set").info.episodes == 0
    done, wall, _ = session(tmp_path / "set", [Wish(orders=("start/stop", "keep"))])
    assert done.kept == 0 and wall.seen[0].note == "there was nothing to keep"


class Expert:
    """Presses what the scripted expert would do."""

    def __init__(self, world):
        self.world, self.begun, self.done = world, False, False

    def read(self):
        if not self.begun:
            self.begun = True
            return Wish(np.array([0.0, 0.0, 0.0]), orders=("start/stop",))
        if self.done:
            self.begun = self.done = False
            return Wish(orders=("keep",))
        return Wish(np.array([*self.world.expert()(), 0.0]))


def test_success_is_seen_and_counted(tmp_path):
    world, wall = make("pushworld", size=32), Wall()
    device = Expert(world)

    class Watching(Wall):
        def show(self, picture, status):
            super().show(picture, status)
            device.done = status.state == "recording" and status.success

    wall = Watching()
    with Recorder(tmp_path / "set", world.task_spec, renderer=world.renderer, still_scenes=True) as recorder:
        done = Teleoperation(world, recorder, device, wall, speed=1.0, clock=Stopwatch()).run(episodes=2)
    assert (done.kept, done.solved) == (2, 2) and any(status.success for status in wall.seen)
    columns = LeRobot.open(tmp_path / "set").columns(0)
    assert columns["next.success"][-2:].all() and not columns["next.success"][0]


def test_an_episode_ends_at_its_length(tmp_path):
    done, wall, _ = session(tmp_path / "set", [START, *[RIGHT] * 9, KEEP], world=make("pushworld", size=32, max_steps=4))
    assert LeRobot.open(tmp_path / "set").length(0) == 5
    assert wall.seen[4].state == "stopped" and "as long as" in wall.seen[4].note and done.kept == 1


def test_ctrl_c_keeps_what_is_open(tmp_path):
    for number, wishes in enumerate(([START, RIGHT, RIGHT, KeyboardInterrupt()], [START, RIGHT, START, KeyboardInterrupt()],
                                     [START, RIGHT, RIGHT, Wish(orders=("end",))])):
        done, _, _ = session(tmp_path / str(number), wishes)
        assert done.kept == 1 and done.interrupted == (number < 2)
        assert read_sidecar(tmp_path / str(number)).episodes[0]["meta"]["interrupted"] is True
        assert LeRobot.open(tmp_path / str(number)).length(0) == (3 if number == 1 else 4)
    done, _, _ = session(tmp_path / "none", [RIGHT, KeyboardInterrupt()])
    assert done.interrupted and done.kept == 0


def test_a_broken_session_leaves_its_journal(tmp_path):
    with pytest.raises(ZeroDivisionError):
        session(tmp_path / "set", [START, *[RIGHT] * 3, ZeroDivisionError()])
    assert LeRobot.open(tmp_path / "set").info.episodes == 0
    assert recover(tmp_path / "set").salvaged == ((0, 4),)


def test_silence_holds_the_robot_still(tmp_path):
    _, wall, _ = session(tmp_path / "set", [START, RIGHT, Wish(np.array([1.0, 0, 0]), present=False), RIGHT, KEEP], speed=1.0)
    action = LeRobot.open(tmp_path / "set").columns(0)["action"]
    assert action[:4, 0].tolist() == [0, 1, 0, 1] and "holds still" in wall.seen[2].note


def test_time_is_kept(tmp_path):
    _, wall, clock = session(tmp_path / "set", [START, *[RIGHT] * 30, KEEP])
    assert clock.time == pytest.approx(3.2, abs=0.11) and wall.seen[-1].rate == pytest.approx(10, rel=0.01)
    with pytest.raises(WamError, match="speed"):
        session(tmp_path / "other", [], speed=0.0)


@pytest.mark.sim
def test_the_hand_goes_where_the_arrow_points_on_the_picture():
    """Seen in the picture, away is up, right is right; checked by projecting the hand into the camera."""
    for task in ("metaworld/push", "metaworld/coffee-button"):
        world = make(task, renders=False)
        places = {}
        for name, move in (("right", [1, 0, 0]), ("away", [0, 1, 0]), ("up", [0, 0, 1])):
            world.reset(seed=1)
            camera = world.describe("depth")["camera"]
            before = world.observe()["state"][:3]
            for _ in range(6):
                world.step(world.steer(np.array(move, float), False))
            moved = world.observe()["state"][:3] - before
            places[name] = np.array(camera["rotation"]).T @ moved  # x right, y down, z forward
        assert places["right"][0] > 0.05 and abs(places["right"][1]) < 0.03
        assert places["away"][1] < -0.02 and places["away"][2] > 0.02 and places["up"][1] < -0.05
        closed, opened = world.steer(np.zeros(3), True), world.steer(np.zeros(3), False)
        assert closed[3] == 1 and opened[3] == -1
        world.close()
    fall = make("physics/drop")
    assert fall.steer(np.zeros(3), False)[2] == 1 and fall.steer(np.array([1.0, 0, 0]), True).tolist() == [1, 0, -1]


def test_keys_and_pads_say_the_same():
    controls = Controls()
    controls.keys(["ArrowRight", "ArrowUp"], ["ArrowRight", "ArrowUp", "Enter"])
    wish = controls.wish()
    assert wish.move.tolist() == [1, 1, 0] and wish.orders == ("start/stop",)
    assert controls.wish().orders == ()  # each order once
    controls.keys(["ArrowRight", "ArrowLeft", "R"])
    assert controls.wish().move.tolist() == [0, 0, 1]
    controls.keys(["Shift", "f"], [" "])
    assert controls.wish().move.tolist() == pytest.approx([0, 0, -0.3]) and controls.wish().grip
    controls.keys([], [" "])
    assert not controls.wish().grip and not controls.wish().move.any()
    pad = Controls()
    pad.pad([1.0, -1.0, 0.0, 0.05], [True, *[False] * 8, True])
    wish = pad.wish()
    assert wish.move.tolist() == [1, 1, 0] and wish.grip and wish.orders == ("start/stop",)
    pad.pad([1.0, -1.0, 0.0, 0.0], [True, *[False] * 8, True])
    assert pad.wish().orders == () and pad.wish().grip  # held down is no second press
    pad.pad([0.56, 0.0, 0.0, 1.0], [False] * 4 + [True])
    assert pad.wish().move.tolist() == pytest.approx([0.15, 0, -0.3])
    pad.pad([float("nan"), float("inf")], [])
    assert not pad.wish().move.any() and not pad.wish(present=False).move.any()
    pad.start_over()
    assert not pad.wish().grip


def ask(browser: Browser, method: str, path: str, body: bytes = b"", host: str | None = None, key: str | None = None):
    place = urlsplit(browser.address)
    connection = http.client.HTTPConnection("127.0.0.1", place.port, timeout=10)
    headers = {"Host": host} if host else {}
    connection.request(method, f"{path}?key={browser.key if key is None else key}", body, headers)
    answer = connection.getresponse()
    return answer, connection


def test_the_page_shows_and_listens():
    heard = [100.0]
    with Browser("push <the> puck", now=lambda: heard[0]) as browser:
        assert not browser.read().present  # nobody has looked yet
        answer, _ = ask(browser, "GET", "/")
        page = answer.read().decode()
        assert answer.status == 200 and "push &lt;the&gt; puck" in page and "TITLE" not in page
        pad = {"axes": [0, 0, 0, -1], "buttons": [False] * 17}
        said = {"down": ["ArrowLeft"], "tapped": ["ArrowLeft", "Enter"], "pad": pad}
        assert ask(browser, "POST", "/do", json.dumps(said).encode())[0].status == 200
        wish = browser.read()
        assert wish.present and wish.move.tolist() == [-1, 0, 1] and wish.orders == ("start/stop",)
        heard[0] += 1.0
        assert not browser.read().present and not browser.read().move.any()
        stream, connection = ask(browser, "GET", "/see")
        picture = np.full((24, 32, 3), 90, np.uint8)
        browser.show(picture, Status("recording", True, 3, 80, 1, 7, 19.9, "note"))
        line = b""
        while not line.startswith(b"data: "):
            line = stream.readline()
        shown = json.loads(line[6:])
        assert (shown["state"], shown["success"], shown["step"], shown["scene"]) == ("recording", True, 3, 7)
        import base64
        import io

        from PIL import Image

        with Image.open(io.BytesIO(base64.b64decode(shown["picture"]))) as image:
            assert image.size == (32, 24) and abs(np.asarray(image).mean() - 90) < 2
        connection.close()


def test_strangers_cannot_steer():
    with Browser("t") as browser:
        message = json.dumps({"down": ["ArrowLeft"], "tapped": [], "pad": None}).encode()
        for refused in (ask(browser, "POST", "/do", message, key="guess"), ask(browser, "POST", "/do", message, key=""),
                        ask(browser, "POST", "/do", message, host="evil.example"),
                        ask(browser, "GET", "/", host="evil.example:80"), ask(browser, "GET", "/see", key="x")):
            assert refused[0].status == 403
        for bad in (b"", b"[]", b"{", b'{"down": [1], "tapped": [], "pad": null}', b'{"down": [], "tapped": [], "pad": 3}',
                    b'{"down": [], "tapped": [], "pad": {"axes": ["x"], "buttons": []}}'):
            assert ask(browser, "POST", "/do", bad)[0].status == 400
        assert ask(browser, "POST", "/do", b"x" * 20_000)[0].status == 413
        assert ask(browser, "GET", "/etc/passwd")[0].status == 404
        assert not browser.read().move.any() and not browser.read().present
        assert browser._server.server_address[0] == "127.0.0.1"
        with pytest.raises(WamError, match="port"):
            Browser("t", browser._server.server_address[1])


def raw(browser: Browser, content: bytes) -> tuple[int, bytes]:
    """Send bytes as they are; (status, all of the answer), 0 for a connection that is closed without a word."""
    with socket.create_connection(("127.0.0.1", urlsplit(browser.address).port), timeout=20) as connection:
        connection.sendall(content)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    words = answer.split(maxsplit=2)
    return (int(words[1]) if words and words[0].startswith(b"HTTP/") else 0), answer


def test_requests_that_are_none_get_an_answer_and_no_traceback(capfd):
    with Browser("t") as browser:
        key = browser.key.encode()
        good = json.dumps({"down": ["ArrowLeft"], "tapped": [], "pad": None}).encode()

        def post(length: bytes, body: bytes = good, path: bytes = b"/do") -> bytes:
            head = b"POST " + path + b"?key=" + key + b" HTTP/1.1\r\nHost: localhost\r\n"
            return head + (b"Content-Length: " + length + b"\r\n" if length else b"") + b"\r\n" + body

        size = str(len(good)).encode()
        for length, status in ((b"", 411), (b"x", 400), (b"-1", 400), (b"\xb2", 400), (b"1e3", 400), (b"+5", 400),
                               (b"5, 5", 400),
                               (size + b"\r\nContent-Length: 3", 400), (b"9" * 5000, 413), (b"16385", 413),
                               (b"9999", 400)):
            assert raw(browser, post(length))[0] == status, length
        huge = b'{"down": [], "tapped": [], "pad": {"axes": [1' + b"0" * 400 + b'], "buttons": []}}'
        for body in (b"[" * 5000 + b"]" * 5000, huge, b"\xff\xfe", b"3", b'"x"', good.replace(b"null", b"NaN"),
                     good.replace(b"null", b'{"axes": 1}'), good.replace(b"[]", b"null"),
                     good.replace(b'"ArrowLeft"', b"null")):
            assert raw(browser, post(str(len(body)).encode(), body))[0] == 400, body[:50]
        get = b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
        for request, status in ((b"GET http://[" + get, 400), (b"GET //[/" + get, 403), (b"GET //a\xef\xbc\x8fb" + get, 403),
                                (b"GET /?" + b"a&" * 100 + get, 400), (b"GET /?key=%ff%00" + get, 403), (b"GET" + get, 403),
                                (b"GET /?key=" + key + b" HTTP/9.x\r\n\r\n", 400), (b"\x16\x03\x01 \x00\r\n\r\n", 400),
                                (b"GET /" + b"a" * 65600 + get, 414),
                                (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", 431),
                                (b"GET /?key=" + key + b" HTTP/1.1\r\n\r\n", 403)):
            assert raw(browser, request)[0] == status, request[:60]
        assert raw(browser, post(size, path=b"/other"))[0] == 404
        assert not browser.read().present  # nothing of all this moved anything
        for _ in range(3):  # a page that goes away in the middle of a request, and of an answer
            with socket.create_connection(("127.0.0.1", urlsplit(browser.address).port)) as gone:
                gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                gone.sendall(post(b"500")[:-5])
        assert raw(browser, post(size))[0] == 200 and browser.read().move.tolist() == [-1, 0, 0]  # the control
    said = capfd.readouterr()
    assert "Traceback" not in said.err and "Exception" not in said.err


def test_the_command_records_over_the_page_and_survives_ctrl_c(tmp_path):
    """The whole path in a process of its own: keys over HTTP, one episode kept, a second one open at Ctrl-C."""
    command = [sys.executable, "-m", "wamlab", "collect", "pushworld", "--teleop", "--out", str(tmp_path / "set"), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ})
    line = process.stderr.readline()
    place = urlsplit(line.removeprefix("open ").strip())

    def press(down=(), tapped=()):
        connection = http.client.HTTPConnection("127.0.0.1", place.port, timeout=30)
        connection.request("POST", f"/do?{place.query}", json.dumps({"down": list(down), "tapped": list(tapped), "pad": None}))
        assert connection.getresponse().status == 200
        connection.close()

    def wait(reached):
        until = time.monotonic() + 120
        while not reached():
            assert time.monotonic() < until and process.poll() is None
            press(["ArrowRight"])
            time.sleep(0.1)

    journal = tmp_path / "set/recording"
    press(tapped=["Enter"])
    wait(lambda: any(journal.glob("*.journal")))
    for _ in range(8):
        press(["ArrowRight"])
        time.sleep(0.1)
    press(tapped=["k"])
    wait(lambda: (tmp_path / "set/data").exists())
    press(tapped=["Enter"])
    wait(lambda: (journal / "00000001.journal").exists())
    time.sleep(0.6)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    said = json.loads(out)
    assert process.returncode == 0 and said["kept"] == 2 and said["interrupted"] is True, err
    recorded = LeRobot.open(tmp_path / "set")
    assert recorded.info.episodes == 2 and not list(journal.glob("*.journal"))
    assert (recorded.columns(0)["action"][:, 0] > 0).any()


def test_bad_options_are_named(tmp_path, capsys):
    from wamlab import cli

    for line, word in ((["--with", "depth"], "--with"), (["--port", "99999"], "--port"), (["--speed", "2"], "--speed")):
        assert cli.main(["collect", "pushworld", "--teleop", "--out", str(tmp_path / word), *line]) == 2
        assert word in capsys.readouterr().err
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    assert cli.main(["collect", "pushworld", "--teleop", "--out", str(tmp_path / "full")]) == 2
    with pytest.raises(DataError):
        session(tmp_path / "full", [])
