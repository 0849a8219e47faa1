"""Pretext tasks: encoders learnt from the images themselves."""

from sklearn_scan.pretext._backbones import PretextRecipe
from sklearn_scan.pretext._backbones import probe as probe
from sklearn_scan.pretext._base import Material, Pretext, Task
from sklearn_scan.pretext._instance_discrimination import InstanceDiscrimination
from sklearn_scan.pretext._moco import MoCo
from sklearn_scan.pretext._network_encoder import NetworkEncoder
from sklearn_scan.pretext._raw_pixels import RawPixels
from sklearn_scan.pretext._rotnet import RotNet
from sklearn_scan.pretext._simclr import SimCLR

__all__ = [
    "InstanceDiscrimination",
    "Material",
    "MoCo",
    "NetworkEncoder",
    "Pretext",
    "PretextRecipe",
    "RawPixels",
    "RotNet",
    "SimCLR",
    "Task",
]
