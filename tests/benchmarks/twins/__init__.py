"""Families trained in PyTorch as here, for comparison: the same networks, step and optimizers.

Each module has, of our side:

    build() -> the compiled model
    reference(gan, real) -> {name: array}: weights, inputs, outputs and first gradients, to be met
    BATCH, SIZE, CHANNELS, CYCLE: the step's batch, the images, and after how many steps they repeat

and of PyTorch's:

    check(reference, real) -> the largest difference of outputs and gradients, below TOLERANCE
    Twin(layout, batch).step(real): one step, real [N, C, H, W] in that memory format
"""
