"""Colours and marks that tell clusters apart."""

from __future__ import annotations

# The ten of M. Petroff, "Accessible color sequences for data visualization", 2021,
# arXiv:2107.02270: told apart in the common forms of colour blindness too.
COLORS = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6",
    "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip
_MARKERS = "osD^vP*X<>"

MAIN, SECOND, PALE = COLORS[0], COLORS[2], "#c6d9ec"
DIM = "#767676"  # grey that is still read on white


def style(i: int) -> tuple[str, str]:
    """Return the colour and the mark of the i-th cluster: the first 100 are unlike."""
    n_colors = len(COLORS)
    return COLORS[i % n_colors], _MARKERS[i // n_colors % len(_MARKERS)]
