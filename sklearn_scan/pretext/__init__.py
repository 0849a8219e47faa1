"""Pretext tasks: encoders learnt from the images themselves."""

from sklearn_scan.pretext._backbones import PretextRecipe
from sklearn_scan.pretext._backbones import probe as probe
from sklearn_scan.pretext._base import Pretext
from sklearn_scan.pretext._byol import BYOL
from sklearn_scan.pretext._encoder_maker import EncoderMaker
from sklearn_scan.pretext._instance_discrimination import InstanceDiscrimination
from sklearn_scan.pretext._learned_encoder import LearnedEncoder, choose_pretext
from sklearn_scan.pretext._learned_encoder import with_learned as with_learned
from sklearn_scan.pretext._moco import MoCo
from sklearn_scan.pretext._network_encoder import NetworkEncoder
from sklearn_scan.pretext._raw_pixels import RawPixels
from sklearn_scan.pretext._rotnet import RotNet
from sklearn_scan.pretext._simclr import SimCLR
from sklearn_scan.pretext._simsiam import SimSiam
from sklearn_scan.pretext._task import Material, Task
from sklearn_scan.pretext._vicreg import VICReg

__all__ = [
    "BYOL",
    "EncoderMaker",
    "InstanceDiscrimination",
    "LearnedEncoder",
    "Material",
    "MoCo",
    "NetworkEncoder",
    "Pretext",
    "PretextRecipe",
    "RawPixels",
    "RotNet",
    "SimCLR",
    "SimSiam",
    "Task",
    "VICReg",
    "choose_pretext",
]
