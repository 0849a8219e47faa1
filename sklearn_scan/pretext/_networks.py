"""Small networks for small images."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor, nn

from sklearn_scan.training.averaging import Decay, MovingAverage
from sklearn_scan.training.batches import Views

_LAST_SIZE = 4  # of the feature map that is averaged, in pixels
_LARGEST_FIRST_MAP = 16


class SmallConvNet(nn.Module):
    """Plain convolutions, halving the map down to 4 x 4 and averaging it.

    Two layers of 3 x 3 a size, the width doubling with each halving up to 256: five
    layers for 8-pixel images, seven for 16 and for 32. Above 16 pixels the first layer
    halves the image itself, since there the time would go into the largest maps.

    Parameters
    ----------
    image_size : int
        The side of the images (b, 3, image_size, image_size), in pixels.
    """

    def __init__(self, image_size: int) -> None:
        super().__init__()
        width = 64 if image_size <= 8 else 32
        if image_size > _LARGEST_FIRST_MAP:
            layers = [_conv(3, width, kernel_size=4, stride=2)]
            image_size //= 2
        else:
            layers = [_conv(3, width)]
        layers += [_conv(width, width)]
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


class UnpaddedConvNet(nn.Module):
    """JULE's network: convolutions without padding, and a linear layer.

    Blocks of a convolution of 5 x 5 to 50 maps, batch norm, ReLU and max-pooling by 2
    follow each other while the map keeps 4 pixels a side: one block for 16-pixel
    images, two for 28, three for 55 and four for 128, as in the paper.

    Parameters
    ----------
    image_size : int
        The side of the images (b, 3, image_size, image_size), in pixels; at least 5.

    References
    ----------
    .. [1] J. Yang, D. Parikh, D. Batra, "Joint Unsupervised Learning of Deep
       Representations and Image Clusters", CVPR 2016, arXiv:1604.03628, section 4.1.
    """

    embed_dim = 160

    def __init__(self, image_size: int) -> None:
        super().__init__()
        if image_size < _KERNEL:
            raise ValueError(
                f"The backbone 'jule' takes images of at least {_KERNEL} pixels a "
                f"side; got image_size={image_size}."
            )
        layers: list[nn.Module] = []
        n_in, side = 3, image_size
        while not layers or _pooled(side) >= _LAST_SIZE:
            layers += [
                nn.Conv2d(n_in, _N_MAPS, _KERNEL, bias=False),
                nn.BatchNorm2d(_N_MAPS),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(2, ceil_mode=True),
            ]
            n_in, side = _N_MAPS, _pooled(side)
        self.layers = nn.Sequential(*layers)
        self.linear = nn.Linear(_N_MAPS * side**2, self.embed_dim)

    def forward(self, images: Tensor) -> Tensor:
        """Return the features (b, embed_dim)."""
        features: Tensor = self.linear(self.layers(images).flatten(1))
        return features


_N_MAPS, _KERNEL = 50, 5


def _pooled(side: int) -> int:
    """Return the side of the map after a convolution without padding, and pooling."""
    return -(-(side - _KERNEL + 1) // 2)


def _conv(
    n_in: int, n_out: int, *, kernel_size: int = 3, stride: int = 1
) -> nn.Sequential:
    convolution = nn.Conv2d(n_in, n_out, kernel_size, stride, padding=1, bias=False)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    return nn.Sequential(convolution, nn.BatchNorm2d(n_out), nn.ReLU(inplace=True))


class LinearProjection(nn.Linear):
    """A linear layer whose outputs are those of a single head, (1, b, n_outputs)."""

    def forward(self, features: Tensor) -> Tensor:
        """Return the outputs (1, b, n_outputs)."""
        return super().forward(features).unsqueeze(0)


class ProjectionHead(nn.Sequential):
    """The two-layer head on which a contrastive loss is computed.

    Parameters
    ----------
    embed_dim, projection_dim : int
        The size of what comes in and of what goes out, (1, b, projection_dim).
    """

    def __init__(self, embed_dim: int, projection_dim: int) -> None:
        super().__init__(
            nn.Linear(embed_dim, embed_dim),
            nn.ReLU(inplace=True),
            LinearProjection(embed_dim, projection_dim),
        )


class NormalizedMLP(nn.Sequential):
    """A linear layer, a batch norm, ReLU, and a second linear layer.

    Parameters
    ----------
    n_in, n_hidden, n_out : int
        The sizes of what comes in (b, n_in), of the hidden layer and of what goes out.
    """

    def __init__(self, n_in: int, n_hidden: int, n_out: int) -> None:
        super().__init__(
            nn.Linear(n_in, n_hidden, bias=False),
            nn.BatchNorm1d(n_hidden),
            nn.ReLU(inplace=True),
            nn.Linear(n_hidden, n_out),
        )


class SingleHead(nn.Module):
    """A network (b, n_in) to (b, n_out), whose outputs are those of a head, (1, b, n).

    Parameters
    ----------
    network : nn.Module
        The network.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the outputs (1, b, n_out)."""
        outputs: Tensor = self.network(inputs)
        return outputs.unsqueeze(0)


class _Momentum(nn.Module):
    """A network that is trained, and its moving average, which has no gradient.

    Parameters
    ----------
    online : nn.Module
        The network that is trained.
    decay : float or callable
        The share of itself that the average keeps at every step.
    """

    def __init__(self, online: nn.Module, decay: Decay) -> None:
        super().__init__()
        self.online = online
        self.average = MovingAverage(online, decay)

    @torch.no_grad()
    def _follow(self, views: Tensor) -> Tensor:
        """Return the outputs of the average, after it has taken the network in."""
        if self.training:
            self.average.update(self.online)
        outputs: Tensor = self.average(views)
        return outputs


class MomentumPair(_Momentum):
    """A network for anchors, and its moving average for their partners.

    Parameters
    ----------
    backbone, head : nn.Module
        The network that is trained.
    momentum : float
        The share of itself that the average keeps at every step.
    n_views : int, default=2
        The number of views of an image; the last one is the partner of the others.
    """

    def __init__(
        self,
        backbone: nn.Module,
        head: nn.Module,
        momentum: float,
        n_views: int = 2,
    ) -> None:
        super().__init__(nn.Sequential(backbone, head), momentum)
        self.n_views = n_views

    def train(self, mode: bool = True) -> Self:
        """Set the network's mode; the average always uses its own statistics."""
        super().train(mode)
        self.average.eval()
        return self

    def forward(self, views: Tensor) -> tuple[Tensor, ...]:
        """Return the projections of each view, (1, b, projection_dim)."""
        *anchors, partners = views.chunk(self.n_views)
        queries = Views(self.online(torch.cat(anchors)), self.n_views - 1)
        return *queries, self._follow(partners)


class Bootstrap(_Momentum):
    """A network that predicts what its moving average makes of other views.

    In training, the batch norms of the average too use the statistics of the batch. Its
    own are at first of no images: then the targets of all images would be much alike.

    Parameters
    ----------
    backbone, projector, predictor : nn.Module
        What is trained, one after the other; all take and return rows.
    decay : float or callable
        The share of itself that the average of backbone and projector keeps.
    noise : float
        The standard deviation of what is added to the projections before the
        predictor.
    """

    def __init__(
        self,
        backbone: nn.Module,
        projector: nn.Module,
        predictor: nn.Module,
        *,
        decay: Decay,
        noise: float,
    ) -> None:
        super().__init__(nn.Sequential(backbone, projector), decay)
        self.predictor = predictor
        self.noise = noise

    @property
    def target_backbone(self) -> nn.Module:
        """The average of the backbone."""
        backbone: nn.Module = self.average.module[0]  # type: ignore[index]
        return backbone

    def forward(self, views: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return predictions, targets and projections, each (1, n, projection_dim)."""
        projections: Tensor = self.online(views)
        noisy = projections
        if self.noise > 0:
            noisy = projections + self.noise * torch.randn_like(projections)
        predictions: Tensor = self.predictor(noisy)
        targets = self._follow(views)
        return predictions.unsqueeze(0), targets.unsqueeze(0), projections.unsqueeze(0)


class Siamese(nn.Module):
    """A network that predicts what it makes itself of other views.

    Parameters
    ----------
    backbone, projector, predictor : nn.Module
        What is trained, one after the other; all take and return rows.
    """

    def __init__(
        self, backbone: nn.Module, projector: nn.Module, predictor: nn.Module
    ) -> None:
        super().__init__()
        self.online = nn.Sequential(backbone, projector)
        self.predictor = predictor

    def forward(self, views: Tensor) -> tuple[Tensor, Tensor]:
        """Return predictions and their targets, each (1, n, projection_dim)."""
        projections = self.online(views)
        predictions: Tensor = self.predictor(projections)
        return predictions.unsqueeze(0), projections.detach().unsqueeze(0)
