"""The output of a timm model: the embedding its authors mean, not timm's default."""

from __future__ import annotations

from typing import Any

# In names of models trained with texts: their head projects to the space of the texts.
_WITH_TEXTS = ("clip", "pe_core")
# In names of architectures trained by the class token, where timm averages patches.
_BY_CLASS_TOKEN = "dinov3"


def output_settings(name: str) -> dict[str, Any]:
    """Return the settings of `timm.create_model` by which a model embeds images.

    Parameters
    ----------
    name : str
        Which timm knows.

    Returns
    -------
    dict
        `num_classes`: the width of the projection that a model trained with texts ends
        in, else 0, the pooled features. `global_pool`, where timm's is not that of the
        model's training.

    Examples
    --------
    >>> output_settings("vit_base_patch16_clip_224.openai")
    {'num_classes': 512}
    >>> output_settings("vit_base_patch16_clip_224.openai_ft_in1k")
    {'num_classes': 0}
    >>> output_settings("vit_small_patch16_dinov3.lvd1689m")
    {'num_classes': 0, 'global_pool': 'token'}
    """
    settings: dict[str, Any] = {"num_classes": _projection_width(name)}
    # a ConvNeXt of DINOv3 has it in its tag, and no class token
    if _BY_CLASS_TOKEN in name.partition(".")[0]:
        settings["global_pool"] = "token"
    return settings


def _projection_width(name: str) -> int:
    import timm
    from timm.data.imagenet_info import infer_imagenet_subset

    config = timm.get_pretrained_cfg(name)
    if config is None or infer_imagenet_subset(config) is not None:
        return 0  # a head of as many outputs as ImageNet has classes names classes
    # a name without a tag means the tag of the configuration
    full_name = f"{config.architecture}.{config.tag}"
    with_texts = any(word in full_name for word in _WITH_TEXTS)
    return int(config.num_classes) if with_texts else 0
