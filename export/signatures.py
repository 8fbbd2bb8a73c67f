"""What each kind of GAN offers to a client.

Every input has a leading N, so that requests can be batched, and none is optional: the client
fills in defaults. Invalid values are refused in the graph, with a one-line message.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import tensorflow as tf

from export import codecs
from zoo import GAN
from zoo.core import checks
from zoo.core.image_to_image import ImageToImage
from zoo.core.noise_to_image import with_condition
from zoo.pictures import images as image_io
from zoo.pictures.marks import Mark

Signature: TypeAlias = tf.types.experimental.PolymorphicFunction  # what tf.function returns

TRUNCATION_RULE = "truncation must be at least 0, or NaN for none."


def noise_to_image(gan: GAN, mark: Mark) -> dict[str, Signature]:
    """Signatures of a GAN that draws images from latents; `mark` is what its PNG files say.

    serving_default: latents f32 [N, z] -> images f32 [N, H, W, C] in [-1, 1]
    generate:        seed i64 [N]       -> images
    generate_png:    seed i64 [N]       -> image_bytes string [N], each a PNG
    discriminate:    images             -> probability f32 [N] of being real, or D's score;
                     a generator alone has none

    For a conditional model each also takes the condition: labels i32 [N] or embeddings f32 [N, d].
    With a seed, a label of -1 or a row of NaN is drawn from it. For a model with truncation, those
    with a seed take truncation f32 [N], NaN for none. A GAN with styles has those of `_styles` too.
    """
    latents = tf.TensorSpec([None, gan.latent_dim], tf.float32, name="latents")
    seed = _seed()
    images = tf.TensorSpec([None, *gan.image_shape], tf.float32, name="images")
    condition = _condition(gan)
    drawing = [seed, *condition, *_truncation(gan)]

    def serving_default(latents: tf.Tensor, **given: tf.Tensor) -> dict[str, Any]:
        return {"images": gan(with_condition(latents, _checked_condition(gan, given)))}

    def drawn(
        seed: tf.Tensor, truncation: tf.Tensor | None = None, **given: tf.Tensor
    ) -> tf.Tensor:
        condition = _checked_condition(gan, given, seeded=True)
        return gan.images_from_seeds(seed, condition, _checked_truncation(truncation))

    def generate(**given: tf.Tensor) -> dict[str, Any]:
        return {"images": drawn(**given)}

    def generate_png(**given: tf.Tensor) -> dict[str, Any]:
        files = _encode_png(image_io.to_uint8(drawn(**given)))
        return {"image_bytes": codecs.marked(files, mark)}

    def discriminate(images: tf.Tensor, **given: tf.Tensor) -> dict[str, Any]:
        return {gan.discriminator_output: gan.judge(images, _checked_condition(gan, given))}

    return {
        "serving_default": signature(serving_default, latents, *condition),
        "generate": signature(generate, *drawing),
        "generate_png": signature(generate_png, *drawing),
        **({"discriminate": signature(discriminate, images, *condition)} if gan.judges else {}),
        **(_styles(gan) if has_styles(gan) else {}),
    }


def image_to_image(gan: ImageToImage, mark: Mark) -> dict[str, Signature]:
    """Signatures of an image-to-image GAN, for images of any size up to `codecs.MAX_PIXELS`.

    `mark` is what its PNG files say of their origin.

    serving_default: images f32 [N, H, W, C] in [-1, 1] -> images f32 [N, scale H, scale W, C']
    translate_png:   image_bytes string [N], each a PNG or a JPEG of a size of its own
                     -> image_bytes string [N], each a PNG; upscale_png if the GAN enlarges

    For a GAN with directions, these are those of the first direction, and each direction also has
    signatures of its own, such as `a_to_b` and `a_to_b_png`. A transparent picture is laid on
    white, and its output gets its alpha, unless alpha is an input of the model. A GAN whose images
    do not have the channels of pictures has no `_png`: see `has_pictures`.

    For a GAN whose source is a map of classes, each row is made from it and from a seed i64 [N]:

    paint:           label_map u8 [N, H, W], seed -> images; serving_default is the same
    paint_png:       image_bytes, each a PNG of 8-bit grey whose values are the classes, seed
                     -> image_bytes

    Rows go through the generator one at a time: they may differ in size, memory is that of one
    picture, and a result is the same to the bit, whatever else is in the batch. One refused row
    fails its whole request.
    """
    if gan.task == "paint":
        paint = _painting(gan)
        signatures = {"serving_default": paint, "paint": paint}
        return signatures | (
            {task_png(gan): _file_painting(gan, mark)} if has_pictures(gan) else {}
        )
    names = gan.directions or (None,)
    whole = {name: _translation(gan, name) for name in names}
    signatures = {"serving_default": whole[names[0]]}
    signatures |= {name: whole[name] for name in gan.directions}
    if has_pictures(gan):
        files = {name: _file_translation(gan, name, mark) for name in names}
        signatures[task_png(gan)] = files[names[0]]
        signatures |= {f"{name}_png": files[name] for name in gan.directions}
    return signatures


def has_pictures(gan: ImageToImage) -> bool:
    """Whether a GAN's images can be read from picture files and written to them."""
    channels = [gan.channels_of(direction) for direction in gan.directions or (None,)]
    return all(source in (1, 3, 4) and made in (1, 3) for source, made in channels)


def task_png(gan: ImageToImage) -> str:
    """Name of the signature that takes and returns files."""
    return f"{gan.task}_png"


def _translation(gan: ImageToImage, direction: str | None) -> Signature:
    channels, channels_made = gan.channels_of(direction)

    def translate(images: tf.Tensor) -> dict[str, Any]:
        size = tf.shape(images)
        fits = codecs.check_size(size[1], size[2], gan.scale)
        with tf.control_dependencies([codecs.check_rows(images), fits]):
            images = tf.identity(images)
        # Not ~(... <= ...): TensorFlow's graph optimizer turns that into >, which lets NaN pass.
        outside = tf.math.is_nan(images) | (tf.abs(images) > checks.LARGEST)
        images = checks.refuse(tf.boolean_mask(images, outside), checks.RANGE_RULE, images)
        made = tf.map_fn(
            lambda image: gan.made_from(image[None], direction=direction)[0],
            images,
            parallel_iterations=1,
            fn_output_signature=tf.TensorSpec([None, None, channels_made], tf.float32),
        )
        return {"images": made}

    return signature(translate, tf.TensorSpec([None, None, None, channels], tf.float32, "images"))


def _file_translation(gan: ImageToImage, direction: str | None, mark: Mark) -> Signature:
    channels, _ = gan.channels_of(direction)

    def one(data: tf.Tensor) -> tf.Tensor:
        source, pixels, has_alpha = codecs.decode(data, channels, gan.scale)
        made = gan.made_from(image_io.from_uint8(source)[None], direction=direction)[0]
        # Alpha that is an input of the model is not copied.
        has_alpha &= channels != 4
        return codecs.encode(image_io.to_uint8(made), pixels, has_alpha)

    def translate_png(image_bytes: tf.Tensor) -> dict[str, Any]:
        files = tf.map_fn(
            one,
            image_bytes,
            parallel_iterations=1,
            fn_output_signature=tf.TensorSpec([], tf.string),
        )
        return {"image_bytes": codecs.marked(files, mark)}

    return signature(translate_png, tf.TensorSpec([None], tf.string, name="image_bytes"))


def _painting(gan: ImageToImage) -> Signature:
    def paint(label_map: tf.Tensor, seed: tf.Tensor) -> dict[str, Any]:
        size = tf.shape(label_map)
        fits = codecs.check_size(size[1], size[2], gan.scale)
        with tf.control_dependencies([codecs.check_rows(label_map), fits]):
            label_map = gan.source.check_request(label_map)
        made = tf.map_fn(
            lambda row: _painted(gan, *row),
            (label_map, seed),
            parallel_iterations=1,
            fn_output_signature=tf.TensorSpec([None, None, gan.image_shape[2]], tf.float32),
        )
        return {"images": made}

    return signature(paint, gan.source.given_spec, _seed())


def _file_painting(gan: ImageToImage, mark: Mark) -> Signature:
    def one(row: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        data, seed = row
        label_map = gan.source.check_request(codecs.decode_map(data, gan.scale))
        return tf.io.encode_png(image_io.to_uint8(_painted(gan, label_map, seed)))

    def paint_png(image_bytes: tf.Tensor, seed: tf.Tensor) -> dict[str, Any]:
        files = tf.map_fn(
            one,
            (image_bytes, seed),
            parallel_iterations=1,
            fn_output_signature=tf.TensorSpec([], tf.string),
        )
        return {"image_bytes": codecs.marked(files, mark)}

    return signature(paint_png, tf.TensorSpec([None], tf.string, name="image_bytes"), _seed())


def _seed() -> tf.TensorSpec:
    return tf.TensorSpec([None], tf.int64, name="seed")


def _painted(gan: ImageToImage, label_map: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """uint8 [H, W] and int64 scalar -> f32 [H, W, C], as `gan.paint` makes it."""
    given = gan.source.from_uint8(label_map)[None]
    return gan.made_from(given, tf.stack([seed, 0]))[0]


def has_styles(gan: GAN) -> bool:
    """Whether there is a w between latents and images, as in the StyleGANs."""
    return hasattr(gan, "map_latents")


def _styles(gan: GAN) -> dict[str, Signature]:
    """Signatures of a GAN with styles, L for each image.

    map:        latents (+ labels) (+ truncation)             -> w f32 [N, L, w]
    synthesize: w                                             -> images
    mix:        seed_a, seed_b i64 [N], cutoff i32 [N] (+ labels) -> images: the styles of seed_b
                from layer `cutoff` on; a label of -1 is drawn from seed_a
    """
    latents = tf.TensorSpec([None, gan.latent_dim], tf.float32, name="latents")
    cutoff = tf.TensorSpec([None], tf.int32, name="cutoff")
    seeds = [tf.TensorSpec([None], tf.int64, name=name) for name in ("seed_a", "seed_b")]

    def mapped(
        latents: tf.Tensor, truncation: tf.Tensor | None = None, **given: tf.Tensor
    ) -> dict[str, Any]:
        condition = _checked_condition(gan, given)
        return {"w": gan.map_latents(latents, condition, _checked_truncation(truncation))}

    map_ = signature(mapped, latents, *_condition(gan), *_truncation(gan))
    count, size = map_.get_concrete_function().structured_outputs["w"].shape[1:]
    w = tf.TensorSpec([None, count, size], tf.float32, name="w")

    def synthesize(w: tf.Tensor) -> dict[str, Any]:
        return {"images": gan.synthesize_w(w)}

    def mix(
        seed_a: tf.Tensor, seed_b: tf.Tensor, cutoff: tf.Tensor, **given: tf.Tensor
    ) -> dict[str, Any]:
        cutoff = _in_range(
            cutoff, 0, count, f"cutoff must be from 0 to {count}, the number of styles."
        )
        condition = gan.fill_condition(_checked_condition(gan, given, seeded=True), seed_a)
        return {"images": gan.mix_seeds(seed_a, seed_b, cutoff, condition)}

    return {
        "map": map_,
        "synthesize": signature(synthesize, w),
        "mix": signature(mix, *seeds, cutoff, *_condition(gan)),
    }


def signature(function: Callable[..., dict[str, Any]], *inputs: tf.TensorSpec) -> Signature:
    """A `tf.function` that passes its inputs to `function` by name."""
    names = [spec.name for spec in inputs]

    def by_name(*tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        return function(**dict(zip(names, tensors, strict=True)))

    return tf.function(by_name, input_signature=list(inputs), autograph=False)


def _condition(gan: GAN) -> list[tf.TensorSpec]:
    return [] if gan.condition is None else [gan.condition.spec]


def _truncation(gan: GAN) -> list[tf.TensorSpec]:
    return [tf.TensorSpec([None], tf.float32, name="truncation")] if gan.truncates else []


def _checked_condition(
    gan: GAN, given: dict[str, tf.Tensor], *, seeded: bool = False
) -> tf.Tensor | None:
    """The model's condition among the inputs of a signature; None of a model without."""
    if gan.condition is None:
        return None
    return gan.condition.check_request(given[gan.condition.argument], seeded=seeded)


def _checked_truncation(truncation: tf.Tensor | None) -> tf.Tensor | None:
    if truncation is None:
        return None
    return checks.refuse(tf.boolean_mask(truncation, truncation < 0.0), TRUNCATION_RULE, truncation)


def _in_range(values: tf.Tensor, least: int, most: int, rule: str) -> tf.Tensor:
    return checks.refuse(tf.boolean_mask(values, (values < least) | (values > most)), rule, values)


def _encode_png(images: tf.Tensor) -> tf.Tensor:
    """uint8 [N, H, W, C] -> string [N]."""
    return tf.map_fn(tf.io.encode_png, images, fn_output_signature=tf.TensorSpec([], tf.string))
