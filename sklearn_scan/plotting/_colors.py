"""Colours and markers of clusters."""

from __future__ import annotations

# The ten colours of M. Petroff, "Accessible color sequences for data visualization",
# 2021, arXiv:2107.02270, which people with common colour blindness tell apart too.
COLORS = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6",
    "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip
_MARKERS = "osD^vP*X<>"

MAIN, SECOND, PALE = COLORS[0], COLORS[2], "#c6d9ec"
DIM = "#767676"  # grey that is still read on white


def style(i: int) -> tuple[str, str]:
    """Return the colour and the marker of cluster `i`, unlike for the first 100."""
    n_colors = len(COLORS)
    return COLORS[i % n_colors], _MARKERS[i // n_colors % len(_MARKERS)]
