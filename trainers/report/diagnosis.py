"""Detects known failure modes of a training run in its records and explains them.

The thresholds were set on runs of DCGAN at 28 px: healthy ones, and ones that were made to fail
with bad learning rates (0, and 10 to 250 times too high). Their records are in
tests/trainers/report.
"""

import dataclasses
import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

Record = dict[str, Any]

# ---- diversity of samples

# Two images are near-duplicates if they differ by less than this share of the mean distance between
# real images. On Fashion-MNIST: 64 real images, nearest pair 0.26 to 0.36; 64 from the bundled
# DCGAN, 0.20 to 0.31; copies with noise of 10 grey levels, 0.12; untrained G, 0.01.
NEAR = 0.15
SIDE = 32  # pixels; larger images are averaged down to this for comparison
REAL = 256  # number of real images for mean distances

# ---- when a symptom counts

WINDOW = 0.2  # last part of a run, in which a failure must show throughout
LINES, STEPS = 5, 100  # minimum length of a window of the history
ALIKE = 0.5  # share of near-duplicates
VARIED = 0.5  # spread above that of an untrained network (0.3) and of its first blobs (0.2)
BLANK = 0.1  # contrast
# Up to so many thousand images, near-duplicates may be just an early network's blobs: DCGAN draws
# nothing else up to 38, and none from 51 on.
YOUNG = 200
BEGUN = 20  # up to so many thousand images samples may be blank; DCGAN's are up to 1
ADA_LIMIT = 0.95
COPIED = 0.25  # share of samples that are near-duplicates of training images
NEAR_COPY = 0.2  # like `NEAR`, for copies of training images; noise of 20 grey levels is below it
SMEARED = 0.5  # detail; real images blurred by 1 pixel: Fashion-MNIST .53, photographs .45
# KID x 1000 with the bundled MobileNetV2 on Fashion-MNIST: real against other real images 1 to 4,
# real images blurred by .7 pixels 989, DCGAN after one epoch 11,048 and after twenty 342.
FAR, FAR_NETWORK = 1000, "MobileNetV2"


@dataclasses.dataclass(frozen=True)
class Warning:
    """A failure mode that a run shows.

    Attributes:
        title: Its name, in a few words.
        evidence: The observation, with numbers.
        try_this: What to do about it.
    """

    title: str
    evidence: str
    try_this: str


def variety(samples: np.ndarray, real: np.ndarray) -> dict[str, float | None]:
    """How much samples differ from each other, relative to real images.

    The distance is the root mean square pixel difference between images that are averaged down to
    about `SIDE` pixels. It distinguishes copies from diverse images, not good images from bad ones.

    Args:
        samples: uint8 [N, H, W, C], N >= 2.
        real: uint8 [M, H, W, C], M >= 1; the first `REAL` are used.

    Returns:
        "spread": mean distance between samples, divided by that between real images: about 1 is
            good.
        "duplicates": share of samples with a near-duplicate among the others, in [0, 1].
        "duplicates_real": the same for the first N real images.
        "contrast": mean standard deviation of a sample's pixels, divided by that of real images: 0
            for images of one colour.
        "detail": mean difference between neighbouring pixels, divided by that of real images: below
            1 for smooth samples, above 1 for noisy ones.
        All are None if the real images are all equal or each of one colour: there is no scale then.

    Raises:
        ValueError: Images are not uint8 [N, H, W, C] of one size, or N < 2.
    """
    for name, images, least in (("samples", samples, 2), ("real", real, 1)):
        if images.ndim != 4 or images.dtype != np.uint8 or len(images) < least:
            raise ValueError(
                f"{name} must be uint8 [N, H, W, C], N >= {least}. Received: {images.dtype} "
                f"{list(images.shape)}."
            )
    if samples.shape[1:] != real.shape[1:]:
        raise ValueError(
            "samples and real images must be of one size. "
            f"Received: {list(samples.shape[1:])} and {list(real.shape[1:])}."
        )
    x, y = _small(samples), _small(real[:REAL])
    between, scale, contrast = _distances(x), _mean(_distances(y)), float(y.std(axis=1).mean())
    detail = _detail(real[:REAL])
    # `contrast` does not notice RGB images of one colour each: their channels differ.
    if min(scale, contrast) < 1e-3 or detail == 0:
        return dict.fromkeys(("spread", "duplicates", "duplicates_real", "contrast", "detail"))
    return {
        "spread": round(_mean(between) / scale, 4),
        "duplicates": _duplicates(between, scale),
        "duplicates_real": _duplicates(_distances(y[: len(x)]), scale),
        "contrast": round(float(x.std(axis=1).mean()) / contrast, 4),
        "detail": round(_detail(samples) / detail, 4),
    }


class Copies:
    """Counts samples that are near-duplicates of training images, mirrored or not.

    The distance is the same as in `variety`.

    Args:
        training: All training images, uint8 [n, H, W, C] at a time; at least 2.
    """

    def __init__(self, training: Iterable[np.ndarray]) -> None:
        self._images = np.concatenate([_small(images) for images in training])
        self._scale = _mean(_distances(self._images[:REAL]))
        alone = self._nearest(self._images, itself=True)
        self._real = float((alone < NEAR_COPY * self._scale).mean())

    def of(self, samples: np.ndarray) -> dict[str, float]:
        """The shares for samples uint8 [N, H, W, C].

        Returns:
            "copies": share of samples with a near-duplicate in the training set, in [0, 1].
            "copies_real": share of training images with a near-duplicate among the others.
        """
        nearest = np.minimum(*(self._nearest(_small(s)) for s in (samples, samples[:, :, ::-1])))
        share = float((nearest < NEAR_COPY * self._scale).mean())
        return {"copies": round(share, 4), "copies_real": round(self._real, 4)}

    def _nearest(self, x: np.ndarray, itself: bool = False) -> np.ndarray:
        """Distance from each image to the nearest training image, or to the nearest other one."""
        found = []
        for start in range(0, len(x), 256):
            some = x[start : start + 256]
            products = _squares(some)[:, None] + _squares(self._images) - 2 * some @ self._images.T
            if itself:
                rows = np.arange(len(some))
                products[rows, start + rows] = np.inf
            found.append(np.sqrt(np.maximum(products.min(axis=1), 0) / x.shape[1]))
        return np.concatenate(found)


def _squares(x: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", x, x)


def _detail(images: np.ndarray) -> float:
    x = images.astype(np.int16)
    return sum(float(np.abs(np.diff(x, axis=axis)).mean()) for axis in (1, 2))


def _small(images: np.ndarray) -> np.ndarray:
    """uint8 [N, H, W, C] -> f32 [N, pixels] in [0, 1], blocks of pixels averaged."""
    n, height, width, channels = images.shape
    f = max(1, min(height, width) // SIDE)
    rows, columns = height // f, width // f
    total = np.zeros((n, rows, columns, channels), np.float32)
    for i, j in np.ndindex(f, f):  # many times faster than reshaping to blocks and averaging
        total += images[:, i : rows * f : f, j : columns * f : f]
    return total.reshape(n, -1) / (255 * f * f)


def _distances(x: np.ndarray) -> np.ndarray:
    """f32 [N, P] -> [N, N], root mean square differences."""
    squares = _squares(x)
    products = squares[:, None] + squares[None] - 2 * x @ x.T
    np.fill_diagonal(products, 0)  # removes rounding errors
    return np.sqrt(np.maximum(products, 0) / x.shape[1])


def _mean(distances: np.ndarray) -> float:
    """Mean of [N, N] without the diagonal; 0 for N = 1."""
    return float(distances.sum() / max(len(distances) * (len(distances) - 1), 1))


def _duplicates(distances: np.ndarray, scale: float) -> float:
    others = distances + np.diag(np.full(len(distances), np.inf))
    return round(float((others.min(axis=1) < NEAR * scale).mean()), 4)


# ---- metrics

LOWER = ("kid", "fid", "frechet_distance", "ppl", "perceptual", "l1", "cycle_l1")
HIGHER = (
    *("inception_score", "precision", "recall", "coverage", "class_accuracy"),
    *("psnr", "psnr_y", "ssim", "ssim_y"),
)


def better(metric: str) -> str | None:
    """Which values of a metric are better, "lower" or "higher"; None if neither always is."""
    return "lower" if metric in LOWER else "higher" if metric in HIGHER else None


# ---- the failure modes


def warnings(
    history: Sequence[Record],
    samples: Sequence[Record] = (),
    events: Sequence[Record] = (),
    metrics: Sequence[Record] = (),
    best: Record | None = None,
) -> list[Warning]:
    """The failure modes that a run shows at its end, most serious first.

    Args:
        history: Records of means since the previous record, ascending: "step", "kimg", "d_loss",
            "g_loss", "real_accuracy", "fake_accuracy", "d_gradient_norm", "g_gradient_norm",
            "ada_p"... Missing values are not judged; None is a value that is not finite.
        samples: Records with "step" and the fields of `variety`, ascending.
        events: Records with "step", "event" and "message", in the order they happened.
        metrics: Records with "step" and "metrics", {name: {"value", ...}}, ascending.
        best: {"step", "metric", "value"} of the best evaluation.
    """
    found = [
        _diverged(history, events),
        _exploding(history),
        _collapsed(history, samples),
        _one_side_wins(history),
        _no_learning(history, samples),
        _copying(samples),
        _smeared(history, samples),
        _far_from_real(metrics),
        _ada_at_its_limit(history),
        _past_its_best(metrics, best),
    ]
    return [warning for warning in found if warning]


def too_early(history: Sequence[Record], samples: Sequence[Record] = ()) -> bool:
    """Whether it is too early to call a run without warnings healthy."""
    return _window(history) is None or _young_and_alike(history, samples)


def not_judged(
    history: Sequence[Record], samples: Sequence[Record], metrics: Sequence[Record]
) -> list[str]:
    """Sentences about what the records do not show yet; arguments as in `warnings`."""
    unknown = []
    if _window(history) is None:
        unknown.append(
            f"Losses are judged from {LINES} points of the curves over {STEPS} steps on: these are "
            "fewer."
        )
    if _young_and_alike(history, samples):
        last = _known(samples)[-1]
        unknown.append(
            f"At step {last['step']:,} the sample sheet is nearly one image: "
            f"{_percent(last['duplicates'])} of the samples have a near-duplicate. Networks draw "
            f"such sheets up to about {YOUNG},000 images; from there on it is mode collapse."
        )
    if not _known(samples):
        unknown.append("The variety of the samples has not been measured.")
    if not metrics:
        unknown.append(
            "No metric has been computed, so nothing is said about how good the images are: train "
            "with --evaluate_every, or run python -m trainers.evaluate."
        )
    return unknown


def _known(samples: Sequence[Record]) -> list[Record]:
    """The records that contain the diversity of the samples."""
    return [s for s in samples if _finite(s.get("duplicates")) and _finite(s.get("spread"))]


def _young_and_alike(history: Sequence[Record], samples: Sequence[Record]) -> bool:
    known = _known(samples)
    if not known:
        return False
    alike = known[-1]["duplicates"] - (known[-1].get("duplicates_real") or 0.0) >= ALIKE
    return alike and (_kimg(history, known[-1]["step"]) or 0.0) < YOUNG


def _copying(samples: Sequence[Record]) -> Warning | None:
    known = [s for s in samples if _finite(s.get("copies"))]
    if not known or known[-1]["copies"] - (known[-1].get("copies_real") or 0.0) < COPIED:
        return None
    return Warning(
        "The samples are copies of training images",
        f"At step {known[-1]['step']:,}, {_percent(known[-1]['copies'])} of the samples are nearly "
        f"the same as a training image (of the training images, "
        f"{_percent(known[-1].get('copies_real') or 0.0)} are nearly the same as another one).",
        "A network can memorize a small set. Train on more images, augment them (DiffAugment, "
        "ADA), use a smaller network, or stop earlier. python -m trainers.evaluate "
        "--metrics=nearest --nearest_out=FILE shows each sample next to its nearest images.",
    )


def _smeared(history: Sequence[Record], samples: Sequence[Record]) -> Warning | None:
    drawn = [
        s
        for s in samples[-2:]
        if _finite(s.get("detail")) and (_kimg(history, s["step"]) or 0.0) >= YOUNG
    ]
    if len(drawn) < 2 or max(s["detail"] for s in drawn) >= SMEARED:
        return None
    return Warning(
        "The samples are smeared",
        f"At step {drawn[-1]['step']:,}, neighbouring pixels of the samples differ by "
        f"{_percent(drawn[-1]['detail'])} of what they do in real images.",
        "Train longer if the samples still get sharper. Otherwise a larger network, or a D that "
        "sees more detail (a higher learning rate for D, no blur in the data), helps.",
    )


def _far_from_real(metrics: Sequence[Record]) -> Warning | None:
    scores = [
        (r["step"], r["metrics"]["kid"]["value_x1000"])
        for r in metrics
        if str(r.get("network") or FAR_NETWORK).startswith(FAR_NETWORK)
        and _finite(r.get("metrics", {}).get("kid", {}).get("value_x1000"))
    ]
    if not scores or scores[-1][1] < FAR:
        return None
    step, value = scores[-1]
    falling = len(scores) > 1 and value < 0.8 * scores[-2][1]
    trend = f", and was {scores[-2][1]:,.0f} at step {scores[-2][0]:,}" if len(scores) > 1 else ""
    return Warning(
        "The images are still far from real ones",
        f"KID x 1000 is {value:,.0f} at step {step:,}{trend}. Real images have below 10 against "
        f"others, and about {FAR:,} once they are blurred by .7 pixels.",
        "It is falling: train on."
        if falling
        else "Train on if it falls. If it stays, the architecture, the learning rates or the "
        "augmentation do not fit the images.",
    )


def _diverged(history: Sequence[Record], events: Sequence[Record]) -> Warning | None:
    last = next((e for e in reversed(events) if e.get("event") != "checkpoint_failed"), {})
    # A gradient norm may overflow in float16. That step is skipped, which is harmless.
    broken = (
        [k for k, v in history[-1].items() if v is None and k.endswith("loss")] if history else []
    )
    if last.get("event") == "diverged":
        evidence = str(last.get("message") or f"The run stopped at step {last.get('step')}.")
    elif broken:
        verb = "is" if len(broken) == 1 else "are"
        evidence = f"At step {history[-1]['step']:,}, {' and '.join(broken)} {verb} not finite."
    else:
        return None
    return Warning(
        "The training diverged",
        evidence,
        "The same command resumes from the last checkpoint. If it diverges again, lower the "
        "learning rates to a half or a tenth, or try another seed; with mixed precision, try "
        "without.",
    )


def _exploding(history: Sequence[Record]) -> Warning | None:
    window = _window(history)
    if window is None:
        return None
    signs = []
    early = history[: max(LINES, len(history) // 5)]
    for name in (k for k in window[-1] if _judged(k)):
        before, now = _median(early, name, abs), _median(window, name, abs)
        if before and now is not None and now > 100 * before and now > 10:
            signs.append(f"{_words(name)} grew from {before:.3g} to {now:.3g}")
    g_loss = _median(window, "g_loss")
    if not signs and g_loss is not None and g_loss > 20 and _judged_by_logits(window):
        signs.append(f"G's loss is {g_loss:.3g}, where 0.5 to 5 is usual")
    if not signs:
        return None
    return Warning(
        "The losses run away",
        f"{_over(window)}: {'; '.join(signs)} (medians).",
        "Lower the learning rates, D's first, to a tenth or less, and start afresh or from a "
        "checkpoint before the rise: networks rarely recover. A gradient penalty on D "
        "(R1) holds it too.",
    )


def _collapsed(history: Sequence[Record], samples: Sequence[Record]) -> Warning | None:
    known = _known(samples)
    if len(known) < 2:
        return None
    widest = max(known, key=lambda s: s["spread"])

    def alike(sample: Record) -> bool:
        """Many more duplicates than real images have, or less than half of the largest spread."""
        share = sample["duplicates"] - (sample.get("duplicates_real") or 0.0)
        return share >= ALIKE or sample["spread"] < 0.5 * widest["spread"]

    last = known[-1]
    if not all(alike(sample) for sample in known[-2:]):
        return None
    kimg = _kimg(history, last["step"])
    if widest["spread"] >= VARIED:
        when = f"At step {widest['step']:,} it still was {_percent(widest['spread'])}."
    elif kimg is not None and kimg >= YOUNG and (last.get("contrast") or 0.0) >= BLANK:
        when = f"It has never been above {_percent(widest['spread'])}, in {kimg:,.0f}k images."
    else:
        return None
    return Warning(
        "Collapse: G draws the same few images again and again",
        f"At step {last['step']:,}, {_percent(last['duplicates'])} of the samples have a "
        f"near-duplicate among the others (of real images: "
        f"{_percent(last.get('duplicates_real') or 0.0)}). The distance between samples is "
        f"{_percent(last['spread'])} of that between real images. {when}",
        "Go back to a checkpoint from before. Then let D keep up with G: a lower learning rate for "
        "G, or a higher one for D. Larger batches and a minibatch standard deviation layer in D "
        "help as well; with few training images, augment them (DiffAugment, ADA).",
    )


def _one_side_wins(history: Sequence[Record]) -> Warning | None:
    window = _window(history)
    if window is None or not _judged_by_logits(window):
        return None
    real, fake = _median(window, "real_accuracy"), _median(window, "fake_accuracy")
    d_loss, g_loss = _median(window, "d_loss"), _median(window, "g_loss")
    seen = (
        f"{_over(window)}, D judges {_percent(real)} of the real and {_percent(fake)} of the "
        f"generated images correctly; its loss is {d_loss:.3g}, G's {g_loss:.3g} (medians)."
    )
    if min(real, fake) >= 0.98 and abs(d_loss) <= 0.1:
        return Warning(
            "D wins outright: G has nothing to learn from",
            seen,
            "Give D a lower learning rate, or G a higher one; check that G's is not 0. Noise or "
            "augmentation on D's images (DiffAugment, ADA) or a gradient penalty (R1) makes its "
            "task harder. More training images help where D has memorized them.",
        )
    if fake <= 0.05 and g_loss <= 0.4:
        return Warning(
            "G wins outright: D cannot tell what it draws",
            seen,
            "D's judgement is worth little now, and G may draw anything. Give D a higher learning "
            "rate, or G a lower one; check that D's is not 0.",
        )
    return None


def _no_learning(history: Sequence[Record], samples: Sequence[Record]) -> Warning | None:
    signs = []
    drawn = [
        s
        for s in samples[-2:]
        if _finite(s.get("contrast")) and (_kimg(history, s["step"]) or 0.0) >= BEGUN
    ]
    if len(drawn) == 2 and max(s["contrast"] for s in drawn) < BLANK:
        signs.append(
            f"At step {drawn[-1]['step']:,} the samples are still almost blank: their contrast is "
            f"{_percent(drawn[-1]['contrast'])} of that of real images."
        )
    # Balanced training has flat losses too, but then the samples are diverse.
    good = any((s.get("spread") or 0.0) >= VARIED for s in samples)
    levels = [_level(history, name) for name in ("d_loss", "g_loss")]
    if _window(history) is not None and all(levels) and not good:
        signs.append(
            f"From step {history[0]['step']:,} to {history[-1]['step']:,} the losses have stayed "
            f"within 5 %: {' and '.join(level for level in levels if level)}."
        )
    if not signs:
        return None
    return Warning(
        "Nothing is learned",
        " ".join(signs),
        "Check the learning rates: 0 or far too low (2e-4 is usual for Adam) gives this. Check "
        "that both networks are trainable and that the images arrive in [-1, 1].",
    )


def _level(history: Sequence[Record], name: str) -> str | None:
    """The level of a loss that was constant throughout a run; None if it changed."""
    values = [r[name] for r in history if _finite(r.get(name))]
    if len(values) < LINES:
        return None
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{_words(name)} at {middle:.3g}" if high - low < 0.05 * abs(middle) else None


def _ada_at_its_limit(history: Sequence[Record]) -> Warning | None:
    window = _window([r for r in history if _finite(r.get("ada_p"))])
    if window is None or min(r["ada_p"] for r in window) < ADA_LIMIT:
        return None
    return Warning(
        "ADA is at its limit: D still memorizes the images",
        f"{_over(window)}, the augmentation strength p is {window[-1]['ada_p']:.2f} at the end and "
        f"never below {min(r['ada_p'] for r in window):.2f}; from 1 on, every image is augmented.",
        "The augmentations begin to show in the samples from there. More training images are the "
        "cure (mirrored ones count); else a smaller D, a stronger R1, or an earlier checkpoint.",
    )


def _past_its_best(metrics: Sequence[Record], best: Record | None) -> Warning | None:
    name = _watched(metrics, best)
    if name is None:
        return None
    scores = [
        (r["step"], r["metrics"][name])
        for r in metrics
        if name in r.get("metrics", {}) and _finite(r["metrics"][name].get("value"))
    ]
    if len(scores) < 3:
        return None
    choose: Callable[..., Any] = min if better(name) == "lower" else max
    best_step, best_score = choose(scores, key=lambda score: score[1]["value"])
    step, score = scores[-1]
    if step - best_step < 0.3 * step:
        return None
    worse = abs(score["value"] - best_score["value"])
    errors = [s.get("standard_error_x1000") for s in (score, best_score)]
    noise = 3 * sum((e / 1000) ** 2 for e in errors) ** 0.5 if all(map(_finite, errors)) else 0.0
    if worse < max(0.1 * abs(best_score["value"]), noise) or worse == 0:
        return None
    label = score.get("name", name)
    return Warning(
        "The best score is long past",
        f"{label} was best at step {best_step:,} ({best_score['value']:.4g}) and is "
        f"{score['value']:.4g} at step {step:,}; {better(name)} is better.",
        f"Use the checkpoint of step {best_step:,}. Going on as before is unlikely to help: a "
        "lower learning rate from there, more images or augmentation may.",
    )


# ---- helpers


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) < math.inf


def _judged(name: str) -> bool:
    return name.endswith(("loss", "_gradient_norm"))


def _median(
    records: Sequence[Record], name: str, change: Callable[[float], float] = float
) -> float | None:
    values = [change(r[name]) for r in records if _finite(r.get(name))]
    return statistics.median(values) if values else None


def _window(history: Sequence[Record]) -> Sequence[Record] | None:
    """The last `WINDOW` of a run, if it has enough lines over enough steps; else None."""
    if not history:
        return None
    since = (1 - WINDOW) * history[-1]["step"]
    count = max(LINES, sum(r["step"] > since for r in history))
    while count < len(history) and history[-1]["step"] - history[-count]["step"] < STEPS:
        count += 1
    window = history[-count:]
    enough = len(window) >= LINES and window[-1]["step"] - window[0]["step"] >= STEPS
    return window if enough else None


def _judged_by_logits(window: Sequence[Record]) -> bool:
    """Whether D classifies real and fake and G learns only from D.

    A critic (WGAN) has no accuracy. If G also learns from pairs (pix2pix, SRGAN), its loss has no
    usual range, and G learns even if D wins.
    """
    needed = ("real_accuracy", "fake_accuracy", "d_loss", "g_loss")
    others = {k for r in window for k in r if k.endswith("_loss")} - {"d_loss", "g_loss"}
    return not others and all(_median(window, name) is not None for name in needed)


def _watched(metrics: Sequence[Record], best: Record | None) -> str | None:
    """Key of the metric that `best` names, else of the first metric with a known direction."""
    entries = {key: entry for r in metrics for key, entry in r.get("metrics", {}).items()}
    wanted = (best or {}).get("metric")
    named = [k for k, e in entries.items() if wanted is not None and wanted in (k, e.get("name"))]
    return next((key for key in [*named, *entries] if better(key)), None)


def _kimg(history: Sequence[Record], step: int) -> float | None:
    """Thousands of real images shown up to a step."""
    shown = [r["kimg"] for r in history if r["step"] <= step and _finite(r.get("kimg"))]
    return shown[-1] if shown else None


def _words(name: str) -> str:
    who, _, what = name.partition("_")
    if who in ("d", "g") and what:
        return f"{who.upper()}'s {what.replace('_', ' ')}"
    return name.replace("_", " ")


def _over(window: Sequence[Record]) -> str:
    return f"From step {window[0]['step']:,} to {window[-1]['step']:,}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
