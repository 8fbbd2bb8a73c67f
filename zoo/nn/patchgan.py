"""PatchGAN, the discriminator that Pix2Pix and CycleGAN share: is each patch real?

(Isola et al. 2017, section 3.2.2 and appendix 6.1.2.) Its logits [N, h, w, 1] are one for each
patch, whose side is the receptive field of a logit.
"""

from collections.abc import Callable, Sequence

from keras import layers

# Side of a patch -> 4x4 convolutions of stride 2 before the last two of stride 1.
STRIDED = {16: 1, 34: 2, 70: 3, 142: 4, 286: 5}
# 1: three 1x1 convolutions, which see one pixel each.
PATCHES = (1, *STRIDED)

Convolution = Callable[..., layers.Layer]
Normalise = Callable[[], layers.Layer]


def patch_layers(
    patch: int, width: int, convolution: Convolution, normalise: Normalise, bias: bool
) -> list[layers.Layer]:
    """C64-C128-C256-C512-1 for patches of 70: LeakyReLU .2, no normalisation in the first.

    Args:
        patch: Side of a patch, one of `PATCHES`.
        width: Features of the first layer; they double up to 8 times that.
        convolution: (features, kernel, stride, bias) -> a layer without padding.
        normalise: Creates a normalisation layer.
        bias: Whether convolutions before a normalisation have one.
    """
    if patch == 1:
        return [
            convolution(width, 1, 1, True),
            layers.LeakyReLU(0.2),
            convolution(2 * width, 1, 1, bias),
            normalise(),
            layers.LeakyReLU(0.2),
            convolution(1, 1, 1, bias),
        ]
    strided = STRIDED[patch]
    network = [layers.ZeroPadding2D(1), convolution(width, 4, 2, True), layers.LeakyReLU(0.2)]
    for i in range(1, strided + 1):
        network += [
            layers.ZeroPadding2D(1),
            convolution(width * min(2**i, 8), 4, 2 if i < strided else 1, bias),
            normalise(),
            layers.LeakyReLU(0.2),
        ]
    return [*network, layers.ZeroPadding2D(1), convolution(1, 4, 1, True)]


def check_patch(patch: int, resolution: int) -> None:
    """Raises ValueError for a side that is not in `PATCHES`, or too large for the images."""
    if patch not in PATCHES:
        raise ValueError(f"patch must be one of {', '.join(map(str, PATCHES))}. Received: {patch}.")
    if resolution < smallest_image(patch):
        raise ValueError(
            f"patch={patch} needs images of {smallest_image(patch)} px at least: choose a smaller "
            f"patch. Received: resolution={resolution}."
        )


def receptive_field(convolutions: Sequence[tuple[int, int]]) -> int:
    """Side of one output's receptive field, in pixels, for convolutions of (kernel, stride)."""
    side = 1
    for kernel, stride in reversed(convolutions):
        side = (side - 1) * stride + kernel
    return side


def smallest_image(patch: int) -> int:
    """The smallest side of an image that gives a logit."""
    if patch == 1:
        return 1
    # Each strided convolution halves the size; the last two reduce it by one pixel each.
    return 3 * 2 ** STRIDED[patch]
