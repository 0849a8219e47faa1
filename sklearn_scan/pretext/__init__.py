"""Pretext tasks: encoders learnt from the images themselves."""

from sklearn_scan.pretext._base import Pretext
from sklearn_scan.pretext._simclr import SimCLR

__all__ = ["Pretext", "SimCLR"]
