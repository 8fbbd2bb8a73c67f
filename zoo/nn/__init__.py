"""Building blocks of networks and training: losses, regularizers, augmentation, layers."""
