"""Encoders: from images to an embedding."""

from sklearn_scan.encoders._backbones import (
    build_backbone,
    check_features,
    check_model,
)
from sklearn_scan.encoders._base import (
    Encoder,
    Trainable,
    check_embedding,
    check_settings,
    embed,
)
from sklearn_scan.encoders._catalog import RECOMMENDED, RecommendedEncoder
from sklearn_scan.encoders._checkpoints import describe_misfit
from sklearn_scan.encoders._encoder_list import EncoderList
from sklearn_scan.encoders._image_encoder import DEFAULT_MODEL, ImageEncoder
from sklearn_scan.encoders._names import name_encoder
from sklearn_scan.encoders._preprocessing import Preprocessing
from sklearn_scan.encoders._recipes import (
    Recipe,
    TimmRecipe,
    note_recipe,
    recipe_of,
)
from sklearn_scan.encoders._resolve import resolve_encoder

__all__ = [
    "DEFAULT_MODEL",
    "RECOMMENDED",
    "Encoder",
    "EncoderList",
    "ImageEncoder",
    "Preprocessing",
    "Recipe",
    "RecommendedEncoder",
    "TimmRecipe",
    "Trainable",
    "build_backbone",
    "check_embedding",
    "check_features",
    "check_model",
    "check_settings",
    "describe_misfit",
    "embed",
    "name_encoder",
    "note_recipe",
    "recipe_of",
    "resolve_encoder",
]
