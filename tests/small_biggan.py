"""BigGAN at 8 and 16 px, for the tests: a block or two in G, where the paper begins with three."""

from zoo.biggan import networks

networks.GENERATOR = {8: (4, 4), 16: (4, 4, 4)} | networks.GENERATOR
networks.DISCRIMINATOR = {8: ((4, 4), 1), 16: ((4, 4, 4), 2)} | networks.DISCRIMINATOR
