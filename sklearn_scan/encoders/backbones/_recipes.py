"""Recipes: how a backbone was made, without its weights, to make it again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from torch import nn

from sklearn_scan.encoders.backbones._folding import fold_batch_norms

# Arguments by which `timm.create_model` loads weights.
_WEIGHTS = {
    "cache_dir",
    "checkpoint_path",
    "pretrained",
    "pretrained_cfg",
    "pretrained_cfg_overlay",
}


class Recipe(ABC):
    """Makes a network of a known kind, with its initial weights."""

    @abstractmethod
    def build(self) -> nn.Module:
        """Return a new network; nothing is fetched, nor read from the disk."""


@dataclass(frozen=True)
class TimmRecipe(Recipe):
    """A timm model by name.

    Parameters
    ----------
    name : str
        Which timm knows.
    settings : mapping
        Passed to `timm.create_model`.
    folded : bool, default=False
        Whether batch norms are folded into the convolutions before them.

    Examples
    --------
    >>> TimmRecipe("resnet18", {"num_classes": 0}).build().num_features
    512
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    folded: bool = False

    @classmethod
    def of(cls, name: str, settings: Mapping[str, Any]) -> TimmRecipe:
        """Return the recipe of a model made with settings, whatever its weights."""
        own = {key: value for key, value in settings.items() if key not in _WEIGHTS}
        return cls(name, own)

    def build(self) -> nn.Module:
        """Return a new network.

        Raises
        ------
        ValueError
            If timm has no model of this name, or a setting names other weights.
        """
        import timm

        if not timm.is_model(self.name):
            raise ValueError(f"timm {timm.__version__} has no model {self.name!r}.")
        if odd := sorted(_WEIGHTS & set(self.settings)):
            raise ValueError(f"{', '.join(odd)} cannot be settings of a network.")
        module = timm.create_model(self.name, pretrained=False, **self.settings)
        note_recipe(module, replace(self, folded=False))
        return fold_named(module.eval()) if self.folded else module


def note_recipe(module: nn.Module, recipe: Recipe) -> None:
    """Note on a network how it was made."""
    vars(module)["recipe"] = recipe


def recipe_of(module: nn.Module) -> Recipe | None:
    """Return how a network was made; None where it came from elsewhere."""
    recipe = vars(module).get("recipe")
    return recipe if isinstance(recipe, Recipe) else None


def fold_named(module: nn.Module) -> nn.Module:
    """Fold the batch norms of a network made by a `TimmRecipe`, and note that."""
    recipe = recipe_of(module)
    module = fold_batch_norms(module)
    if isinstance(recipe, TimmRecipe):
        note_recipe(module, replace(recipe, folded=True))
    return module


def is_folded(module: nn.Module) -> bool:
    """Whether `fold_named` has folded the batch norms of a network."""
    recipe = recipe_of(module)
    return isinstance(recipe, TimmRecipe) and recipe.folded
