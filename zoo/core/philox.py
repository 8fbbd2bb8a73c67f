"""TensorFlow's `stateless_normal` and `stateless_uniform` (alg="philox"), without TensorFlow.

A seed then draws the same latents in every runtime. The functions are written with operators that
NumPy arrays and TensorFlow tensors share, so that `export` can also
put them into a graph. Seeds are int64 [N]: row i depends on seed i alone. Words of 32 bits are kept
in uint64, which holds their products.

Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3" (Philox 4x32-10).
"""

from typing import Any

import numpy as np

# Multipliers and Weyl constants of Philox 4x32 (table 2 and section 3.3), and the key by which
# TensorFlow scrambles a seed.
MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
WEYL = 0x9E3779B9, 0xBB67AE85
SCRAMBLE = 0x3EC8F720, 0x02461E29
ROUNDS = 10
WORD = 1 << 32
MANTISSA = 1 << 23


def normal(seeds: Any, stream: int, count: int, xp: Any = np) -> Any:
    """f32 [N, count] from N(0, 1): `stateless_normal([count], [seed, stream])` of each seed.

    Args:
        seeds: int64 [N].
        stream: The second integer of TensorFlow's seed.
        count: Numbers for each seed.
        xp: `numpy`, or `tensorflow.experimental.numpy` for tensors.
    """
    uniform = _unit(_words(seeds, stream, count + count % 2, xp), xp)
    # Box and Muller: a pair of uniform numbers makes a pair of normal ones.
    radius = xp.sqrt(-2.0 * xp.log(xp.maximum(uniform[:, ::2], np.float32(1e-7))))
    angle = np.float32(2.0 * np.pi) * uniform[:, 1::2]
    pairs = xp.stack([xp.sin(angle) * radius, xp.cos(angle) * radius], axis=-1)
    return xp.reshape(pairs, (-1, count + count % 2))[:, :count]


def uniform(seeds: Any, stream: int, count: int, low: float, high: float, xp: Any = np) -> Any:
    """f32 [N, count] from [low, high): `stateless_uniform` of each seed. Otherwise as `normal`."""
    unit = _unit(_words(seeds, stream, count, xp), xp)
    return unit * np.float32(high - low) + np.float32(low)


def integers(seeds: Any, stream: int, limit: int, xp: Any = np) -> Any:
    """int64 [N] from 0 to limit - 1: `stateless_uniform([], ..., 0, limit, tf.int32)`."""
    return xp.asarray(_words(seeds, stream, 1, xp)[:, 0] % limit, dtype=np.int64)


def _words(seeds: Any, stream: int, count: int, xp: Any) -> Any:
    """Random words, uint64 [N, count]."""
    seeds = xp.asarray(seeds, dtype=np.uint64)
    zero = seeds * 0
    # The seed is scrambled into a key and the upper half of the counter.
    key0, key1, upper0, upper1 = (
        word[:, None]
        for word in _philox((seeds % WORD, seeds // WORD, zero + stream, zero), SCRAMBLE)
    )
    blocks = zero[:, None] + np.arange(-(-count // 4), dtype=np.uint64)[None]
    nothing = blocks * 0
    counter = (blocks, nothing, nothing + upper0, nothing + upper1)
    words = xp.stack(_philox(counter, (key0, key1)), axis=-1)
    return xp.reshape(words, (-1, 4 * blocks.shape[1]))[:, :count]


def _philox(counter: tuple[Any, ...], key: tuple[Any, Any]) -> tuple[Any, ...]:
    """Ten rounds on a counter of four words and a key of two."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        product0, product1 = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c2 = product1 // WORD ^ c1 ^ k0, product0 // WORD ^ c3 ^ k1
        c1, c3 = product1 % WORD, product0 % WORD
        k0, k1 = (k0 + WEYL[0]) % WORD, (k1 + WEYL[1]) % WORD
    return c0, c1, c2, c3


def _unit(words: Any, xp: Any) -> Any:
    """f32 in [0, 1) from the lower 23 bits."""
    return xp.asarray(words % MANTISSA, dtype=np.float32) * np.float32(1.0 / MANTISSA)
