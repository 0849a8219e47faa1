"""Encoders: from images to an embedding."""

from sklearn_scan.encoders._base import (
    Embedded,
    Encoder,
    Trainable,
    check_embedding,
    check_settings,
    chosen_rows,
)
from sklearn_scan.encoders._catalog import RECOMMENDED, RecommendedEncoder
from sklearn_scan.encoders._encoder_list import EncoderList
from sklearn_scan.encoders._facts import parameter_facts, version_facts
from sklearn_scan.encoders._image_encoder import DEFAULT_MODEL, ImageEncoder
from sklearn_scan.encoders._preprocessing import Preprocessing
from sklearn_scan.encoders._resolve import limit_of, name_encoder, resolve_encoder
from sklearn_scan.encoders._weights_origin import WeightsOrigin
from sklearn_scan.encoders.backbones import (
    Recipe,
    TimmRecipe,
    build_backbone,
    check_features,
    check_model,
    describe_misfit,
    note_recipe,
    recipe_of,
)

__all__ = [
    "DEFAULT_MODEL",
    "RECOMMENDED",
    "Embedded",
    "Encoder",
    "EncoderList",
    "ImageEncoder",
    "Preprocessing",
    "Recipe",
    "RecommendedEncoder",
    "TimmRecipe",
    "Trainable",
    "WeightsOrigin",
    "build_backbone",
    "check_embedding",
    "check_features",
    "check_model",
    "check_settings",
    "chosen_rows",
    "describe_misfit",
    "limit_of",
    "name_encoder",
    "note_recipe",
    "parameter_facts",
    "recipe_of",
    "resolve_encoder",
    "version_facts",
]
