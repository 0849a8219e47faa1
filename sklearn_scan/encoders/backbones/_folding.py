"""Batch norms folded into convolutions: less to compute, and the same result."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import cast

from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights


def fold_batch_norms(module: nn.Module) -> nn.Module:
    """Fold each batch norm that follows one convolution into it, in place."""
    # In evaluation a batch norm is a scale and a shift of every channel, which the
    # convolution's weights can take on.
    try:
        # of a copy, since tracing may change what a module caches
        graph = _Tracer().trace(copy.deepcopy(module))
    except Exception:  # a forward pass may do anything that tracing cannot follow
        return module
    for convolution, norm, name in list(_pairs(graph, module)):
        convolution.weight, convolution.bias = fuse_conv_bn_weights(
            convolution.weight,
            convolution.bias,
            cast(Tensor, norm.running_mean),
            cast(Tensor, norm.running_var),
            norm.eps,
            norm.weight,
            norm.bias,
        )
        module.set_submodule(name, _rest(norm))
    return module


def is_delicate(module: nn.Module) -> bool:
    """Whether bfloat16, with eight bits of mantissa, is too coarse for a network."""
    # Depthwise convolutions with batch norms (MobileNet, EfficientNet) have channels of
    # very different scales: the least cosine of MobileNetV2's embeddings of 127 photos
    # with those in fp32 is 0.983 in bf16 and 0.9994 in fp16. Other networks keep more
    # than 0.999 in bf16.
    parts = list(module.modules())
    return any(isinstance(part, nn.BatchNorm2d) for part in parts) and any(
        isinstance(part, nn.Conv2d) and 1 < part.groups == part.in_channels
        for part in parts
    )


def has_norms(module: nn.Module) -> bool:
    """Whether a network has normalising layers."""
    norms = nn.BatchNorm2d | nn.GroupNorm | nn.LayerNorm
    return any(isinstance(part, norms) for part in module.modules())


class _Tracer(fx.Tracer):
    """Follows a forward pass, but not into convolutions and batch norms."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        # timm's kinds of both are subclasses, into which tracing would go
        if isinstance(m, nn.Conv2d | nn.BatchNorm2d):
            return True
        return super().is_leaf_module(m, module_qualified_name)


def _pairs(
    graph: fx.Graph, module: nn.Module
) -> Iterator[tuple[nn.Conv2d, nn.BatchNorm2d, str]]:
    """Yield convolutions, their batch norms, and the names of these."""
    calls = [node.target for node in graph.nodes if node.op == "call_module"]
    for node in graph.nodes:
        if node.op != "call_module" or len(node.all_input_nodes) != 1:
            continue
        (source,) = node.all_input_nodes
        if source.op != "call_module" or len(source.users) > 1:
            continue
        if calls.count(node.target) > 1 or calls.count(source.target) > 1:
            continue  # used at several places, of which this is one
        norm = module.get_submodule(str(node.target))
        convolution = module.get_submodule(str(source.target))
        if _is_foldable(convolution, norm):
            yield convolution, norm, str(node.target)  # type: ignore[misc]


def _is_foldable(convolution: nn.Module, norm: nn.Module) -> bool:
    # "same" padding leaves the weights' meaning alone; a standardised weight does not.
    plain = type(convolution) is nn.Conv2d or type(convolution).__name__ == "Conv2dSame"
    known = type(norm) is nn.BatchNorm2d or type(norm).__name__ == "BatchNormAct2d"
    return plain and known and getattr(norm, "running_mean", None) is not None


def _rest(norm: nn.Module) -> nn.Module:
    """Return the dropout and the activation that a batch norm of timm's includes."""
    parts = [part for name in ("drop", "act") if (part := getattr(norm, name, None))]
    parts = [part for part in parts if not isinstance(part, nn.Identity)]
    return nn.Sequential(*parts) if parts else nn.Identity()
