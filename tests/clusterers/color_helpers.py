"""Small images that differ by their colour."""

import numpy as np

COLORS = np.array([[200, 40, 40], [40, 200, 40], [40, 40, 200]])


def paint(y, rng):
    """Return images (n, 8, 8, 3) of the colours y, with noise."""
    noise = rng.integers(-40, 40, (len(y), 8, 8, 3))
    return (COLORS[y][:, None, None] + noise).astype(np.uint8)


def three_colors():
    """Return images (60, 8, 8, 3) of three noisy colours, and which."""
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat(np.arange(3), 20))
    return paint(y, rng), y
