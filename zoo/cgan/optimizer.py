"""The optimizer of the conditional GAN's experiment (Mirza & Osindero 2014, section 4.1)."""

import math

import keras

from zoo.nn.goodfellow_sgd import GoodfellowSGD


@keras.saving.register_keras_serializable("gan_zoo")
class MirzaSGD(GoodfellowSGD):
    """The first GAN's, with a rate that falls faster: max(.1 / 1.00004^t, 1e-6) after t updates.

    Of the momentum the paper says "initial value of .5 which was increased up to 0.7": here as in
    the first GAN's code, an epoch being 600 updates.
    """

    decay = math.log1p(4e-5)
    updates_an_epoch = 600  # 60,000 images in batches of 100
