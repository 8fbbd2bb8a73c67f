"""What a logit of PatchGAN sees: computed from the built layers, and by its gradient."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.cyclegan import networks as cyclegan
from zoo.nn import patchgan
from zoo.pix2pix import networks as pix2pix


def built(patch: int, size: int) -> list[keras.Model]:
    return [
        pix2pix.discriminator(size, 3, 3, 2, patch),
        cyclegan.critic(size, 3, 2, patch, "discriminator_a"),
    ]


@pytest.mark.parametrize("patch", patchgan.PATCHES)
def test_the_receptive_field_is_the_patch(patch: int) -> None:
    for network in built(patch, 128):
        convolutions = [
            (layer.kernel_size[0], layer.strides[0])
            for layer in network.layers
            if isinstance(layer, keras.layers.Conv2D)
        ]
        assert patchgan.receptive_field(convolutions) == patch
        assert network.output_shape[-1] == 1


@pytest.mark.parametrize("patch", [1, 16, 34, 70])
def test_a_logit_sees_a_patch_of_pixels(patch: int) -> None:
    """Of the layers without their norm, which looks at the whole image."""

    def convolution(count: int, kernel: int, stride: int, use_bias: bool) -> keras.layers.Layer:
        return keras.layers.Conv2D(count, kernel, stride, kernel_initializer="ones")

    layers = patchgan.patch_layers(patch, 1, convolution, keras.layers.Identity, bias=True)
    network = keras.Sequential([keras.Input((128, 128, 1)), *layers])
    images = tf.ones((1, 128, 128, 1))
    with tf.GradientTape() as tape:
        tape.watch(images)
        logits = network(images)
        middle = logits[0, logits.shape[1] // 2, logits.shape[2] // 2, 0]
    seen = tape.gradient(middle, images)[0, :, :, 0].numpy() != 0
    assert seen.sum() == patch**2
    assert seen.any(axis=0).sum() == seen.any(axis=1).sum() == patch


@pytest.mark.parametrize("patch", [16, 34, 70, 142])
def test_the_smallest_image_has_a_logit(patch: int) -> None:
    smallest = patchgan.smallest_image(patch)
    for network in built(patch, smallest):
        assert network.output_shape[1:] == (1, 1, 1)
    patchgan.check_patch(patch, smallest)
    with pytest.raises(ValueError, match=f"patch={patch} needs images of {smallest} px .* Rec"):
        patchgan.check_patch(patch, smallest - 1)


def test_other_patches() -> None:
    with pytest.raises(ValueError, match="patch must be one of 1, 16, 34, 70, 142, 286. Rec.* 64"):
        patchgan.check_patch(64, 256)


def test_counts_are_the_references() -> None:
    def parameters(network: keras.Model) -> int:
        return sum(int(np.prod(v.shape)) for v in network.trainable_variables)

    assert parameters(pix2pix.discriminator(256, 3, 3, 64, 70)) == 2_768_705
    assert parameters(cyclegan.critic(256, 3, 64, 70, "discriminator_a")) == 2_764_737
    # Three convolutions of 1x1, from both images: 6 -> 64 -> 128 (and its norm) -> 1.
    assert parameters(pix2pix.discriminator(16, 3, 3, 64, 1)) == 7 * 64 + 64 * 128 + 256 + 128
