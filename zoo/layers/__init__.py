"""Layers that two or more papers use identically."""

from zoo.layers.batch_normalization import BatchNormalization
from zoo.layers.conditional_batch_normalization import (
    ConditionalBatchNormalization,
    StandingBatchNormalization,
    batch_statistics,
)
from zoo.layers.equalized import EqualizedConv2D, EqualizedDense
from zoo.layers.fir import (
    DownsamplingConv2D,
    FIRDownsampling2D,
    FIRUpsampling2D,
    fir_blur,
    fir_downsample,
    fir_upsample,
)
from zoo.layers.image_convolution import ImageConv2D
from zoo.layers.instance_norm import InstanceNormalization
from zoo.layers.maxout import Maxout
from zoo.layers.minibatch_std import MinibatchStd
from zoo.layers.modulated import ModulatedConv2D
from zoo.layers.noise import Noise, without_noise
from zoo.layers.orthogonal import Orthogonal
from zoo.layers.per_image import PerImageBatchNormalization
from zoo.layers.pixel_norm import PixelNorm
from zoo.layers.pixel_shuffle import PixelShuffle
from zoo.layers.random import Dropout, NoiseDropout, next_seed, random_draws
from zoo.layers.reflection import ReflectionPadding2D
from zoo.layers.self_attention import SelfAttention
from zoo.layers.spectral_norm import SpectralNormConv2D, SpectralNormDense
from zoo.layers.up_sampling import UpSampling2D

__all__ = [
    "BatchNormalization",
    "ConditionalBatchNormalization",
    "DownsamplingConv2D",
    "Dropout",
    "EqualizedConv2D",
    "EqualizedDense",
    "FIRDownsampling2D",
    "FIRUpsampling2D",
    "ImageConv2D",
    "InstanceNormalization",
    "Maxout",
    "MinibatchStd",
    "ModulatedConv2D",
    "Noise",
    "NoiseDropout",
    "Orthogonal",
    "PerImageBatchNormalization",
    "PixelNorm",
    "PixelShuffle",
    "ReflectionPadding2D",
    "SelfAttention",
    "SpectralNormConv2D",
    "SpectralNormDense",
    "StandingBatchNormalization",
    "UpSampling2D",
    "batch_statistics",
    "fir_blur",
    "fir_downsample",
    "fir_upsample",
    "next_seed",
    "random_draws",
    "without_noise",
]
