"""Backbones: networks by name, from a checkpoint or of the user's own."""

from sklearn_scan.encoders.backbones._build import (
    Model,
    build_backbone,
    check_features,
    check_model,
)
from sklearn_scan.encoders.backbones._checkpoints import describe_misfit
from sklearn_scan.encoders.backbones._folding import has_norms, is_delicate
from sklearn_scan.encoders.backbones._outputs import output_settings
from sklearn_scan.encoders.backbones._recipes import (
    Recipe,
    TimmRecipe,
    fold_named,
    is_folded,
    note_recipe,
    recipe_of,
)

__all__ = [
    "Model",
    "Recipe",
    "TimmRecipe",
    "build_backbone",
    "check_features",
    "check_model",
    "describe_misfit",
    "fold_named",
    "has_norms",
    "is_delicate",
    "is_folded",
    "note_recipe",
    "output_settings",
    "recipe_of",
]
