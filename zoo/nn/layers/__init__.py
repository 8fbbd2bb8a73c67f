"""Layers that two or more papers use identically."""

from zoo.nn.fast.image_convolution import ImageConv2D
from zoo.nn.fast.labelled import LabelledConv2D, LabelledConv2DTranspose
from zoo.nn.fast.strided import Conv2D, Conv2DTranspose
from zoo.nn.layers.batch_normalization import BatchNormalization
from zoo.nn.layers.conditional_batch_normalization import (
    ConditionalBatchNormalization,
    StandingBatchNormalization,
    batch_statistics,
)
from zoo.nn.layers.equalized import EqualizedConv2D, EqualizedDense
from zoo.nn.layers.fir import (
    DownsamplingConv2D,
    FIRDownsampling2D,
    FIRUpsampling2D,
    fir_blur,
    fir_downsample,
    fir_upsample,
)
from zoo.nn.layers.grouped import GroupedConv2D
from zoo.nn.layers.instance_norm import InstanceNormalization
from zoo.nn.layers.maxout import Maxout
from zoo.nn.layers.minibatch_std import MinibatchStd
from zoo.nn.layers.modulated import ModulatedConv2D
from zoo.nn.layers.noise import Noise, without_noise
from zoo.nn.layers.one_hot import OneHot
from zoo.nn.layers.orthogonal import Orthogonal
from zoo.nn.layers.per_image import PerImageBatchNormalization
from zoo.nn.layers.pixel_norm import PixelNorm
from zoo.nn.layers.pixel_shuffle import PixelShuffle
from zoo.nn.layers.random import Dropout, NoiseDropout, next_seed, random_draws
from zoo.nn.layers.reflection import ReflectionPadding2D
from zoo.nn.layers.self_attention import SelfAttention
from zoo.nn.layers.spectral_norm import SpectralNormConv2D, SpectralNormDense
from zoo.nn.layers.up_sampling import UpSampling2D

__all__ = [
    "BatchNormalization",
    "ConditionalBatchNormalization",
    "Conv2D",
    "Conv2DTranspose",
    "DownsamplingConv2D",
    "Dropout",
    "EqualizedConv2D",
    "EqualizedDense",
    "FIRDownsampling2D",
    "FIRUpsampling2D",
    "GroupedConv2D",
    "ImageConv2D",
    "InstanceNormalization",
    "LabelledConv2D",
    "LabelledConv2DTranspose",
    "Maxout",
    "MinibatchStd",
    "ModulatedConv2D",
    "Noise",
    "NoiseDropout",
    "OneHot",
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
