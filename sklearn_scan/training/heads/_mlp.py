"""TEMI's heads: small networks that compare features with prototypes.

Source: Adaloglou et al., "Exploring the Limits of Deep Image Clustering using
Pretrained Models", BMVC 2023, appendix A.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sklearn_scan.training.heads._base import FeatureHeads, head_docs

_HIDDEN_DIM, _PROJECTION_DIM = 512, 256
_WEIGHT_STD = 0.02


@head_docs
class MLPHeads(FeatureHeads):
    """Heads of two layers and cosines, trained side by side as matrix products.

    A head maps features linearly to 512 numbers, applies GELU, maps linearly to 256
    numbers, and scales them to length one. Its logits are the cosines with each
    cluster's prototype, over the temperature.

    Parameters
    ----------
    {sizes}
    temperature : float, default=0.1
        The divisor of the cosines.
    generator : torch.Generator
        Draws the initial weights, normal with a deviation of 0.02.

    Examples
    --------
    >>> import torch
    >>> heads = MLPHeads(8, n_clusters=3, n_heads=2, generator=torch.Generator())
    >>> heads(torch.zeros(5, 8)).shape
    torch.Size([2, 5, 3])
    """

    def __init__(
        self,
        embed_dim: int,
        n_clusters: int,
        n_heads: int,
        *,
        temperature: float = 0.1,
        generator: torch.Generator,
    ) -> None:
        super().__init__(n_clusters, n_heads)
        self.temperature = temperature

        def draw(*shape: int) -> nn.Parameter:
            """Return a parameter of this shape for each head."""
            return nn.Parameter(
                torch.randn(n_heads, *shape, generator=generator) * _WEIGHT_STD
            )

        self.hidden_weight = draw(_HIDDEN_DIM, embed_dim)
        self.hidden_bias = nn.Parameter(torch.zeros(n_heads, _HIDDEN_DIM))
        self.projection_weight = draw(_PROJECTION_DIM, _HIDDEN_DIM)
        self.projection_bias = nn.Parameter(torch.zeros(n_heads, _PROJECTION_DIM))
        self.prototypes = draw(n_clusters, _PROJECTION_DIM)

    def forward(self, features: Tensor) -> Tensor:
        """Return the logits of every head, shape (n_heads, b, n_clusters)."""
        # The first layers of all heads are one matrix; the batch is last in memory, as
        # in ClusterHeads. (h * hidden, b) -> (h, hidden, b)
        hidden = torch.addmm(
            self.hidden_bias.view(-1, 1), self.hidden_weight.flatten(0, 1), features.T
        )
        hidden = torch.unflatten(hidden, 0, (self.n_heads, -1))
        projections = torch.baddbmm(
            self.projection_bias.unsqueeze(2), self.projection_weight, F.gelu(hidden)
        )  # (h, projection, b)
        prototypes = F.normalize(self.prototypes, dim=2) / self.temperature
        return torch.bmm(prototypes, F.normalize(projections, dim=1)).mT

    def weights(self) -> Iterator[nn.Parameter]:
        """Return the weights: parameters that are multiplied."""
        return iter([self.hidden_weight, self.projection_weight, self.prototypes])

    def biases(self) -> Iterator[nn.Parameter]:
        """Return the biases: parameters that are added."""
        return iter([self.hidden_bias, self.projection_bias])

    @torch.no_grad()
    def fold_map(self, projection: Tensor) -> Self:
        """Return heads of features z, which give what these give for z @ projection."""
        wider = copy.deepcopy(self)
        wider.hidden_weight = nn.Parameter(self.hidden_weight @ projection.T)
        return wider

    @torch.no_grad()
    def select(self, *heads: int) -> Self:
        """Return a module of some of the heads, with its own weights."""
        chosen = type(self)(
            self.hidden_weight.shape[2],
            self.n_clusters,
            len(heads),
            temperature=self.temperature,
            generator=torch.Generator(),
        )
        for own, of_all in zip(chosen.parameters(), self.parameters(), strict=True):
            own.copy_(of_all[list(heads)])
        return chosen.to(self.prototypes.device)

    @torch.no_grad()
    def reorder(self, order: Tensor) -> None:
        """Renumber the clusters of a single head: old cluster order[c] becomes c."""
        self.prototypes.copy_(self.prototypes[:, order])
