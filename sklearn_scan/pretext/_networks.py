"""Small networks for small images."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_LAST_SIZE = 4  # of the feature map that is averaged, in pixels


class SmallConvNet(nn.Module):
    """Plain 3 x 3 convolutions, halving the map down to 4 x 4 and averaging it.

    Two layers a size, the width doubling with each halving up to 256: five layers for
    8-pixel images, seven for 16. Wide rather than deep, since on small images the time
    goes into the first, largest maps.

    Parameters
    ----------
    image_size : int
        The side of the images (b, 3, image_size, image_size), in pixels.
    """

    def __init__(self, image_size: int) -> None:
        super().__init__()
        width = 64 if image_size <= 8 else 32
        layers = [_conv(3, width), _conv(width, width)]
        while image_size > _LAST_SIZE:
            image_size = (image_size + 1) // 2
            wider = min(2 * width, 256)
            layers += [_conv(width, wider, stride=2), _conv(wider, wider)]
            width = wider
        layers += [_conv(width, width)]
        self.layers = nn.Sequential(*layers)
        self.embed_dim = width

    def forward(self, images: Tensor) -> Tensor:
        """Return the features (b, embed_dim)."""
        features: Tensor = self.layers(images)
        return features.mean(dim=(2, 3))


def _conv(n_in: int, n_out: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(n_in, n_out, 3, stride, padding=1, bias=False)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    return nn.Sequential(convolution, nn.BatchNorm2d(n_out), nn.ReLU(inplace=True))


class ProjectionHead(nn.Sequential):
    """The two-layer head on which a contrastive loss is computed.

    Parameters
    ----------
    embed_dim, projection_dim : int
        The size of what comes in and of what goes out.
    """

    def __init__(self, embed_dim: int, projection_dim: int) -> None:
        super().__init__(
            nn.Linear(embed_dim, embed_dim),
            nn.ReLU(inplace=True),
            nn.Linear(embed_dim, projection_dim),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return the projections as those of a single head, (1, b, projection_dim)."""
        projections: Tensor = super().forward(features)
        return torch.unsqueeze(projections, 0)
