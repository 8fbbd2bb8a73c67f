"""Makes mobilenet_v2_reference.npz: the features that PyTorch computes, for the test beside it.

    python tests/trainers/metrics/make_mobilenet_v2_reference.py CHECKPOINT SAMPLES

CHECKPOINT is the file that trainers/maintainers/convert_networks.py reads; SAMPLES is
trainers/data/samples/fashion_mnist.npz. It shares no code with the Keras network: torch's own
operations run straight off the checkpoint, resize and normalisation included. `*_features` come
from the checkpoint's full float32; `*_features_float16` from the same checkpoint with its kernels
rounded to float16, which is what the project bundles.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

TARGET = Path(__file__).with_name("mobilenet_v2_reference.npz")
STRIDE_2 = {2, 4, 7, 14}  # indices of torchvision's `features` that halve the image
RESIDUAL = {3, 5, 6, 8, 9, 10, 12, 13, 15, 16}  # ... and those that add their input


def conv_norm(state, x, conv, norm, *, stride=1, activation=True):
    """Convolution, batch norm, ReLU6, from the entries `conv` and `norm` of the state dict."""
    weight = state[f"{conv}.weight"]
    groups = x.shape[1] // weight.shape[1]
    padding = weight.shape[-1] // 2
    x = functional.conv2d(x, weight, stride=stride, padding=padding, groups=groups)
    mean, variance = state[f"{norm}.running_mean"], state[f"{norm}.running_var"]
    gamma, beta = state[f"{norm}.weight"], state[f"{norm}.bias"]
    x = functional.batch_norm(x, mean, variance, gamma, beta, training=False, eps=1e-5)
    return functional.relu6(x) if activation else x


def features(state, images):
    """uint8 [N, H, W, C] -> features float32 [N, 1280], seen at 64 x 64."""
    x = torch.from_numpy(images).permute(0, 3, 1, 2)
    if x.shape[-1] != 64:  # on uint8, antialiased, torch resizes as Pillow does
        x = functional.interpolate(x, (64, 64), mode="bilinear", antialias=True)
    x = x.expand(-1, 3, -1, -1).float() / 255
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = (x - mean[:, None, None]) / std[:, None, None]

    x = conv_norm(state, x, "features.0.0", "features.0.1", stride=2)
    for i in range(1, 18):
        name, y = f"features.{i}.conv", x
        part = 0
        if i > 1:
            y = conv_norm(state, y, f"{name}.0.0", f"{name}.0.1")
            part = 1
        stride = 2 if i in STRIDE_2 else 1
        y = conv_norm(state, y, f"{name}.{part}.0", f"{name}.{part}.1", stride=stride)
        y = conv_norm(state, y, f"{name}.{part + 1}", f"{name}.{part + 2}", activation=False)
        x = x + y if i in RESIDUAL else y
    x = conv_norm(state, x, "features.18.0", "features.18.1")
    return x.mean(dim=(2, 3)).numpy()


def main() -> None:
    """Writes the images and their features beside this file."""
    checkpoint, samples = sys.argv[1:]
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    with np.load(samples, allow_pickle=False) as arrays:
        grey = arrays["images"][:3].reshape(3, 28, 28, 1)
    # Colour, at the network's own size: blocks with some grain.
    rng = np.random.default_rng(0)
    blocks = rng.uniform(0, 255, (2, 8, 8, 3)).repeat(8, axis=1).repeat(8, axis=2)
    colour = np.clip(blocks + rng.normal(0, 20, blocks.shape), 0, 255).astype(np.uint8)
    rounded = {key: x.half().float() if x.ndim == 4 else x for key, x in state.items()}
    np.savez_compressed(
        TARGET,
        grey=grey,
        grey_features=features(state, grey),
        grey_features_float16=features(rounded, grey),
        colour=colour,
        colour_features=features(state, colour),
        colour_features_float16=features(rounded, colour),
    )
    print(f"wrote {TARGET}, {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
