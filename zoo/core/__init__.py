"""What families share: how a GAN trains, is saved, loaded and asked for images."""
