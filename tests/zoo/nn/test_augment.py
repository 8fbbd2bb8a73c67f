"""Augmentations against computations in numpy, on real images."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.zoo.nn import warp_reference
from trainers.strategy import make_strategy
from zoo.nn import augment

SEED = tf.constant([5, 6], tf.int64)
MANY = 20_000


@pytest.fixture(scope="module")
def grey(fashion: np.ndarray) -> np.ndarray:
    return fashion[:6]


@pytest.fixture(scope="module")
def rgb(fashion: np.ndarray) -> np.ndarray:
    """Three garments as the channels of one image: f32 [6, 28, 28, 3]."""
    return np.concatenate([fashion[:6], fashion[6:12], fashion[12:18]], axis=-1)


def about(share: float) -> object:
    """Of MANY draws, within five standard errors."""
    return pytest.approx(share, abs=5 * np.sqrt(share * (1 - share) / MANY) + 1e-9)


# ---- geometry


def test_the_filter_is_the_symlet_with_six_vanishing_moments() -> None:
    h = augment.SYM6
    assert np.sum(h) == pytest.approx(np.sqrt(2), abs=1e-9)
    both = np.convolve(h, h[::-1])  # orthogonal to its shifts by two
    np.testing.assert_allclose(both[1::2], np.arange(-5, 6) == 0, atol=1e-9)
    high = h[::-1] * (-1.0) ** np.arange(12)
    for moment in range(6):
        assert np.sum(high * np.arange(12.0) ** moment) == pytest.approx(0, abs=1e-6 * 12**moment)


def vector(*values: float) -> tf.Tensor:
    return tf.constant(values, tf.float32)


def reach(matrices: np.ndarray, size: int) -> np.ndarray:
    """By how much the sources of each pixel and its filter leave the image: [N, S, S]."""
    middle = (size - 1) / 2
    y, x = np.mgrid[:size, :size] - middle
    sources = matrices[:, :2] @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    spread = 3 * np.linalg.norm(matrices[:, :2, :2], axis=(1, 2))
    return (np.abs(sources).max(axis=1) - middle).reshape(-1, size, size) + spread[:, None, None]


def test_warp_is_that_of_the_papers_code(rgb: np.ndarray) -> None:
    """Exact within the image; what is mirrored differs by the filter's asymmetry."""
    rng = np.random.default_rng(0)
    matrices = np.tile(np.eye(3, dtype=np.float32), (6, 1, 1))
    matrices[1:, :2, :2] += rng.normal(0, 0.3, (5, 2, 2))
    matrices[1:, :2, 2] = rng.normal(0, 3, (5, 2))
    warped = augment.warp(rgb, matrices).numpy()
    expected = np.stack(
        [
            np.stack([warp_reference.warp(image[..., c], matrix) for c in range(3)], axis=-1)
            for image, matrix in zip(rgb, matrices.astype(np.float64), strict=True)
        ]
    )
    inside = reach(matrices, 28) < 0
    assert inside[1:].any(axis=(1, 2)).sum() >= 4
    np.testing.assert_allclose(warped[inside], expected[inside], atol=2e-4)
    np.testing.assert_allclose(warped[0], rgb[0], atol=1e-5)  # its edges too
    # One width away the code has zeros; here it is mirrored on.
    near = reach(matrices, 28) < 20
    assert np.sqrt(np.mean((warped - expected)[near] ** 2)) < 0.05 * np.std(rgb)


def test_coordinates_of_the_warp() -> None:
    """A smooth image is its function, whatever the sampling: at the mapped places.

    The filter's centre lies a tenth of a pixel off its peak, which a flip shows; half a pixel would
    be .2 here.
    """

    def function(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.sin(0.35 * x + 0.1 * y) + 0.5 * np.cos(0.3 * y - 0.2 * x)

    y, x = np.mgrid[:32, :32] - 15.5
    image = function(x, y)[None, :, :, None].astype(np.float32)
    linear = {
        "flip": augment._scaling(vector(-1), vector(1)),
        "turn": augment._quarter_turns(vector(1)),
        "shift": augment._shift(vector(3), vector(-2)),
        "fraction": augment._shift(vector(0.3), vector(-1.6)),
        "rotation": augment._rotation(vector(0.4)),
        "smaller": augment._scaling(vector(1.2), vector(1.3)),
        "larger": augment._scaling(vector(0.7), vector(0.8)),
    }
    for name, matrix in linear.items():
        warped = augment.warp(image, matrix)[0, :, :, 0].numpy()
        ones = np.ones(x.size)
        to_x, to_y, _ = matrix[0].numpy() @ np.stack([x.ravel(), y.ravel(), ones])
        expected = function(to_x, to_y).reshape(32, 32)
        inside = reach(matrix.numpy(), 32)[0] < 0
        assert inside.sum() > 100, name
        np.testing.assert_allclose(warped[inside], expected[inside], atol=0.06, err_msg=name)


@pytest.mark.parametrize("p", [0.3, 0.6])
def test_high_frequencies_survive_as_in_the_papers_code(p: float) -> None:
    """Bilinear sampling at the image's own size keeps .49 of them at p = .6, the code .70."""
    matrices = augment.geometry(tf.constant(200), 32, p, SEED).numpy()

    def ours(images: np.ndarray, matrices: np.ndarray) -> np.ndarray:
        return augment.warp(images[..., None].astype(np.float32), matrices).numpy()[..., 0]

    def papers(images: np.ndarray, matrices: np.ndarray) -> np.ndarray:
        return np.stack([warp_reference.warp(*pair) for pair in zip(images, matrices, strict=True)])

    kept = [warp_reference.power_kept(warp, matrices, 32) for warp in (ours, papers)]
    print(f"p {p}: ours {kept[0]:.3f}, the code's {kept[1]:.3f}")
    assert kept[0] == pytest.approx(kept[1], abs=0.02)


def test_geometry_is_drawn_as_the_paper_says() -> None:
    p, size = 0.3, 32
    matrices = augment.geometry(tf.constant(MANY), size, p, SEED).numpy().astype(np.float64)
    linear = matrices[:, :2, :2]
    determinant = np.linalg.det(linear)
    assert np.mean(determinant < 0) == about(p / 2)  # a flip is one half of the time none
    # |det| = 1 / scale^2
    log_scale = -0.5 * np.log2(np.abs(determinant))
    scaled = np.abs(log_scale) > 1e-5
    assert np.mean(scaled) == about(p)
    assert np.std(log_scale[scaled]) == pytest.approx(0.2, rel=0.06)
    # Singular values: scale times stretch, scale over stretch.
    singular = np.linalg.svd(linear, compute_uv=False)
    log_stretch = 0.5 * np.log2(singular[:, 0] / singular[:, 1])
    stretched = log_stretch > 1e-5
    assert np.mean(stretched) == about(p)
    assert np.sqrt(np.mean(log_stretch[stretched] ** 2)) == pytest.approx(0.2, rel=0.06)
    # Where neither, what is left is a turn: by any angle with p, by a quarter with 3 p / 4.
    plain = ~scaled & ~stretched
    quarter = np.all(np.abs(linear - np.round(linear)) < 1e-5, axis=(1, 2))
    share = np.mean(quarter[plain])
    assert share == pytest.approx(1 - p, abs=5 * np.sqrt(0.25 / plain.sum()))
    upright = np.abs(np.abs(linear[:, 0, 0]) - 1.0) < 1e-5
    level = plain & quarter
    turned = ~upright & level
    assert np.mean(turned[level]) == pytest.approx(p / 2, abs=5 * np.sqrt(0.25 / level.sum()))
    # Shifts: whole ones of up to an eighth, and fractions of deviation an eighth.
    shift = matrices[:, :2, 2]
    whole = np.all(np.abs(shift - np.round(shift)) < 1e-4, axis=1)
    assert np.mean(whole[level]) == pytest.approx(1 - p, abs=5 * np.sqrt(0.25 / level.sum()))
    moved = level & whole & (np.abs(shift).max(axis=1) > 0.5)
    expected = p * (1 - (1 / 8) ** 2)  # 0 is an eighth of -4 to 4, 4s counting half
    assert np.mean(moved[level & whole]) == pytest.approx(expected, abs=0.03)
    assert np.abs(shift[moved]).max() == pytest.approx(size / 8, abs=1e-4)
    fraction = shift[level & ~whole]
    assert 0.115 < np.std(fraction) / size < 0.15


# ---- colours


def test_recolour_is_the_matrix_of_each_pixel(rgb: np.ndarray) -> None:
    matrices = np.random.default_rng(0).normal(size=(6, 4, 4)).astype(np.float32)
    matrices[:, 3] = [0, 0, 0, 1]
    result = augment.recolour(rgb, matrices).numpy()
    for image, matrix, pixels in zip(rgb, matrices, result, strict=True):
        ones = np.ones((28, 28, 1))
        expected = (np.concatenate([image, ones], axis=-1) @ matrix.T)[..., :3]
        np.testing.assert_allclose(pixels, expected, atol=1e-4)


def test_grey_is_the_mean_of_equal_channels(grey: np.ndarray) -> None:
    matrices = augment.colours(tf.constant(6), 1, 1.0, SEED)
    of_rgb = augment.recolour(np.repeat(grey, 3, axis=-1), matrices).numpy()
    np.testing.assert_allclose(
        augment.recolour(grey, matrices), of_rgb.mean(axis=-1, keepdims=True), atol=1e-5
    )
    with pytest.raises(ValueError, match="images of 1 or 3 channels. Received: 2"):
        augment.recolour(tf.zeros([6, 4, 4, 2]), matrices)


def test_colours_are_drawn_as_the_paper_says() -> None:
    """Each part by what it does to the grey axis, and to what is perpendicular to it."""
    p = 0.3
    matrices = augment.colours(tf.constant(MANY), 3, p, SEED).numpy().astype(np.float64)
    np.testing.assert_array_equal(matrices[:, 3], np.tile([0, 0, 0, 1], (MANY, 1)))
    linear, shift = matrices[:, :3, :3], matrices[:, :3, 3]
    v = np.ones(3) / np.sqrt(3)
    on_grey = linear @ v
    factor = on_grey @ v
    np.testing.assert_allclose(on_grey, factor[:, None] * v, atol=1e-5)  # grey stays grey
    assert np.mean(factor < 0) == about(p / 2)  # luma flip
    log_contrast = np.log2(np.abs(factor))
    changed = np.abs(log_contrast) > 1e-5
    assert np.mean(changed) == about(p)
    assert np.std(log_contrast[changed]) == pytest.approx(0.5, rel=0.05)
    # Brightness comes first, so contrast and flip act on it.
    brightness = shift[:, 0] / factor
    np.testing.assert_allclose(shift, np.repeat(shift[:, :1], 3, axis=1), atol=1e-5)
    brighter = np.abs(brightness) > 1e-6
    assert np.mean(brighter) == about(p)
    assert np.std(brightness[brighter]) == pytest.approx(0.2, rel=0.05)
    # Two axes across grey: turned by hue, stretched by contrast and saturation alike.
    a = np.array([1, -1, 0]) / np.sqrt(2)
    b = np.cross(v, a)
    across = np.stack([linear @ a, linear @ b], axis=-1)  # [N, 3, 2]
    plane = np.stack([a, b]) @ across
    size = np.sqrt(np.abs(np.linalg.det(plane)))
    log_saturation = np.log2(size) - log_contrast
    saturated = np.abs(log_saturation) > 1e-4
    assert np.mean(saturated) == about(p)
    assert np.std(log_saturation[saturated]) == pytest.approx(1.0, rel=0.05)
    angle = np.arctan2(plane[:, 1, 0], plane[:, 0, 0])
    turned = np.abs(angle) > 1e-4
    assert np.mean(turned) == about(p)
    assert np.std(angle[turned]) == pytest.approx(np.pi / np.sqrt(3), rel=0.05)  # uniform
    np.testing.assert_allclose(
        plane / size[:, None, None],
        np.moveaxis([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], -1, 0),
        atol=1e-4,
    )


# ---- the pipeline


def test_strength_0_is_the_identity(grey: np.ndarray, rgb: np.ndarray) -> None:
    for images in (grey, rgb):
        np.testing.assert_allclose(augment.ada(tf.constant(images), 0.0, SEED), images, atol=1e-5)


def test_it_is_a_function_of_its_seed(rgb: np.ndarray) -> None:
    for function in (lambda x, s: augment.ada(x, 1.0, s), augment.diff_augment):
        rgb = tf.constant(rgb)
        first = function(rgb, SEED)
        assert first.shape == rgb.shape
        np.testing.assert_array_equal(first, function(rgb, SEED))
        assert not np.allclose(first, function(rgb, SEED + 1))
        assert function(tf.cast(rgb, tf.float16), SEED).dtype == tf.float16
        # Every image has draws of its own.
        alike = function(tf.repeat(rgb[:1], 6, axis=0), SEED).numpy()
        assert min(np.abs(alike[i] - alike[0]).max() for i in range(1, 6)) > 0.1


def test_as_many_images_change_as_p_says(fashion: np.ndarray) -> None:
    p = 0.1
    changed = (
        np.abs(augment.ada(tf.constant(fashion), p, SEED) - fashion).max(axis=(1, 2, 3)) > 1e-3
    )
    # flip and luma flip: 1/2 of p; turns 3/4; whole shifts all but (2 / 7)^2 at +-3.5 px (rounded:
    # 0 is 1 of 7); scale, rotation, stretch, shift, brightness, contrast: all.
    untouched = (1 - p / 2) ** 2 * (1 - 3 * p / 4) * (1 - p * (1 - 1 / 49)) * (1 - p) ** 6
    error = np.sqrt(untouched * (1 - untouched) / len(fashion))
    assert np.mean(~changed) == pytest.approx(untouched, abs=4 * error)


@pytest.mark.parametrize("kind", ["ada", "diffaugment"])
def test_gradients_are_the_adjoint_and_have_derivatives(rgb: np.ndarray, kind: str) -> None:
    def function(x: tf.Tensor) -> tf.Tensor:
        return augment.ada(x, 1.0, SEED) if kind == "ada" else augment.diff_augment(x, SEED)

    rng = np.random.default_rng(0)
    x, direction, weight = (tf.constant(rng.normal(size=(6, 28, 28, 3))) for _ in "abc")
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(weight * tf.square(function(x)))
        gradient = tape.gradient(loss, x)
        norm = tf.reduce_sum(tf.square(gradient))

    # A function that is affine in x: central differences of a square are exact but for rounding.
    def along(f, step: float = 1e-2) -> float:
        return float((f(x + step * direction) - f(x - step * direction)) / (2 * step))

    def total(x: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(weight * tf.square(function(x)))

    slope = float(tf.reduce_sum(gradient * direction))
    assert along(total) == pytest.approx(slope, rel=1e-4, abs=1e-3)
    second = outer.gradient(norm, x)

    def norm_of(x: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = total(x)
        return tf.reduce_sum(tf.square(tape.gradient(loss, x)))

    slope = float(tf.reduce_sum(second * direction))
    assert along(norm_of) == pytest.approx(slope, rel=1e-4, abs=1e-2)


def test_cutout_is_a_square_of_half_the_size() -> None:
    cut = augment.cutout(tf.ones([400, 16, 16, 2]), 0.5, SEED).numpy() == 0
    np.testing.assert_array_equal(cut[..., 0], cut[..., 1])
    assert all(is_square(image[..., 0]) for image in cut if image.any())
    some = cut.any(axis=(1, 2, 3))
    assert np.mean(some) == pytest.approx(0.5, abs=5 * np.sqrt(0.25 / 400))
    # A centre is anywhere, so squares are cut off at the edges: 7/16 of 1/2 a side on average.
    assert np.mean(cut[some]) == pytest.approx((7 / 16) ** 2, abs=0.02)


# ---- the controller


def test_strength_follows_the_rule() -> None:
    """By hand: 4 steps of 32 images move p by 128 / 500,000, or 128 / 640 here."""
    ada = augment.AdaptiveStrength(speed=640.0)
    p = most = 0.0
    shares = [1.0] * 4 + [0.95] * 4 + [0.5] * 4 + [1.0] * 20 + [0.0] * 28
    seen = []
    for step, positive in enumerate(shares, 1):
        logits = np.full((32, 1), -2.0, np.float32)
        logits[: round(32 * positive)] = 0.3
        seen.append(np.sign(logits).mean())
        ada.observe(tf.constant(logits))
        ada.adjust(tf.constant(step, tf.int64), tf.constant(32, tf.int64))
        if step % 4 == 0:
            p = max(p + np.sign(np.mean(seen[-4:]) - 0.6) * 0.2, 0.0)
        assert float(ada.p.numpy()) == pytest.approx(p, abs=1e-6), step
        assert float(ada.judged.numpy()) == 32 * (step % 4)
        most = max(p, most)
    assert p == 0.0
    assert most == pytest.approx(1.2)  # no limit above
    assert augment.AdaptiveStrength().speed == 500_000
    assert augment.AdaptiveStrength.from_config(ada.get_config()).speed == 640.0


def test_strength_sees_all_replicas() -> None:
    strategy = make_strategy("mirrored")
    with strategy.scope():
        ada = augment.AdaptiveStrength(speed=640.0)

    @tf.function
    def step(number: tf.Tensor) -> None:
        def on_replica() -> None:
            replica = tf.distribute.get_replica_context().replica_id_in_sync_group
            # Of 16 images on each replica: 14 real on the first, all on the other: r = .875.
            rows = tf.range(16)[:, None]
            ada.observe(tf.where((replica == 0) & (rows < 2), -1.0, 1.0))
            ada.adjust(number, tf.constant(32))

        strategy.run(on_replica)

    for number in (1, 2, 3):
        step(tf.constant(number))
        assert float(ada.judged.numpy()) == 16 * number  # of a replica
        assert float(ada.signs.numpy()) == 14 * number
    step(tf.constant(4))
    assert float(ada.p.numpy()) == pytest.approx(128 / 640)
    assert float(ada.judged.numpy()) == 0
    assert float(ada.signs.numpy()) == 0
    assert all(isinstance(v, keras.Variable) for v in ada.variables)
    assert len(ada.variables) == 3


# ---- DiffAugment


def test_diff_augment_is_the_papers_colour_translation_and_cutout() -> None:
    """Every image is explained by one shift, one square, and factors within their ranges."""
    size = 8
    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, (40, size, size, 3)).astype(np.float32)
    results = augment.diff_augment(tf.constant(images), SEED).numpy()
    factors, shifts = [], set()
    for image, result in zip(images, results, strict=True):
        zero = np.all(result == 0, axis=-1)
        grey = image.mean(axis=-1)
        explained = []
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                rows, columns = (np.arange(size) + d for d in (dy, dx))
                inside = np.outer((rows >= 0) & (rows < size), (columns >= 0) & (columns < size))
                kept = inside & ~zero
                moved = np.pad(image, ((1, 1), (1, 1), (0, 0)))[1 + dy :, 1 + dx :][:size, :size]
                moved_grey = np.pad(grey, 1)[1 + dy :, 1 + dx :][:size, :size]
                # result = k (s x + (1 - s) grey + b) + (1 - k) (mean + b)
                columns_of = [
                    moved[kept].ravel(),
                    np.repeat(moved_grey[kept], 3),
                    np.ones(3 * kept.sum()),
                ]
                a, target = np.stack(columns_of, axis=1), result[kept].ravel()
                solution, *_ = np.linalg.lstsq(a, target, rcond=None)
                if np.abs(a @ solution - target).max() < 1e-4 and is_square(zero & inside):
                    explained.append((dy, dx))
                    k = solution[0] + solution[1]
                    b = solution[2] - (1 - k) * image.mean()
                    factors.append((b, solution[0] / k, k))
                    assert zero[~inside].all()
        assert len(explained) == 1
        shifts.add(explained[0])
    low, high = np.min(factors, axis=0), np.max(factors, axis=0)
    assert np.all(low >= [-0.5, 0.0, 0.5])
    assert np.all(high <= [0.5, 2.0, 1.5])
    assert np.all(high - low > [0.8, 1.6, 0.8])
    assert len(shifts) == 9


def is_square(zero: np.ndarray) -> bool:
    """Whether a mask is a square of half the size, as far as it lies within the image."""
    size = len(zero)
    rows, columns = np.flatnonzero(zero.any(axis=1)), np.flatnonzero(zero.any(axis=0))
    if not np.array_equal(zero, np.outer(zero.any(axis=1), zero.any(axis=0))):
        return False
    return all(
        0 < len(places) <= size // 2 and np.ptp(places) == len(places) - 1
        for places in (rows, columns)
    )
