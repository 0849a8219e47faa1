"""Models that are saved with odd values, or changed by hand: each limit of a file."""

import json
import pickle
import warnings

import numpy as np
import pytest
import timm
import torch
from result_helpers import IMAGES, X, fit
from safetensors.torch import save_file
from sklearn.decomposition import PCA
from torch import nn

from sklearn_scan import ImageEncoder, JULEClusterer, SimCLR, load, save
from sklearn_scan.core.documents import write_document
from sklearn_scan.exceptions import ModelFileError


@pytest.fixture(scope="module")
def of_features():
    return fit(X, n_neighbors=5)


@pytest.fixture
def changed(of_features):
    """Return a fitted clusterer that a test may change."""
    return pickle.loads(pickle.dumps(of_features))


class Mean(nn.Module):
    """A network of the user's own."""

    def __init__(self, side=2):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(side)
        self.mix = nn.Linear(3 * side**2, 4)

    def forward(self, images):
        return self.mix(self.pool(images).flatten(1))


class Counted(Mean):
    """Its state is more than tensors."""

    def get_extra_state(self):
        return {"count": 3}

    def set_extra_state(self, state):
        pass


class Scaled(Mean):
    """It has a buffer that is not among its weights."""

    def __init__(self):
        super().__init__()
        self.register_buffer("scale", torch.full((1,), 2.0), persistent=False)

    def forward(self, images):
        return self.scale * super().forward(images)


def of_images(encoder):
    return fit(IMAGES, n_neighbors=5, encoder=encoder)


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("labels_", lambda labels: labels + 100, "labels_ name clusters"),
        ("labels_", lambda labels: labels[1:], "labels_ are not of the length"),
        ("cluster_names_", lambda names: names[1:], "cluster_names_ are not of the"),
        ("embedding_dims_", lambda dims: (7, 3), "embedding_dims_ do not fit"),
        ("probabilities_", lambda rows: rows.T, "probabilities_ are not of the"),
    ],
)
def test_attributes_that_do_not_fit_one_another(
    name, change, reason, changed, tmp_path
):
    setattr(changed, name, change(getattr(changed, name)))
    save(changed, tmp_path / "model")
    with pytest.raises(ModelFileError, match=reason):
        load(tmp_path / "model")


def test_the_heads_of_another_clusterer(changed, tmp_path):
    changed.module_ = fit(X, n_clusters=5, n_neighbors=5).module_
    save(changed, tmp_path / "model")
    with pytest.raises(ModelFileError, match="the heads do not fit the clusters"):
        load(tmp_path / "model")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({1: "one"}, "note_, a dict whose keys are no strings"),
        (np.zeros(2, complex), "note_, an array of complex128"),
        (np.zeros(2, "M8[s]"), r"note_, an array of datetime64\[s\]"),
        ([object()], r"note_\.0, a object"),
        (PCA(), "note_, a PCA"),
    ],
)
def test_notes_that_no_file_can_hold(value, message, changed, tmp_path):
    changed.note_ = value
    with pytest.warns(UserWarning, match=f"{message}, is not stored"):
        save(changed, tmp_path / "model")
    with pytest.warns(UserWarning, match=message):
        loaded = load(tmp_path / "model")
    assert not hasattr(loaded, "note_")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (np.str_("text"), str),
        (np.float32(0.1), np.float32),
        (np.int8(3), np.int8),
        (np.bool_(True), np.bool_),
        (-np.inf, float),
    ],
)
def test_single_values(value, kind, changed, tmp_path):
    changed.note_ = value
    save(changed, tmp_path / "model")
    loaded = load(tmp_path / "model").note_
    assert loaded == value
    assert type(loaded) is kind


def test_an_encoder_of_the_network_is_taken_for_it(tmp_path):
    clusterer = of_images(Mean())
    save(clusterer, tmp_path / "model")
    loaded = load(tmp_path / "model", encoder=ImageEncoder(Mean()))
    np.testing.assert_array_equal(
        loaded.predict_proba(IMAGES), clusterer.predict_proba(IMAGES)
    )


def test_a_pretext_is_taken_for_its_network(tmp_path):
    clusterer = of_images(SimCLR(Mean, epochs=1, image_size=8))
    save(clusterer, tmp_path / "model")
    loaded = load(tmp_path / "model", encoder=SimCLR(Mean))
    np.testing.assert_array_equal(
        loaded.predict_proba(IMAGES), clusterer.predict_proba(IMAGES)
    )


def test_a_function_that_raises_is_told_with_its_settings(tmp_path):
    clusterer = of_images(ImageEncoder(Mean, model_kwargs={"side": 3}))
    save(clusterer, tmp_path / "model")

    def make(side):
        raise RuntimeError(f"no network of {side}")

    with pytest.raises(ValueError, match=r"\{'side': 3\}, raised .*no network of 3"):
        load(tmp_path / "model", encoder=make)


def test_a_network_whose_state_is_more_than_tensors(tmp_path):
    clusterer = of_images(Counted())
    with pytest.raises(TypeError, match=r"Counted whose state is more than tensors"):
        save(clusterer, tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_a_learnt_network_whose_weights_were_changed(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # so short a fit finds little
        clusterer = JULEClusterer(4, n_neighbors=5, max_epochs=1, random_state=0).fit(
            IMAGES
        )
    with torch.no_grad():
        for weight in clusterer.encoder_.for_training().module.parameters():
            weight.mul_(2)
    save(clusterer, tmp_path / "model")
    loaded = load(tmp_path / "model")
    np.testing.assert_array_equal(
        loaded.predict_proba(IMAGES), clusterer.predict_proba(IMAGES)
    )


def test_a_timm_model_by_a_setting_that_no_file_holds_is_ones_own(tmp_path):
    settings = {"act_layer": nn.SiLU}
    own = timm.create_model("test_vit", num_classes=0, **settings)
    file = tmp_path / "weights.safetensors"
    save_file(own.state_dict(), file)
    clusterer = of_images(
        ImageEncoder("test_vit", checkpoint=file, model_kwargs=settings)
    )
    left_out = r"encoder_?\.model_kwargs\.act_layer, the function SiLU, is not"
    with pytest.warns(UserWarning, match=left_out):
        save(clusterer, tmp_path / "model")
    with pytest.raises(
        ValueError, match="'VisionTransformer': its weights are in the file"
    ):
        load(tmp_path / "model")
    with pytest.warns(UserWarning, match=f"{left_out}|its code or settings"):
        loaded = load(tmp_path / "model", encoder=own)
    np.testing.assert_array_equal(
        loaded.predict_proba(IMAGES), clusterer.predict_proba(IMAGES)
    )


def test_buffers_that_are_no_weights(tmp_path):
    """They come from the code, and keep the precision that it gives them."""
    clusterer = of_images(Scaled())
    save(clusterer, tmp_path / "model")
    loaded = load(tmp_path / "model", encoder=Scaled())
    assert loaded.encoder_.module_.scale.tolist() == [2.0]
    np.testing.assert_array_equal(
        loaded.predict_proba(IMAGES), clusterer.predict_proba(IMAGES)
    )


def test_a_full_disk_is_an_error_and_leaves_nothing(changed, tmp_path, limit_files):
    with (
        limit_files(500),
        pytest.raises(OSError, match=r"safetensors' cannot be written: .*too large"),
    ):
        save(changed, tmp_path / "model")
    assert not list(tmp_path.iterdir())


def rewrite(folder, **entries):
    """Change the document of a model, with a right checksum."""
    file = folder / "model.json"
    write_document(file, json.loads(file.read_text()) | entries)


@pytest.mark.parametrize("version", [None, "2", 0, -1, 2.0])
def test_a_version_that_is_none(version, changed, tmp_path):
    save(changed, tmp_path / "model")
    rewrite(tmp_path / "model", version=version)
    with pytest.raises(ModelFileError, match=f"no valid version: {version!r}"):
        load(tmp_path / "model")


def test_the_libraries_by_which_a_model_was_saved_are_told(changed, tmp_path):
    """Where it cannot be loaded: they may be why."""
    save(changed, tmp_path / "model")
    rewrite(tmp_path / "model", made_with={"torch": "1.0"}, estimator={"is": 3})
    with pytest.raises(
        ModelFileError, match=r"It was saved with \{'torch': '1\.0'\}; here are .*timm"
    ):
        load(tmp_path / "model")
