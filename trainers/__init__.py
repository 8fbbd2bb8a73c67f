"""How a GAN is trained and measured."""
