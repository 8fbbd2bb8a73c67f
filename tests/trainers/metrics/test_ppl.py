"""Perceptual path length against derivatives in closed form."""

import numpy as np
import pytest

from trainers.metrics import ppl


@pytest.fixture(scope="module")
def ends():
    rng = np.random.default_rng(0)
    return rng.normal(size=[2000, 8]), rng.normal(size=[2000, 8])


def batches(ends, size=256):
    return ((ends[0][i : i + size], ends[1][i : i + size]) for i in range(0, len(ends[0]), size))


def test_turning_features_by_hand(ends):
    # G turns the unit vector (cos a, sin a) with a = w . z; |da/dt|^2 = (w . (z2 - z1))^2 along
    # lerp is then the squared speed of unit features, so PPL is its mean.
    w = np.linspace(-1, 1, 8)

    def images_of(z):
        assert z.dtype == np.float32
        return (z.astype(np.float64) @ w)[:, None, None, None]

    def features_of(images):
        angle = images[:, 0, 0, 0]
        return 7 * np.stack([np.cos(angle), np.sin(angle)], axis=1)  # the length does not count

    speeds = ((ends[1] - ends[0]) @ w) ** 2
    value, error = ppl.ppl(images_of, features_of, batches(ends), path=ppl.lerp, epsilon=1e-2)
    assert value == pytest.approx(speeds.mean(), rel=1e-3)
    assert error == pytest.approx(speeds.std(ddof=1) / np.sqrt(2000), rel=1e-2)


def test_slerp_on_the_sphere_runs_at_the_angles_speed(ends):
    # Between unit vectors slerp is the great circle, |dz/dt| = the angle between them.
    unit = [z / np.linalg.norm(z, axis=1, keepdims=True) for z in ends]
    angles = np.arccos((unit[0] * unit[1]).sum(axis=1))
    value, _ = ppl.ppl(lambda z: z, lambda x: x, batches(unit), path=ppl.slerp, epsilon=1e-2)
    assert value == pytest.approx((angles**2).mean(), rel=1e-3)


@pytest.mark.parametrize("path", [ppl.lerp, ppl.slerp])
def test_paths_begin_and_end_at_their_ends(ends, path):
    z1, z2 = ends
    np.testing.assert_allclose(path(z1, z2, np.zeros([len(z1), 1])), z1, atol=1e-12)
    np.testing.assert_allclose(path(z1, z2, np.ones([len(z1), 1])), z2, atol=1e-12)


def test_is_a_function_of_the_seed(ends):
    def value(seed):
        rough = {"images_of": lambda z: z, "features_of": lambda z: z**2 + 1, "path": ppl.slerp}
        return ppl.ppl(ends=batches(ends), seed=seed, epsilon=1e-2, **rough)[0]

    assert value(0) == value(0) != value(1)


def test_float32_networks_are_exact_enough_at_the_papers_epsilon(features):
    """The distance over eps = 1e-4 agrees with one over a step 10 times as wide."""
    grid = np.indices([28, 28]).transpose(1, 2, 0) / 28

    def images_of(z):  # a soft blob that moves and grows, in [-1, 1]
        centre, width = 0.5 + 0.1 * z[:, None, None, :2], 0.15 + 0.02 * np.abs(z[:, 2])
        squares = ((grid - centre) ** 2).sum(axis=-1)
        return (2 * np.exp(-squares / width[:, None, None] ** 2) - 1)[..., None]

    rng = np.random.default_rng(0)
    few = rng.normal(size=[24, 3]), rng.normal(size=[24, 3])
    fine, wide = (
        ppl.ppl(images_of, features.of_floats, [few], path=ppl.lerp, epsilon=e)[0]
        for e in (1e-4, 1e-3)
    )
    assert fine > 0.1
    assert fine == pytest.approx(wide, rel=0.1)


def test_what_is_fixed_stays_with_its_path(ends):
    """Rows with label 1 turn at three times the speed, on both ends of every step."""
    labels = np.arange(2000) % 2

    def images_of(z, labels):
        return ((1 + 2 * labels) * z.sum(axis=1, dtype=np.float64))[:, None, None, None]

    def features_of(images):
        angle = images[:, 0, 0, 0]
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)

    rows = ((z1, z2, labels[:256][: len(z1)]) for z1, z2 in batches(ends))
    value, _ = ppl.ppl(images_of, features_of, rows, path=ppl.lerp, epsilon=1e-2)
    speeds = ((1 + 2 * labels) * (ends[1] - ends[0]).sum(axis=1)) ** 2
    assert value == pytest.approx(speeds.mean(), rel=1e-2)


def test_too_few_paths_are_refused():
    with pytest.raises(ValueError, match=r"PPL needs at least 2 paths. Received: 1."):
        ppl.ppl(lambda z: z, lambda x: x, [(np.eye(1, 3), np.ones([1, 3]))], path=ppl.lerp)
