"""Short fits of clusterers, whose networks are exported."""

import warnings

import numpy as np
import timm
from safetensors.torch import save_file
from sklearn.datasets import load_digits

from sklearn_scan import ImageEncoder, JULEClusterer, SCANClusterer

X = load_digits().data[:200].astype(np.float32)
IMAGES = np.random.default_rng(0).integers(0, 256, (24, 32, 32, 3), dtype=np.uint8)
FAST = {"n_clusters": 4, "max_epochs": 1, "self_label_epochs": 0}
EXACT = {"device": "cpu", "precision": "fp32", "random_state": 0}


def fit(data, kind=SCANClusterer, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # so short a fit finds little
        heads = {} if kind is JULEClusterer else {"n_heads": 2}
        return kind(**{**FAST, **EXACT, **heads, **settings}).fit(data)


def mobilenet_encoder(folder, **settings):
    """Return the encoder of a MobileNet with random weights, saved in the folder."""
    file = folder / "weights.safetensors"
    padding = {"pad_type": "same"}
    save_file(timm.create_model("mobilenetv2_050", **padding).state_dict(), file)
    return ImageEncoder(
        "mobilenetv2_050",
        checkpoint=file,
        model_kwargs=padding,
        input_size=32,
        crop_pct=1.0,
        mean=0.5,
        **settings,
    )
