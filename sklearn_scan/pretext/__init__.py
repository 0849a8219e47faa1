"""Pretext tasks: encoders learnt from the images themselves."""

from sklearn_scan.pretext._base import Pretext
from sklearn_scan.pretext._instance_discrimination import InstanceDiscrimination
from sklearn_scan.pretext._moco import MoCo
from sklearn_scan.pretext._rotnet import RotNet
from sklearn_scan.pretext._simclr import SimCLR

__all__ = ["InstanceDiscrimination", "MoCo", "Pretext", "RotNet", "SimCLR"]
