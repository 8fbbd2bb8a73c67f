"""Warnings: on real runs made ill on purpose, none on healthy ones; variety against brute force."""

import copy
import itertools

import numpy as np
import pytest
from PIL import Image, ImageFilter

import zoo
from tests.trainers.report.conftest import RUNS, records
from trainers.report.diagnosis import Copies, not_judged, too_early, variety, warnings

COLLAPSE = "Collapse: G draws the same few images again and again"
D_WINS = "D wins outright: G has nothing to learn from"
G_WINS = "G wins outright: D cannot tell what it draws"
RUNS_AWAY = "The losses run away"
NOTHING = "Nothing is learned"
DIVERGED = "The training diverged"
ADA = "ADA is at its limit: D still memorizes the images"
COPIES = "The samples are copies of training images"
FAR = "The images are still far from real ones"
SMEARED = "The samples are smeared"
PAST = "The best score is long past"


def titles(*arguments: object, **named: object) -> list[str]:
    return [warning.title for warning in warnings(*arguments, **named)]


# ---- variety


def brute_force(samples: np.ndarray, real: np.ndarray, near: float = 0.15) -> dict[str, float]:
    """The definitions in words, pair by pair in float64."""

    def distances(images: np.ndarray) -> dict[tuple[int, int], float]:
        images = images.astype(np.float64) / 255
        return {
            (i, j): float(np.sqrt(np.mean((images[i] - images[j]) ** 2)))
            for i, j in itertools.permutations(range(len(images)), 2)
        }

    scale = np.mean(list(distances(real).values()))

    def share(images: np.ndarray) -> float:
        pairs = distances(images)
        alike = {i for (i, _), distance in pairs.items() if distance < near * scale}
        return len(alike) / len(images)

    def contrast(images: np.ndarray) -> float:
        return float(np.mean([np.std(image / 255) for image in images]))

    def detail(images: np.ndarray) -> float:
        x = images.astype(np.float64)
        down, across = x[:, 1:] - x[:, :-1], x[:, :, 1:] - x[:, :, :-1]
        return float(np.mean(np.abs(down)) + np.mean(np.abs(across)))

    return {
        "spread": float(np.mean(list(distances(samples).values())) / scale),
        "duplicates": share(samples),
        "duplicates_real": share(real[: len(samples)]),
        "contrast": contrast(samples) / contrast(real),
        "detail": detail(samples) / detail(real),
    }


def test_variety_is_what_it_says(clothes: np.ndarray) -> None:
    samples = np.concatenate([clothes[:20], clothes[:5] // 2 * 2, clothes[100:105] // 4])
    expected = brute_force(samples, clothes[50:90])
    assert expected["duplicates"] > 0
    assert variety(samples, clothes[50:90]) == pytest.approx(expected, abs=2e-4)


def test_large_images_are_averaged_down(clothes: np.ndarray) -> None:
    """Blocks of equal pixels have themselves as their mean; noise in them averages out."""
    small = np.pad(clothes[:40], ((0, 0), (2, 2), (2, 2), (0, 0)))
    large = small.repeat(3, axis=1).repeat(3, axis=2)
    of_large, of_small = variety(large[:20], large[20:]), variety(small[:20], small[20:])
    del of_large["detail"], of_small["detail"]  # of the pixels as they are
    assert of_large == pytest.approx(of_small, abs=2e-4)


def test_real_images_are_varied(clothes: np.ndarray) -> None:
    for start in range(256, 512, 64):
        result = variety(clothes[start : start + 64], clothes[:256])
        assert result["duplicates"] == result["duplicates_real"] == 0
        assert 0.9 < result["spread"] < 1.1
        assert 0.9 < result["contrast"] < 1.1
        assert 0.9 < result["detail"] < 1.1


def test_a_trained_generator_is_varied_and_a_fresh_one_is_blank(clothes: np.ndarray) -> None:
    trained = variety(zoo.load("dcgan_fashion_mnist").generate(64, seed=0), clothes)
    assert trained["duplicates"] == 0
    assert 0.9 < trained["spread"] < 1.1
    assert 0.75 < trained["detail"] < 1.25
    fresh = zoo.load("dcgan_fashion_mnist", load_weights=False).generate(64, seed=0)
    blank = variety(fresh, clothes)
    assert blank["duplicates"] == 1
    assert blank["contrast"] < 0.1


@pytest.mark.parametrize("noise", [0, 5, 10])
def test_noisy_copies_are_duplicates(clothes: np.ndarray, noise: int) -> None:
    rng = np.random.default_rng(0)
    copies = clothes[np.arange(64) % 8] + rng.normal(0, noise, (64, 28, 28, 1))
    result = variety(copies.clip(0, 255).astype(np.uint8), clothes)
    assert result["duplicates"] == 1
    assert result["duplicates_real"] == 0


def test_without_differences_between_real_images_there_is_no_measure(clothes: np.ndarray) -> None:
    for real in (clothes[:1], clothes[:1].repeat(9, axis=0), np.zeros((9, 28, 28, 1), np.uint8)):
        result = variety(clothes[:64], real)
        assert set(result.values()) == {None}
        assert titles([], [{"step": 100, **result}, {"step": 200, **result}]) == []


def test_rgb_images_of_one_colour_each_have_no_detail_to_compare_with() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (20, 1, 1, 3), np.uint8)
    result = variety(np.zeros((4, 8, 8, 3), np.uint8), colours.repeat(8, 1).repeat(8, 2))
    assert result == dict.fromkeys(
        ("spread", "duplicates", "duplicates_real", "contrast", "detail")
    )


@pytest.mark.parametrize(
    ("samples", "real", "message"),
    [
        ((1, 8, 8, 1), (9, 8, 8, 1), "samples must be uint8 .*, N >= 2. Received: uint8 .1, 8"),
        ((9, 8, 8), (9, 8, 8, 1), "samples must be uint8 .* Received: uint8 .9, 8, 8."),
        ((9, 8, 8, 1), (0, 8, 8, 1), "real must be uint8 .*, N >= 1. Received: uint8 .0, 8"),
        ((9, 8, 8, 1), (9, 8, 8, 3), "of one size. Received: .8, 8, 1. and .8, 8, 3."),
    ],
)
def test_variety_refuses_what_it_cannot_compare(samples: tuple, real: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        variety(np.zeros(samples, np.uint8), np.zeros(real, np.uint8))
    with pytest.raises(ValueError, match="must be uint8 .* Received: float32"):
        variety(np.zeros((2, 8, 8, 1), np.float32), np.zeros((2, 8, 8, 1), np.uint8))


def test_copies_are_found_mirrored_and_noisy_ones_too(clothes: np.ndarray) -> None:
    training, others = clothes[:256], clothes[256:]
    copies = Copies([training[:100], training[100:]])
    noisy = training[:64] + np.random.default_rng(0).normal(0, 5, (64, 28, 28, 1))
    for samples in (training[:64], training[:64, :, ::-1], noisy.clip(0, 255).astype(np.uint8)):
        assert copies.of(samples)["copies"] > 0.95
    found = copies.of(others[:64])
    assert found["copies"] < 0.1
    assert found["copies_real"] < 0.1
    assert copies.of(np.repeat(training.mean(axis=0, keepdims=True), 64, 0).astype(np.uint8)) == {
        "copies": 0.0,
        "copies_real": found["copies_real"],
    }
    twice = Copies([training, training]).of(others[:64])
    assert twice["copies_real"] == 1


def test_copies_are_warned_of_beyond_those_among_real_images() -> None:
    history, samples, _ = records("healthy, trained on")
    copied = [{**s, "copies": 0.5, "copies_real": 0.02} for s in samples]
    (warning,) = warnings(history, copied)
    assert warning.title == COPIES
    assert "50 % of the samples are nearly the same as a training image" in warning.evidence
    assert titles(history, [{**s, "copies": 0.5, "copies_real": 0.4} for s in samples]) == []
    assert titles(history, [*copied, {**samples[-1], "copies": 0.1, "copies_real": 0.02}]) == []


def test_blurred_images_have_less_detail(clothes: np.ndarray) -> None:
    blurred = np.stack(
        [
            np.asarray(Image.fromarray(image[..., 0]).filter(ImageFilter.GaussianBlur(2)))
            for image in clothes[:64]
        ]
    )[..., None]
    assert variety(blurred, clothes)["detail"] < 0.5


def test_smears_are_warned_of_once_a_network_is_no_longer_young() -> None:
    history, samples, _ = records("healthy, trained on")
    smeared = [{**s, "detail": 0.3} for s in samples]
    assert titles(history, smeared) == []
    for record in history:
        record["kimg"] += 200
    (warning,) = warnings(history, smeared)
    assert warning.title == SMEARED
    assert "differ by 30 % of what they do in real images" in warning.evidence


@pytest.mark.parametrize(
    ("values", "network", "expected"),
    [
        ([2008.0], "MobileNetV2 1.0", FAR),
        ([5000.0, 2008.0], "MobileNetV2 1.0", FAR),
        ([2008.0, 600.0], "MobileNetV2 1.0", None),
        ([2008.0], "InceptionV3", None),
    ],
)
def test_a_metric_far_from_real_images(values: list, network: str, expected: str | None) -> None:
    metrics = [
        {"step": 1000 * i, "network": network, "metrics": {"kid": {"value_x1000": value}}}
        for i, value in enumerate(values, start=1)
    ]
    assert titles([], metrics=metrics) == ([expected] if expected else [])
    if expected:
        (warning,) = warnings([], metrics=metrics)
        assert warning.evidence.startswith(f"KID x 1000 is 2,008 at step {len(values)},000")
        assert warning.try_this.startswith("It is falling" if len(values) > 1 else "Train on if")


def test_what_cannot_be_judged_is_said() -> None:
    history, samples, _ = records("healthy")
    early = not_judged(history[:2], samples[:1], [])
    assert too_early(history[:2], samples[:1])
    assert early[0].startswith("Losses are judged from 5 points of the curves over 100 steps on")
    assert "nearly one image: 100 % of the samples have a near-duplicate" in early[1]
    assert early[-1].startswith("No metric has been computed")
    assert too_early(history, samples)  # 19,200 images, and a sheet of blobs
    varied = [{**s, "duplicates": 0.0} for s in samples]
    assert not too_early(history, varied)
    assert not_judged(history, varied, [{"step": 1}]) == []
    assert not_judged(history, [], [{"step": 1}]) == [
        "The variety of the samples has not been measured."
    ]


# ---- warnings on real runs


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ("healthy", []),
        ("healthy, longer", []),
        ("healthy, trained on", []),
        ("d 100 times too high", [RUNS_AWAY]),
        ("both 250 times too high", [RUNS_AWAY, D_WINS]),
        ("g does not move", [D_WINS]),
        ("d does not move", [G_WINS]),
        ("neither moves", [NOTHING]),
        ("g 10 times too high, d 10 times too low", [COLLAPSE]),
        ("sgd at 30", [DIVERGED]),
    ],
)
def test_each_failure_mode_is_recognised(run: str, expected: list[str]) -> None:
    assert titles(*records(run)) == expected


@pytest.mark.parametrize("run", [name for name in RUNS if name.startswith("healthy")])
def test_a_healthy_run_has_no_warning_at_any_step(run: str) -> None:
    history, samples, events = records(run)
    for end in (record["step"] for record in history):
        seen = ([r for r in part if r["step"] <= end] for part in (history, samples))
        assert titles(*seen, events[:1]) == [], end


def test_evidence_and_advice_are_told_in_figures() -> None:
    history, samples, events = records("g does not move")
    (warning,) = warnings(history, samples, events)
    assert "From step 60 to 160, D judges 100 % of the real and 100 % of the" in warning.evidence
    assert "learning rate" in warning.try_this
    history, samples, events = records("sgd at 30")
    assert events[-1]["message"] in warnings(history, samples, events)[0].evidence


def test_nothing_is_judged_by_few_lines() -> None:
    history, _, _ = records("g does not move")
    assert titles(history[:4]) == []
    assert titles([]) == []


def test_records_without_figures_are_no_reason_to_fail() -> None:
    history, samples, _ = records("healthy")
    bare = [{"step": record["step"]} for record in history]
    assert titles(bare, [{"step": s["step"]} for s in samples], [{}], [{"step": 1}], {}) == []
    absent = [dict.fromkeys(s, None) | {"step": s["step"]} for s in samples]
    assert titles(history, absent) == []


# ---- what a run of DCGAN cannot show


def test_a_loss_that_is_no_number_is_divergence_and_a_norm_is_not() -> None:
    history, samples, _ = records("healthy")
    history[-1]["g_gradient_norm"] = None
    assert titles(history, samples) == []
    history[-1]["g_loss"] = None
    (warning,) = warnings(history, samples)
    assert warning.title == DIVERGED
    assert warning.evidence == "At step 300, g_loss is not finite."


def test_a_run_that_went_on_after_it_diverged_is_not_ill() -> None:
    history, samples, events = records("healthy")
    then = [{"step": 90, "event": "diverged", "message": "m"}, {"step": 80, "event": "resumed"}]
    assert titles(history, samples, events[:1] + then) == []
    failed = {"step": 90, "event": "checkpoint_failed", "message": "disk full"}
    assert titles(history, samples, [*events[:1], then[0], failed]) == [DIVERGED]


def test_gradients_that_grow_without_end() -> None:
    history, samples, _ = records("healthy")
    for record in history:
        record["g_gradient_norm"] = float(np.exp(record["step"] / 30))
    (warning,) = warnings(history, samples)
    assert warning.title == RUNS_AWAY
    assert "G's gradient norm grew from" in warning.evidence


def test_near_duplicates_all_along_are_collapse_only_after_many_images() -> None:
    history, samples, _ = records("healthy")
    assert samples[-1]["duplicates"] == 1
    for record in history:
        record["kimg"] *= 20  # 384 in all
    (warning,) = warnings(history, samples)
    assert warning.title == COLLAPSE
    assert "in 384k images" in warning.evidence
    alike = [sample | {"duplicates_real": 1.0} for sample in samples]  # so are the real ones
    assert titles(history, alike) == []


def test_one_grid_alone_is_no_collapse() -> None:
    history, samples, _ = records("healthy, trained on")
    alike = [{**s, "duplicates": 1.0, "spread": 0.2} for s in samples[-2:]]
    assert titles(history, [*samples[:-1], alike[1]]) == []
    assert titles(history, [*samples[:-2], *alike]) == [COLLAPSE]


def test_blank_samples_are_no_learning_only_after_a_beginning() -> None:
    history, samples, _ = records("healthy")
    blank = [sample | {"contrast": 0.04} for sample in samples]
    assert titles(history, blank) == []  # 19k images
    for record in history:
        record["kimg"] *= 1.5
    (warning,) = warnings(history, blank)
    assert warning.title == NOTHING
    assert "their contrast is 4 % of that of real images" in warning.evidence


def test_a_game_in_balance_is_no_standstill() -> None:
    """Flat losses, as of a network that is trained on, with samples that are varied."""
    history, samples, _ = records("neither moves")
    assert titles(history, samples) == [NOTHING]
    assert titles(history, [sample | {"spread": 0.9} for sample in samples]) == []


def test_ada_at_its_limit() -> None:
    history, samples, _ = records("healthy")
    for record in history:
        record["ada_p"] = min(1.0, record["step"] / 200)
    (warning,) = warnings(history, samples)
    assert warning.title == ADA
    assert "p is 1.00 at the end" in warning.evidence
    history[-2]["ada_p"] = 0.9
    assert titles(history, samples) == []


def test_d_may_win_where_g_has_another_teacher_or_d_is_a_critic() -> None:
    history, samples, events = records("g does not move")
    pairs = [record | {"l1_loss": 0.2} for record in history]
    assert titles(pairs, samples, events) == []
    critic = copy.deepcopy(history)
    for record in critic:
        del record["real_accuracy"], record["fake_accuracy"]
    assert titles(critic, samples, events) == []


def evaluations(metric: str, values: list[float], error: float | None = None) -> list[dict]:
    return [
        {
            "step": 1000 * (i + 1),
            "metrics": {
                metric: {
                    "name": f"{metric} (net)",
                    "value": value,
                    **({} if error is None else {"standard_error_x1000": error}),
                }
            },
        }
        for i, value in enumerate(values)
    ]


@pytest.mark.parametrize(
    ("metrics", "best", "warned"),
    [
        (evaluations("kid", [0.09, 0.03, 0.05, 0.06]), None, True),
        (evaluations("kid", [0.09, 0.03, 0.05, 0.06], error=2.0), None, True),
        (evaluations("kid", [0.09, 0.03, 0.05, 0.06], error=20.0), None, False),  # noise
        (evaluations("kid", [0.09, 0.05, 0.04, 0.03]), None, False),  # still getting better
        (evaluations("kid", [0.09, 0.06, 0.03, 0.04]), None, False),  # not long ago
        (evaluations("kid", [0.09, 0.030, 0.031, 0.032]), None, False),  # hardly worse
        (evaluations("kid", [0.03, 0.09]), None, False),  # too few
        (evaluations("recall", [0.1, 0.5, 0.3, 0.2]), None, True),
        (evaluations("recall", [0.5, 0.1, 0.3, 0.6]), None, False),
        (evaluations("density", [0.9, 0.1, 0.1, 0.1]), None, False),  # neither way is better
        (evaluations("kid", [0.09, 0.03, 0.05, 0.06]), {"metric": "kid (net)"}, True),
    ],
)
def test_a_score_that_got_worse(metrics: list, best: dict | None, warned: bool) -> None:
    assert titles([], metrics=metrics, best=best) == ([PAST] if warned else [])


def test_the_score_that_decides_is_the_one_that_the_run_watches() -> None:
    both = evaluations("kid", [0.09, 0.03, 0.05, 0.06])
    for record, recall in zip(both, (0.1, 0.2, 0.3, 0.4), strict=True):
        record["metrics"]["recall"] = {"name": "Recall", "value": recall}
    assert titles([], metrics=both, best={"metric": "recall"}) == []
    (warning,) = warnings([], metrics=both, best={"metric": "kid"})
    assert warning.evidence == (
        "kid (net) was best at step 2,000 (0.03) and is 0.06 at step 4,000; lower is better."
    )
    assert "checkpoint of step 2,000" in warning.try_this
