import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from wamlab.evaluate.metric import Evidence, FramePairs
from wamlab.evaluate.metrics import visual
from wamlab.spec import ActionSpec, TaskSpec

SPEC = TaskSpec("toy", "do it", ("main",), (32, 40), ("x",), ActionSpec(("x",), (-1.0,), (1.0,), ("m",)), (), 10.0, 50)


@pytest.fixture
def images():
    generator = np.random.default_rng(0)
    one = generator.integers(0, 256, (6, 32, 40, 3), np.uint8)
    noise = generator.integers(-40, 41, one.shape)
    return one, np.clip(one + noise, 0, 255).astype(np.uint8)


def test_psnr_and_ssim_agree_with_scikit_image(images):
    one, two = images
    ours = visual.psnr(visual.squared_error(one, two))
    theirs = [peak_signal_noise_ratio(a, b, data_range=255) for a, b in zip(one, two, strict=True)]
    assert ours == pytest.approx(theirs, abs=1e-5)
    ours = visual.ssim(one, two)
    theirs = [structural_similarity(a / 255, b / 255, data_range=1, channel_axis=-1, gaussian_weights=True, sigma=1.5,
                                    use_sample_covariance=False) for a, b in zip(one, two, strict=True)]
    assert ours == pytest.approx(theirs, abs=1e-5)


def test_masked_values_are_those_of_the_masked_pixels(images):
    one, two = images
    mask = np.zeros(one.shape[:3], bool)
    mask[:, 8:20, 8:20] = True
    expected = [10 * np.log10(255**2 / np.mean((a[8:20, 8:20].astype(float) - b[8:20, 8:20]) ** 2))
                for a, b in zip(one, two, strict=True)]
    assert visual.psnr(visual.squared_error(one, two), mask) == pytest.approx(expected, abs=1e-4)
    maps = [structural_similarity(a / 255, b / 255, data_range=1, channel_axis=-1, gaussian_weights=True, sigma=1.5,
                                  use_sample_covariance=False, full=True)[1] for a, b in zip(one, two, strict=True)]
    assert visual.ssim(one, two, mask) == pytest.approx([m[8:20, 8:20].mean() for m in maps], abs=1e-5)
    assert np.isnan(visual.psnr(visual.squared_error(one, two), np.zeros_like(mask))).all()


def test_identity_is_capped_and_ssim_one(images):
    one, _ = images
    assert (visual.psnr(visual.squared_error(one, one)) == visual.CAP_DB).all()
    assert visual.ssim(one, one) == pytest.approx(1, abs=1e-6)
    with pytest.raises(ValueError, match="11x11"):
        visual.ssim_map(one[:, :8], one[:, :8])


def scene(n, at):
    frames = np.full((n, 32, 40, 3), 100, np.uint8)
    for frame, left in zip(frames, at, strict=True):
        frame[10:16, left:left + 6] = 220
    return frames


def pairs(imagined, real, current):
    n = len(real)
    return Evidence("m", SPEC, frames=FramePairs(imagined, real, current, np.full(n, 4), np.arange(n) // 2))


def values(evidence):
    return {s.metric: s.value for metric in visual.METRICS for s in metric(evidence)}


def test_true_copied_and_invented_motion():
    current, real = scene(8, [5] * 8), scene(8, range(12, 20))
    true, still = values(pairs(real, real, current)), values(pairs(current, real, current))
    assert true["psnr"] == true["psnr.changed"] == 60 and true["psnr.changed.gain"] > 20 and true["ssim"] == pytest.approx(1)
    for name in ("psnr", "psnr.changed", "psnr.either", "ssim", "ssim.changed"):
        assert still[name + ".gain"] == 0 and still[name] == still[name + ".copy"]
    # pixels that only the imagination changes are invisible to "changed", not to "either"
    invented = real.copy()
    invented[:, 22:30, 2:12] = 250
    false = values(pairs(invented, real, current))
    assert false["psnr.changed"] == 60 and false["psnr.either"] < 20 and false["psnr.either.gain"] < true["psnr.either.gain"]


def test_a_still_world_and_an_empty_set_are_unavailable_not_zero():
    still = scene(6, [5] * 6)
    scores = {s.metric: s for s in visual.METRICS[0](pairs(still, still, still))}
    assert scores["psnr"].value == 60 and scores["psnr.changed"].value is None and scores["psnr.changed"].unavailable
    (score,) = visual.METRICS[0](pairs(still[:0], still[:0], still[:0]))
    assert score.value is None and score.unavailable
    (score,) = visual.METRICS[0](Evidence("m", SPEC, missing={"frames": "it imagines no frames"}))
    assert score.unavailable == "it imagines no frames"


def test_the_unit_of_the_interval_is_the_episode():
    generator = np.random.default_rng(3)
    current, real = scene(60, [5] * 60), scene(60, generator.integers(12, 25, 60))
    shade = np.repeat(generator.normal(0, 20, 6), 10)[:, None, None, None]
    imagined = np.clip(real + shade, 0, 255).astype(np.uint8)
    few, many = (Evidence("m", SPEC, frames=FramePairs(imagined, real, current, np.full(60, 4), cluster))
                 for cluster in (np.repeat(np.arange(6), 10), np.arange(60)))
    by_episode, by_frame = ({s.metric: s for s in visual.METRICS[0](e)}["psnr"] for e in (few, many))
    assert by_episode.n == 6 and by_frame.n == 60 and by_episode.value == pytest.approx(by_frame.value)
    assert by_episode.high - by_episode.low > 1.5 * (by_frame.high - by_frame.low)
