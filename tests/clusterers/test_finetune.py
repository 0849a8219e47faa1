"""SCANClusterer where the backbone learns along with the heads."""

import pickle
import warnings

import joblib
import numpy as np
import pytest
import timm
import torch
from color_helpers import COLORS, paint, three_colors
from PIL import Image
from safetensors.torch import save_file
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, KFold
from torch import nn

from sklearn_scan import ImageEncoder, SCANClusterer, SimCLR
from sklearn_scan.clusterers.stages import finetuning, fixmatch, guarded
from sklearn_scan.clusterers.stages.neighbor_training import train_heads
from sklearn_scan.encoders import Encoder
from sklearn_scan.metrics import (
    clustering_accuracy,
    clustering_accuracy_scorer,
    majority_accuracy,
)
from sklearn_scan.model_selection import information_lost
from sklearn_scan.pretext import (
    BYOL,
    InstanceDiscrimination,
    MoCo,
    RotNet,
    SimSiam,
    VICReg,
)

CPU = {"device": "cpu", "precision": "fp32"}


@pytest.fixture(autouse=True, scope="module")
def nothing_is_undone():
    """Keep what is trained in a blink, whether it is worth it or not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guarded, "information_lost", lambda *_: 0.0)
        yield


def tiny_net():
    """Return a network from the colours of 2 x 2 patches to six features."""
    return nn.Sequential(
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 6), nn.BatchNorm1d(6)
    )


def seeded_net():
    """Return `tiny_net`, with the same weights each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return tiny_net()


def pretrained():
    """Return an encoder that is not learnt from the images."""
    return ImageEncoder(seeded_net, input_size=8, mean=0.5, std=0.25)


def brighten(images):
    """Return views whose brightness is drawn from the global state."""
    return (images * (0.7 + 0.3 * torch.rand(len(images), 1, 1, 1))).clamp(0, 1)


def fast(**parameters):
    """Return a clusterer of three clusters that trains its backbone in a blink."""
    settings = {
        "n_clusters": 3,
        "encoder": pretrained(),
        "finetune": True,
        "strong_views": brighten,
        "n_neighbors": 5,
        "n_heads": 3,
        "max_epochs": 12,
        "self_label_epochs": 2,
        "confidence_threshold": 0.8,
        "batch_size": 20,
        "learning_rate": 0.01,
        "random_state": 0,
    }
    return SCANClusterer(**settings | CPU | parameters)


@pytest.fixture(scope="module")
def colored():
    """Images (60, 8, 8, 3) of three noisy colours, and which."""
    return three_colors()


@pytest.fixture(scope="module")
def new():
    """Images of the same colours that no fit has seen."""
    rng = np.random.default_rng(1)
    y = np.repeat(np.arange(3), 3)
    return paint(y, rng), y


@pytest.fixture(scope="module")
def finetuned(colored):
    return fast().fit(colored[0])


def weights(clusterer):
    """Return the weights of the fitted encoder's backbone."""
    encoder = getattr(clusterer.encoder_, "encoder_", clusterer.encoder_)
    return encoder.module_.state_dict()


def same_weights(first, second):
    assert first.keys() == second.keys()
    return all(torch.equal(first[name], second[name]) for name in first)


def write(images, folder):
    paths = [str(folder / f"{i:02}.png") for i in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    return paths


# -- what is trained -----------------------------------------------------------------


def test_clusters_are_found(finetuned, colored):
    assert finetuned.score(*colored) == 1
    assert clustering_accuracy(colored[1], finetuned.labels_) == 1
    stages = [record["stage"] for record in finetuned.history_]
    assert stages[-1] == "self-labelling"
    assert "lowest_loss" in finetuned.history_[stages.index("self-labelling") - 1]


def test_the_backbone_is_trained_in_both_stages(finetuned, colored):
    start = seeded_net().state_dict()
    first_stage = fast(self_label_epochs=0).fit(colored[0])
    assert not same_weights(weights(first_stage), start)
    assert finetuned.self_labeled_
    assert not same_weights(weights(finetuned), weights(first_stage))


def test_frozen_weights_stay(colored):
    clusterer = fast(finetune=False).fit(colored[0])
    assert same_weights(weights(clusterer), seeded_net().state_dict())
    assert not any("lowest_loss" in record for record in clusterer.history_)


@pytest.mark.parametrize(
    "pretext", [SimCLR, MoCo, BYOL, SimSiam, VICReg, InstanceDiscrimination, RotNet]
)
def test_auto_trains_a_pretext_further(pretext, colored):
    encoder = pretext(tiny_net, epochs=1, batch_size=20)
    settings = {"encoder": encoder, "max_epochs": 1, "self_label_epochs": 0}
    auto, on, off = (
        fast(finetune=finetune, **settings).fit(colored[0])
        for finetune in ("auto", True, False)
    )
    assert same_weights(weights(auto), weights(on))
    assert not same_weights(weights(auto), weights(off))
    np.testing.assert_array_equal(auto.labels_, on.labels_)


@pytest.mark.parametrize("encoder", [pretrained(), seeded_net], ids=["encoder", "net"])
def test_auto_leaves_other_encoders_as_they_are(encoder, colored):
    settings = {"encoder": encoder, "max_epochs": 1, "self_label_epochs": 0}
    auto, off = (
        fast(finetune=finetune, **settings).fit(colored[0])
        for finetune in ("auto", False)
    )
    assert same_weights(weights(auto), seeded_net().state_dict())
    np.testing.assert_array_equal(auto.probabilities_, off.probabilities_)


def test_auto_goes_with_features(colored):
    X = colored[0].mean(axis=(1, 2))
    clusterer = fast(finetune="auto", encoder="auto").fit(X)
    assert clustering_accuracy(colored[1], clusterer.labels_) == 1


def test_the_users_own_network_is_left_alone(colored):
    net = seeded_net()
    clusterer = fast(encoder=net).fit(colored[0])
    assert same_weights(net.state_dict(), seeded_net().state_dict())
    first = clusterer.probabilities_
    np.testing.assert_array_equal(clusterer.fit(colored[0]).probabilities_, first)


def test_the_users_own_encoder_is_left_alone(colored):
    net = seeded_net()
    encoder = ImageEncoder(net, input_size=8).fit()
    clusterer = fast(encoder=encoder).fit(colored[0])
    assert same_weights(net.state_dict(), seeded_net().state_dict())
    assert clusterer.encoder_ is not encoder


# -- what comes out ------------------------------------------------------------------


def test_encoder_embeds_as_the_embedding(finetuned, colored):
    images, _ = colored
    np.testing.assert_array_equal(
        finetuned.encoder_.transform(images), finetuned.embedding_
    )
    np.testing.assert_array_equal(finetuned.transform(images), finetuned.embedding_)
    assert finetuned.embedding_.shape == (60, 6)
    with torch.no_grad():
        logits = finetuned.module_(torch.from_numpy(finetuned.embedding_))[0]
    np.testing.assert_allclose(
        logits.softmax(dim=1), finetuned.probabilities_, rtol=1e-4, atol=1e-6
    )


def test_predict_agrees_with_fit(finetuned, colored):
    images, _ = colored
    np.testing.assert_array_equal(finetuned.predict(images), finetuned.labels_)
    np.testing.assert_array_equal(
        finetuned.predict_proba(images), finetuned.probabilities_
    )
    np.testing.assert_array_equal(fast().fit_predict(images), finetuned.labels_)
    np.testing.assert_array_equal(fast().fit_transform(images), finetuned.embedding_)


def test_clusters_are_numbered_by_size(colored):
    images, y = colored
    rows = np.r_[np.flatnonzero(y == 0)[:6], np.flatnonzero(y == 1), 0]
    rows = np.r_[rows, np.flatnonzero(y == 2)[:12]]
    labels = fast(entropy_weight=2.0).fit_predict(images[rows])
    sizes = np.bincount(labels, minlength=3)
    assert (np.diff(sizes) <= 0).all()


def test_new_images(finetuned, colored, new):
    images, y = new
    _, of_class = np.unique(colored[1], return_index=True)
    expected = finetuned.labels_[of_class][y]
    np.testing.assert_array_equal(finetuned.predict(images), expected)


def test_attributes(finetuned):
    assert set(finetuned.stage_times_) == {
        "encode",
        "mine",
        "cluster",
        "self_label",
        "calibrate",
    }
    assert finetuned.head_losses_.shape == (3,)
    assert finetuned.best_head_ == finetuned.head_losses_.argmin()
    assert finetuned.neighbors_.indices.shape == (60, 5)
    assert not finetuned.module_.training
    for parameter in finetuned.module_.parameters():
        assert parameter.device.type == "cpu"


def test_same_seed_same_fit(finetuned, colored):
    torch.rand(3)
    again = fast().fit(colored[0])
    np.testing.assert_array_equal(again.embedding_, finetuned.embedding_)
    np.testing.assert_array_equal(again.probabilities_, finetuned.probabilities_)
    assert again.history_ == finetuned.history_
    other = fast(random_state=1).fit(colored[0])
    assert (other.embedding_ != finetuned.embedding_).any()


def test_global_random_state_is_not_changed(colored):
    before = torch.get_rng_state()
    fast(max_epochs=1).fit(colored[0])
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("module", [pickle, joblib], ids=["pickle", "joblib"])
@pytest.mark.parametrize("encoder", ["pretrained", "pretext"])
def test_pickle(module, encoder, colored, tmp_path):
    encoder = {
        "pretrained": pretrained(),
        "pretext": SimCLR(tiny_net, epochs=1, batch_size=20),
    }[encoder]
    clusterer = fast(encoder=encoder).fit(colored[0])
    file = tmp_path / "clusterer"
    with file.open("wb") as stream:
        module.dump(clusterer, stream)
    with file.open("rb") as stream:
        restored = module.load(stream)
    np.testing.assert_array_equal(
        restored.predict_proba(colored[0]), clusterer.probabilities_
    )
    copy = clone(restored).fit(colored[0])
    np.testing.assert_array_equal(copy.probabilities_, clusterer.probabilities_)


def test_memory_keeps_the_embedding_of_the_trained_backbone(
    finetuned, colored, tmp_path
):
    for _ in range(2):
        kept = fast(memory=tmp_path).fit(colored[0])
        np.testing.assert_array_equal(kept.embedding_, finetuned.embedding_)
        np.testing.assert_array_equal(kept.predict(colored[0]), finetuned.labels_)


# -- views ---------------------------------------------------------------------------


def test_own_views_are_used_in_both_stages(colored):
    seen = []

    def watch(images):
        seen.append(images.clone())
        return brighten(images)

    fast(strong_views=watch, max_epochs=2, self_label_epochs=0).fit(colored[0])
    # both of a pair, in each epoch
    assert sum(len(images) for images in seen) == 2 * 2 * 60
    seen.clear()
    clusterer = fast(
        strong_views=watch,
        max_epochs=2,
        self_label_epochs=3,
        confidence_threshold=0.4,
    ).fit(colored[0])
    stages = [record["stage"] for record in clusterer.history_]
    assert stages.count("self-labelling") == 3
    # and one of each image in the second stage
    assert sum(len(images) for images in seen) == (2 * 2 + 3) * 60
    views = torch.cat(seen)
    assert views.shape[1:] == (3, 8, 8)
    assert views.min() >= 0
    assert 0.5 < views.max() <= 1


def test_own_views_of_grey_images_have_one_channel(colored):
    shapes = set()

    def watch(images):
        shapes.add(tuple(images.shape[1:]))
        return images

    fast(n_clusters=2, strong_views=watch, max_epochs=1).fit(colored[0][..., 0])
    assert shapes == {(1, 8, 8)}


def test_automatic_views(colored):
    # views change colours, and at a higher rate groups of colours may merge
    settings = {"max_epochs": 30, "learning_rate": 3e-3, "random_state": 1}
    clusterer = fast(strong_views="auto", **settings).fit(colored[0])
    np.testing.assert_array_equal(
        fast(strong_views="auto", **settings).fit(colored[0]).embedding_,
        clusterer.embedding_,
    )
    plain = fast(strong_views=torch.clone, **settings).fit(colored[0])
    assert (plain.embedding_ != clusterer.embedding_).any()
    assert clustering_accuracy(colored[1], clusterer.labels_) > 0.95


# -- settings ------------------------------------------------------------------------


def test_without_neighbors(colored, new):
    clusterer = fast(n_neighbors=0, max_epochs=30).fit(colored[0])
    assert clusterer.neighbors_.indices.shape == (60, 0)
    assert clusterer.neighbors_.similarities.shape == (60, 0)
    assert clustering_accuracy(colored[1], clusterer.labels_) == 1
    assert clustering_accuracy(new[1], clusterer.predict(new[0])) == 1
    # no frozen features to begin with: they have no neighbours either
    stages = [record["stage"] for record in clusterer.history_]
    assert stages.count("SCAN") == 30
    assert clusterer.score(colored[0]) > 0.6  # of three equal groups, at most 2 / 3


@pytest.mark.parametrize("finetune", ["auto", False])
def test_without_neighbors_a_frozen_backbone_has_nothing_to_learn(finetune, colored):
    with pytest.raises(ValueError, match=r"n_neighbors=0 .* finetune=True"):
        fast(n_neighbors=0, finetune=finetune).fit(colored[0])


def test_unreadable_images_are_skipped(colored, tmp_path):
    paths = write(colored[0], tmp_path)
    bad = tmp_path / "bad.png"
    bad.write_text("not an image")
    with_bad = [str(bad), *paths[:7], str(bad), *paths[7:]]
    clusterer = fast(bad_images="skip")
    with pytest.warns(UserWarning, match="2 of 62 images"):
        clusterer.fit(with_bad)
    rows = np.r_[1:8, 9:62]
    expected = fast().fit(paths)
    assert clusterer.labels_[[0, 8]].tolist() == [-1, -1]
    np.testing.assert_array_equal(clusterer.labels_[rows], expected.labels_)
    np.testing.assert_array_equal(clusterer.embedding_[rows], expected.embedding_)
    assert np.isnan(clusterer.embedding_[[0, 8]]).all()
    assert np.isnan(clusterer.probabilities_[[0, 8]]).all()
    assert [failure.row for failure in clusterer.bad_images_] == [0, 8]
    assert (clusterer.neighbors_.indices[[0, 8]] == -1).all()
    with pytest.warns(UserWarning, match="2 of 62 images"):
        labels = clusterer.predict(with_bad)
    np.testing.assert_array_equal(labels, clusterer.labels_)


def test_more_clusters_than_classes():
    """Two shades of each colour, found as clusters of their own."""
    rng = np.random.default_rng(0)
    shades = np.repeat(np.arange(6), 12)
    colors = COLORS[shades // 2] * np.where(shades % 2, 1.0, 0.4)[:, None]
    images = colors[:, None, None] + rng.integers(0, 40, (72, 8, 8, 3))
    clusterer = fast(n_clusters=6, max_epochs=30, strong_views=torch.clone)
    labels = clusterer.fit_predict(images.astype(np.uint8))
    assert clusterer.probabilities_.shape == (72, 6)
    assert np.unique(labels).tolist() == list(range(6))
    assert majority_accuracy(shades // 2, labels) == 1
    assert clustering_accuracy(shades // 2, labels) < 0.7


@pytest.mark.filterwarnings("ignore:Training the backbone merged")
def test_cluster_prior(colored):
    images, y = colored
    rows = np.r_[np.flatnonzero(y == 0), np.flatnonzero(y == 1)[:6]]
    settings = {"n_clusters": 2, "entropy_weight": 5.0, "max_epochs": 30}
    known = fast(cluster_prior=[0.23, 0.77], **settings).fit(images[rows])
    assert np.bincount(known.labels_).tolist() == [20, 6]
    assert clustering_accuracy(y[rows], known.labels_) == 1
    short = settings | {"max_epochs": 1, "learning_rate": 1e-4, "self_label_epochs": 0}
    equal = fast(**short).fit(images[rows])
    other = fast(**short, cluster_prior=[0.4, 0.6]).fit(images[rows])
    assert (other.head_losses_ != equal.head_losses_).all()


def test_moving_average(finetuned, colored):
    averaged = fast(ema_decay=0.9).fit(colored[0])
    assert averaged.self_labeled_
    assert not same_weights(weights(averaged), weights(finetuned))
    np.testing.assert_array_equal(averaged.labels_, finetuned.labels_)
    np.testing.assert_array_equal(averaged.predict(colored[0]), averaged.labels_)


def test_fewer_images_than_a_batch(colored):
    clusterer = fast(batch_size=1000).fit(colored[0])
    assert clustering_accuracy(colored[1], clusterer.labels_) == 1


def test_fixmatch_searches_for_neighbors_as_the_fit_does(colored, monkeypatch):
    methods, mine = [], fixmatch.mine_neighbors

    def noting(*args, method, **settings):
        methods.append(method)
        return mine(*args, method=method, **settings)

    monkeypatch.setattr(fixmatch, "mine_neighbors", noting)
    fast(neighbor_method="exact", self_labeling="fixmatch").fit(colored[0])
    assert methods == ["exact"]


def test_no_confident_sample_leaves_the_first_stage():
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), np.uint8)
    # with all others for neighbours, no cluster is better than another
    settings = {"n_neighbors": 59, "max_epochs": 60, "learning_rate": 0.03}
    first_stage = fast(**settings, self_label_epochs=0).fit(images)
    unsure = fast(**settings, confidence_threshold=0.99)
    with pytest.warns(ConvergenceWarning, match="Self-labelling was skipped"):
        unsure.fit(images)
    assert not unsure.self_labeled_
    assert same_weights(weights(unsure), weights(first_stage))
    np.testing.assert_array_equal(unsure.embedding_, first_stage.embedding_)
    np.testing.assert_array_equal(unsure.probabilities_, first_stage.probabilities_)


def test_divergence_leaves_a_fit_to_predict_with(colored):
    passes = []

    def breaking(images):
        passes.append(len(images))
        # six batches (three of the anchors' and partners' views) an epoch
        return images * (torch.nan if len(passes) > 7 else 1)

    clusterer = fast(strong_views=breaking, self_label_epochs=0)
    with pytest.warns(ConvergenceWarning, match="SCAN stage, which stopped there"):
        clusterer.fit(colored[0])
    assert np.isfinite(clusterer.probabilities_).all()
    np.testing.assert_array_equal(clusterer.predict(colored[0]), clusterer.labels_)


def test_grid_search_over_the_pretexts_epochs(colored):
    encoder = SimCLR(tiny_net, batch_size=20)
    settings = {"max_epochs": 2, "self_label_epochs": 0, "n_neighbors": 3}
    search = GridSearchCV(
        fast(encoder=encoder, **settings),
        {"encoder__epochs": [1, 2]},
        cv=KFold(2, shuffle=True, random_state=0),
        scoring=clustering_accuracy_scorer,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # after so few epochs
        search.fit(*colored)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_params_["encoder__epochs"] in (1, 2)
    best = search.best_estimator_.encoder_
    assert len(best.history_) == search.best_params_["encoder__epochs"]


# -- models of timm ------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.* empty:sklearn.exceptions.ConvergenceWarning")
def test_batch_norms_of_a_named_model_are_unfolded(colored, tmp_path):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = timm.create_model("resnet10t", num_classes=0)
    save_file(model.state_dict(), tmp_path / "weights.safetensors")
    encoder = ImageEncoder(
        "resnet10t", checkpoint=tmp_path / "weights.safetensors", input_size=16
    )
    images = colored[0][::3]
    # enough steps for the statistics of the norms to be those of these images
    settings = {"encoder": encoder, "max_epochs": 30, "self_label_epochs": 0}
    settings |= {"learning_rate": 3e-4}

    def n_norms(clusterer):
        modules = clusterer.encoder_.module_.modules()
        return sum(isinstance(module, nn.BatchNorm2d) for module in modules)

    frozen = fast(finetune=False, **settings).fit(images)
    assert n_norms(frozen) == 0
    # without neighbours, by which the stage may be undone
    trained = fast(n_neighbors=0, **settings).fit(images)
    assert n_norms(trained) == sum(
        isinstance(module, nn.BatchNorm2d) for module in model.modules()
    )
    before, after = model.state_dict(), weights(trained)
    assert before.keys() == after.keys()
    assert not torch.equal(before["conv1.0.weight"], after["conv1.0.weight"])
    assert not torch.equal(before["bn1.running_mean"], after["bn1.running_mean"])
    np.testing.assert_array_equal(trained.predict(images), trained.labels_)
    restored = pickle.loads(pickle.dumps(trained))
    np.testing.assert_array_equal(restored.predict(images), trained.labels_)


# -- bad input -----------------------------------------------------------------------


def test_half_precision_is_refused(colored):
    message = "precision must be 'auto', 'fp32' or 'bf16' to train a backbone"
    with pytest.raises(ValueError, match=message):
        fast(precision="fp16").fit(colored[0])
    frozen = fast(precision="fp16", finetune=False, max_epochs=1, self_label_epochs=0)
    assert frozen.fit(colored[0]).labels_.shape == (60,)


def test_bfloat16(colored):
    clusterer = fast(precision="bf16", learning_rate=3e-3).fit(colored[0])
    assert clusterer.score(*colored) == 1


def test_features_have_no_backbone(colored):
    X = colored[0].mean(axis=(1, 2))
    with pytest.raises(ValueError, match=r"finetune=True .* X holds features"):
        fast(encoder="auto").fit(X)


def test_an_encoder_without_a_backbone(colored):
    class Source(Encoder):
        def transform(self, X):
            return np.stack([X[i].mean(axis=(0, 1)) for i in range(len(X))]).astype(
                np.float32
            )

    auto = fast(encoder=Source(), finetune="auto").fit(colored[0])
    assert clustering_accuracy(colored[1], auto.labels_) == 1
    with pytest.raises(TypeError, match="which Source does not offer"):
        fast(encoder=Source()).fit(colored[0])


def test_views_that_change_the_number_of_images(colored):
    clusterer = fast(strong_views=lambda images: images[1:])
    with pytest.raises(ValueError, match="strong_views must return float views"):
        clusterer.fit(colored[0])


def forget(heads, trunk, *args, **kwargs):
    """Train as the stage does; then the network and the heads know nothing."""
    losses = train_heads(heads, trunk, *args, **kwargs)
    with torch.no_grad():
        for weights in [*trunk.body.parameters(), *heads.parameters()]:
            weights.zero_()
    return losses


@pytest.mark.parametrize("finetune", [True, "auto"])
def test_a_first_stage_that_merges_clusters_is_undone(finetune, colored, monkeypatch):
    monkeypatch.setattr(guarded, "information_lost", information_lost)
    monkeypatch.setattr(finetuning, "train_heads", forget)
    encoder = pretrained()
    if finetune == "auto":  # trains what learns from the images
        encoder = SimCLR(seeded_net, epochs=1, batch_size=20)
    clusterer = fast(
        encoder=encoder, finetune=finetune, max_epochs=3, self_label_epochs=0
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        labels = clusterer.fit_predict(colored[0])
    told = [w for w in caught if "was undone: lower learning_rate" in str(w.message)]
    assert len(told) == (finetune is True)  # only who asked for the training is told
    assert clustering_accuracy(colored[1], labels) == 1
    np.testing.assert_array_equal(clusterer.predict(colored[0]), labels)


@pytest.mark.parametrize(
    ("views", "error", "came"),
    [
        (lambda x: 255 * x, ValueError, r"in \[0, 1\].*from 0 to 2"),
        (lambda x: x * torch.nan, ValueError, "nan"),
        (lambda x: (255 * x).byte(), TypeError, "torch.uint8"),
        (lambda x: None, TypeError, "NoneType"),
        (lambda x: x[..., :4], ValueError, r"\(40, 3, 8, 4\)"),
    ],
)
def test_what_strong_views_return_is_checked(colored, views, error, came):
    with pytest.raises(error, match=f"strong_views must return float views.*{came}"):
        fast(strong_views=views).fit(colored[0][:20])
