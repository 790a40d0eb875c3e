"""Labels for video: what is planted is found, what is not there is not, and a stopped training goes on to the same numbers."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wamlab import cli
from wamlab.control.collect import collect
from wamlab.control.compass import STILL, compass_actions, compass_classes
from wamlab.data.store import EpisodeStore
from wamlab.data.video import without_actions
from wamlab.errors import CheckpointError, DataError
from wamlab.labels.bottleneck import Continuous, Discrete
from wamlab.labels.codebook import Codebook
from wamlab.labels.inverse import Inverse, InverseConfig, train_inverse
from wamlab.labels.latent import LatentConfig, correlation, displaced
from wamlab.labels.latent_training import LatentActions, train_latent
from wamlab.labels.pairs import pairs_from, pairs_of
from wamlab.labels.quality.inverse import inverse_quality
from wamlab.labels.quality.latent import Named, controls, latent_quality
from wamlab.labels.quality.measures import clusters, in_use, learned_from, mutual_information, told_by
from wamlab.labels.quality.replay import replay, stretches
from wamlab.labels.store import inverse_labeller, label_store, latent_labeller
from wamlab.simulators import make


def short(config, steps, every=10**6):
    return replace(config, training=replace(config.training, steps=steps, warmup=5, checkpoint_every=every))


@pytest.fixture(scope="module")
def compass(tmp_path_factory):
    return collect("pushworld", 26, tmp_path_factory.mktemp("compass") / "store", kind="compass", workers=1,
                   options={"size": 32})


@pytest.fixture(scope="module")
def pairs(compass):
    return pairs_from([compass])


@pytest.fixture(scope="module")
def taught(pairs):
    """Continuous latent actions of clean video, after a few seconds; which pairs were held out."""
    train, held = pairs.split(0.2)
    nothing = train.without_labels(np.ones(len(train), bool))
    return train_latent(nothing, short(LatentConfig(), 60)), train, held


def test_pairs_never_cross_an_episode_and_carry_the_mean_action(compass, pairs):
    episodes = list(compass)
    for gaps in ((1,), (1, 3)):
        stored, held = pairs_from([compass], gaps), pairs_of(episodes, gaps)
        assert len(stored) == len(held) == sum(len(e) - gap + 1 for e in episodes for gap in gaps)
        order = [np.lexsort((p.before, p.gap)) for p in (stored, held)]
        assert np.array_equal(stored.frames, held.frames)
        for name in ("before", "gap", "episode", "action"):
            one, other = (getattr(p, name)[rows] for p, rows in zip((stored, held), order, strict=True))
            assert one == pytest.approx(other, abs=1e-6)
    row = 7
    assert held.action[row] == pytest.approx(episodes[0].action[7]) and held.after[row] == 8
    train, other = pairs.split(0.2)
    assert not set(train.episode) & set(other.episode) and len(train) + len(other) == len(pairs)
    assert pairs.without_labels(pairs.episode == 0).known.sum() == len(pairs) - 60
    video = [without_actions(episodes[0]), *episodes[1:]]
    assert np.array_equal(pairs_of(video).known, pairs.episode > 0)
    with pytest.raises(DataError, match="no pairs"):
        pairs_of(episodes, (100,))


def test_compass_play_does_what_its_actions_say(compass):
    spec = compass.task_spec.action
    table = compass_actions(spec)
    assert np.array_equal(compass_classes(table, spec), np.arange(9)) and (np.abs(table) <= 1).all()
    seen = np.concatenate([compass_classes(e.action, spec) for e in compass])
    assert len(np.unique(seen)) == 9 and 0.05 < (seen == STILL).mean() < 0.2
    for episode in compass:
        moved = np.diff(episode.truth["robot"], axis=0)
        long = np.linalg.norm(episode.action, axis=1) > 0.5
        cosine = (moved * episode.action).sum(1)[long] / np.linalg.norm(moved[long], axis=1) / np.linalg.norm(
            episode.action[long], axis=1)
        assert (cosine > 0.9).all() and not moved[~long].any() and not episode.imitate.any()


def test_a_backdrop_moves_by_itself(compass):
    moving, plain = make("backdrop/pushworld", size=32), make("pushworld", size=32)
    runs = []
    for sign in (1, -1):
        first = moving.reset(seed=5)[0]["frames"]["main"]
        plain.reset(seed=5)
        for _ in range(6):
            frame = moving.step(sign * np.full(2, 0.5, np.float32))[0]["frames"]["main"]
            plain.step(sign * np.full(2, 0.5, np.float32))
        assert all((moving.truth()[name] == value).all() for name, value in plain.truth().items())
        runs.append((first, frame, moving.render_camera(modality="segmentation") < 0))
    assert np.array_equal(runs[0][0], runs[1][0])
    both = runs[0][2] & runs[1][2]
    assert np.array_equal(runs[0][1][both], runs[1][1][both])  # the actions differ, the background does not
    assert (np.abs(runs[0][1].astype(int) - runs[0][0])[both].mean()) > 5
    state = moving.save_state()
    one = moving.step(np.zeros(2))[0]["frames"]["main"]
    other = make("backdrop/pushworld", size=32)
    other.load_state(state)
    assert np.array_equal(other.step(np.zeros(2))[0]["frames"]["main"], one)
    assert other.task_spec.task == "backdrop/pushworld" and other.renderer != plain.renderer
    assert not np.array_equal(moving.reset(seed=6)[0]["frames"]["main"][both], runs[0][0][both])


def test_displacements_are_seen_and_made():
    picture = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    moved = torch.roll(picture, (2, -1), (2, 3))
    best = correlation(picture, moved).argmax(2)
    assert (best == (2 + 3) * 7 + (-1 + 3)).all()
    kernels = torch.zeros(2, 1, 49)
    kernels[:, 0, best[0, 0]] = 1
    made = displaced(picture, kernels)
    assert torch.allclose(made[..., 4:-4, 4:-4], moved[..., 4:-4, 4:-4], atol=1e-5)


def test_dead_codes_start_again_and_tokens_share_the_book():
    generator = torch.Generator().manual_seed(0)
    centres = torch.tensor([[0.0, 0], [9, 0], [0, 9], [9, 9]])

    def used(replace):
        book = Codebook(4, 2)
        book.entries.fill_(50.0)  # all far away: only one code is ever nearest
        book.entries[0] = 0.0
        book.total.copy_(book.entries)
        for step in range(250):
            vectors = centres[torch.randint(4, (64, 2), generator=generator)] + 0.1 * torch.randn(64, 2, 2, generator=generator)
            book.follow(vectors, step, replace)
        return len(book.nearest(vectors).unique()), book

    assert used(False)[0] == 1
    count, book = used(True)
    assert count == 4 and torch.cdist(centres, book.entries).min(1).values.max() < 0.5
    vectors = torch.randn(5, 2, 2, requires_grad=True)
    book(vectors)[0].sum().backward()
    assert torch.equal(vectors.grad, torch.ones(5, 2, 2))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=20, max_size=60), st.integers(0, 2**20))
def test_mutual_information_is_what_its_definition_says(names, seed):
    one, episode = np.array(names), np.arange(len(names)) % 5
    other = np.random.default_rng(seed).permutation(5)[one]
    renamed = mutual_information(one, other, episode).value
    assert renamed == pytest.approx(1 if len(set(names)) > 1 else 0, abs=1e-9)
    mixed = np.random.default_rng(seed).integers(0, 3, len(one))
    value = mutual_information(one, mixed, episode).value
    assert -1e-9 <= value <= 1 and value == pytest.approx(mutual_information(mixed, one, episode).value)
    assert 1 <= in_use(one, episode).value <= 5


def test_measures_tell_planted_structure_from_none():
    generator = np.random.default_rng(0)
    classes, episode = generator.integers(0, 6, 1200), np.arange(1200) // 60
    latent = np.eye(6)[classes] @ generator.normal(0, 3, (6, 4)) + generator.normal(0, 0.3, (1200, 4))
    noise, rows = generator.normal(size=(1200, 4)), np.arange(60)
    assert mutual_information(clusters(latent, 6), classes, episode).value > 0.95
    assert mutual_information(clusters(noise, 6), classes, episode).value < 0.05
    assert (learned_from(latent, classes, rows)[60:] == classes[60:]).mean() > 0.95
    assert (learned_from(noise, classes, rows)[60:] == classes[60:]).mean() < 0.3
    known, asked = np.arange(800), np.arange(800, 1200)
    values = latent @ np.ones((4, 1))
    told, guessed = (told_by(one, values, known, asked) for one in (latent, noise))
    assert np.abs(told - values[asked]).mean() < 0.1 * values.std()
    assert np.abs(guessed - values[asked]).mean() > 0.5 * values.std()
    with pytest.raises(DataError, match="too little"):
        mutual_information(classes, classes, np.zeros(1200, int))


def test_random_codes_are_not_the_labellers_own(taught):
    _, train, held = taught
    both = train.and_then(held)
    codes = np.where(np.arange(len(both)) % 10 == 0, 5, 2)  # of six codes two are in use, one nearly always
    own = Named("own", np.zeros((len(both), 2), np.float32), codes, lambda frames, latent: np.zeros(0))
    exchanged, random, _ = controls(own, both, len(train), 0)
    assert exchanged.codes is not None and random.codes is not None
    assert np.array_equal(np.bincount(exchanged.codes), np.bincount(codes))
    assert np.allclose(np.bincount(random.codes) / len(both), 1 / 6, atol=0.03)


def test_latent_actions_of_clean_video_are_the_actions(taught, compass):
    labeller, train, held = taught
    spec = compass.task_spec.action
    classes = compass_classes(np.concatenate([train.action, held.action]), spec)
    scores = {(s.model, s.metric): s.value for s in latent_quality("own", "clean", labeller, train, held, classes)}
    assert scores["own", "latent.nmi"] > 0.7 and scores["own", "latent.decoded.5%"] > 0.85
    assert scores["own", "latent.stays"] > 0.95 and scores["own", "latent.leak"] < 0.02
    for control in ("control/exchanged", "control/random", "control/future"):
        assert scores[control, "latent.nmi"] < 0.15 and scores[control, "latent.decoded.5%"] < 0.3
    assert scores["control/future", "latent.leak"] > 0.04 and scores["control/future", "latent.stays"] < 0.5
    assert scores["own", "latent.perplexity"] is None

    episodes = [compass[compass.indices()[i]] for i in np.unique(held.episode)]
    simulator = make("pushworld", size=32, renders=False)
    table, rows = compass_actions(spec), np.arange(0, len(train), 5)

    def decode(episode):
        mine = pairs_of([episode])
        latent = np.concatenate([labeller.of(train.rows(rows)), labeller.of(mine)])
        names = np.concatenate([classes[rows], np.zeros(len(mine), np.int64)])
        return table[learned_from(latent, names, np.arange(len(rows)))[len(rows):]]

    found = {(s.model, s.metric.split(".")[-1]): s.value
             for s in replay("own", simulator, stretches(simulator, episodes, count=15), decode)}
    assert found["own", "direction"] > 0.7 and found["own", "error"] < 0.6
    assert found["ceiling/true actions", "direction"] >= found["own", "direction"] - 0.15
    assert found["control/exchanged", "direction"] < 0.5 and found["control/still", "error"] == pytest.approx(1)


@pytest.mark.slow
@pytest.mark.parametrize("bottleneck", [Continuous(), Discrete()], ids=["continuous", "discrete"])
def test_latent_actions_reach_what_is_asked_of_them(tmp_path, bottleneck):
    store = collect("pushworld", 120, tmp_path / "store", kind="compass", workers=1, options={"size": 32})
    train, held = pairs_from([store]).split(0.15)
    classes = compass_classes(np.concatenate([train.action, held.action]), store.task_spec.action)
    nothing = train.without_labels(np.ones(len(train), bool))
    for steps, learned in ((400, True), (1, False)):
        labeller = train_latent(nothing, short(LatentConfig(bottleneck), steps))
        scores = {(s.model, s.metric): s.value for s in latent_quality("own", "clean", labeller, train, held, classes)}
        bars = {"nmi": 0.8, "decoded.5%": 0.95, "delta_psnr": 3}
        reached = all(scores["own", f"latent.{name}"] >= bar for name, bar in bars.items())
        assert reached == learned and (scores["own", "latent.unexplained"] < 0.7) == learned, scores


@pytest.mark.slow
def test_few_known_actions_find_what_a_moving_background_hides(tmp_path):
    store = collect("backdrop/pushworld", 200, tmp_path / "store", kind="compass", workers=1, options={"size": 32})
    train, held = pairs_from([store]).split(0.15)
    classes = compass_classes(held.action, store.task_spec.action)
    hidden = np.random.default_rng(0).random(len(train)) >= 0.025
    blind = train_latent(train.without_labels(hidden), LatentConfig())
    told = train_latent(train.without_labels(hidden), LatentConfig(supervision=1.0))
    assert mutual_information(clusters(blind.of(held), 9), classes, held.episode).value < 0.4
    said = compass_classes(told.read(told.of(held)), store.task_spec.action)
    assert mutual_information(said, classes, held.episode).value >= 0.7


@pytest.mark.parametrize("config", [LatentConfig(Discrete(until=0.4, codes=6, tokens=2, open=Continuous(width=3))),
                                    LatentConfig(supervision=1.0)], ids=["discrete", "supervised"])
def test_a_stopped_training_goes_on_to_the_same_weights(pairs, tmp_path, config):
    some = pairs.rows(np.arange(0, len(pairs), 9))
    config = short(replace(config, training=replace(config.training, batch_size=4)), 8, every=3)
    whole = train_latent(some, config, seed=3)

    def stop(done, total):
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_latent(some, config, seed=3, folder=tmp_path, progress=stop)
    assert [p.name for p in tmp_path.iterdir()] == ["step-000000003"]
    resumed = train_latent(some, config, seed=3, folder=tmp_path)
    read = LatentActions.load(tmp_path / "model")
    for labeller in (resumed, read):
        for name, value in whole.net.state_dict().items():
            assert torch.equal(labeller.net.state_dict()[name], value), name
    assert np.array_equal(read.of(some), whole.of(some)) and read.supervised == whole.supervised
    codes = whole.codes(some)
    assert codes is None if whole.supervised else codes.max() < 36
    with pytest.raises(CheckpointError, match="its seed differs"):
        train_latent(some, config, seed=4, folder=tmp_path)
    with pytest.raises(CheckpointError, match="its kind differs"):
        Inverse.load(tmp_path / "model")


def test_frames_and_labels_that_do_not_fit_are_refused(pairs):
    with pytest.raises(DataError, match="multiple of 32"):
        train_latent(replace(pairs, frames=pairs.frames[:, :30, :30]))
    with pytest.raises(DataError, match="needs known actions"):
        train_latent(pairs.without_labels(np.ones(len(pairs), bool)), LatentConfig(supervision=1.0))


def test_inverse_dynamics_learns_from_true_frames(tmp_path):
    store = collect("pushworld", 14, tmp_path / "play", kind="play", workers=1, options={"size": 32})
    pairs = pairs_of(tuple(store), (2, 4))
    taught, blank = (train_inverse(pairs, short(InverseConfig((2, 4)), steps)) for steps in (100, 1))
    assert taught.error < 0.75 * blank.error and taught.error < 0.8
    assert taught.error < 0.8 * taught.mean_error and taught.shuffled_error > 1.5 * taught.error
    again = train_inverse(pairs, short(InverseConfig((2, 4)), 1), folder=tmp_path / "kept")
    read = train_inverse(pairs, short(InverseConfig((2, 4)), 1), folder=tmp_path / "kept")
    held = pairs_of(tuple(store)[:4], (2,))  # of known ones, to see the measure, not the labeller
    scores = {(s.model, s.metric): s.value for s in inverse_quality("own", "play", taught, held,
                                                                          beside={"reference/true": held.action})}
    assert scores["reference/true", "inverse.error"] == 0 and scores["reference/true", "inverse.explained"] == 1
    assert scores["own", "inverse.error"] < 0.8 * scores["control/mean", "inverse.error"]
    assert scores["own", "inverse.explained"] > 0.3 > 0.01 > scores["control/mean", "inverse.explained"]
    assert scores["control/exchanged", "inverse.explained"] < 0
    frames = store[0].frames["main"]
    for other in (again, read):
        assert np.array_equal(other(frames[:3], frames[2:5], 2), blank(frames[:3], frames[2:5], 2))
    assert taught(frames[:0], frames[:0], 2).shape == (0, 2)
    with pytest.raises(DataError, match="too few episodes"):
        train_inverse(pairs_of((store[0], store[1]), (2, 4)))


def test_a_labelled_store_says_that_its_actions_are_labels(compass, taught, tmp_path, pairs):
    labeller = latent_labeller(taught[0])
    store = label_store(compass, tmp_path / "latent", labeller)
    assert store.task_spec.action.names[0] == "latent 0" and store.provenance["of"] == compass.provenance
    assert store.provenance["label"]["pseudo"] is True and len(store) == len(compass)
    first, true = store[0], compass[0]
    assert first.meta["label"]["by"] == "latent" and first.meta["scene"] == true.meta["scene"]
    assert np.array_equal(first.frames["main"], true.frames["main"]) and len(first) == len(true)
    assert first.action == pytest.approx(taught[0].of(pairs.rows(pairs.episode == 0)).clip(-8, 8), abs=1e-6)
    assert first.has_action.all() and not first.imitate.any()  # play is play, whoever names its actions
    before = [path.stat().st_mtime_ns for path in store.files()]
    again = label_store(compass, tmp_path / "latent", labeller)
    assert [path.stat().st_mtime_ns for path in again.files()] == before

    inverse = train_inverse(pairs, short(InverseConfig((1, 2)), 3))
    pseudo = label_store(compass, tmp_path / "pseudo", inverse_labeller(inverse, compass.task_spec.action))
    assert pseudo.task_spec == compass.task_spec and np.abs(pseudo[0].action).max() <= 1
    assert set(pseudo[0].meta["label"]) >= {"pseudo", "error", "error of the mean action"}
    with pytest.raises(DataError, match="another"):
        label_store(compass, tmp_path / "pseudo", labeller)


def test_the_command_labels_a_store(compass, tmp_path, capsys):
    out = str(tmp_path / "out")
    asked = ["data", "label", str(compass.path), out, "--by", "inverse", "--known", str(compass.path), "--steps", "3", "--json"]
    assert cli.main(asked) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["episodes"] == len(compass) and said["pseudo"] is True and said["error"] > 0
    assert EpisodeStore.open(out).provenance["label"]["by"] == "inverse" and (tmp_path / "out/labeller/model").is_dir()
    assert cli.main(["data", "label", str(compass.path), str(tmp_path / "none"), "--by", "inverse"]) == 2
    assert "--known" in capsys.readouterr().err
    latent = ["data", "label", str(compass.path), str(tmp_path / "latent"), "--by", "latent", "--kind", "discrete"]
    assert cli.main([*latent, "--steps", "3"]) == 0 and "episodes with labels by latent" in capsys.readouterr().out


@pytest.mark.parametrize(("words", "named"), [
    (["--by", "latent", "--gap", "0"], "--gap"), (["--by", "latent", "--steps", "0"], "--steps"),
    (["--by", "inverse", "--kind", "discrete"], "--kind"), (["--by", "latent", "--gap", "500"], "longer episodes")])
def test_options_that_do_not_fit_are_refused_with_a_fix(compass, tmp_path, capsys, words, named):
    assert cli.main(["data", "label", str(compass.path), str(tmp_path / "out"), *words]) == 2
    said = capsys.readouterr().err
    assert named in said and "fix:" in said and not (tmp_path / "out" / "dataset.json").exists()


def test_nothing_is_written_into_another_dataset_or_learned_from_other_pictures(compass, tmp_path, capsys):
    before = sorted(path.name for path in compass.path.iterdir())
    assert cli.main(["data", "label", str(compass.path), str(compass.path), "--by", "latent"]) == 2
    assert "choose another folder" in capsys.readouterr().err
    assert sorted(path.name for path in compass.path.iterdir()) == before
    large = collect("pushworld", 3, tmp_path / "large", kind="compass", workers=1)
    asked = ["data", "label", str(compass.path), str(tmp_path / "out"), "--by", "inverse", "--known", str(large.path)]
    assert cli.main(asked) == 2 and "another size" in capsys.readouterr().err
