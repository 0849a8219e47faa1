"""The encoder made of a backbone: timm model, checkpoint or any module."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Self

import joblib
import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import nn

from sklearn_scan.core.device import (
    kept_heap,
    resolve_device,
    resolve_precision,
    to_compute,
)
from sklearn_scan.core.features import Features
from sklearn_scan.core.random import isolated_rng
from sklearn_scan.core.validation import check_count, check_option, check_real, is_auto
from sklearn_scan.core.wording import Advice, Message, Setting
from sklearn_scan.encoders._backbone_runner import BackboneRunner, suggest_batch_size
from sklearn_scan.encoders._base import (
    Embedded,
    Encoder,
    Trainable,
    check_settings,
    chosen_rows,
)
from sklearn_scan.encoders._embedding import EmbeddingPass
from sklearn_scan.encoders._embedding_array import (
    EmbeddingArray,
    EmbeddingFile,
    KeptRows,
)
from sklearn_scan.encoders._preprocessing import Preprocessing, per_channel
from sklearn_scan.encoders._shards import (
    ShardedPass,
    folder_of_shards,
    suits_workers,
)
from sklearn_scan.encoders._weights_origin import WeightsOrigin
from sklearn_scan.encoders.backbones import (
    Model,
    build_backbone,
    check_model,
    fold_named,
    has_norms,
    is_delicate,
    is_folded,
)
from sklearn_scan.encoders.cache import (
    EmbeddingCache,
    cache_folder,
    digest,
    fingerprint,
)
from sklearn_scan.images import (
    INTERPOLATIONS,
    MAX_PIXELS,
    ArraySource,
    BadImages,
    FileSource,
    ImageSource,
    as_image_source,
    decoder_settings,
)

# A small DINOv2: the best published k-NN accuracy for its size, 384 features.
DEFAULT_MODEL = "vit_small_patch14_dinov2.lvd142m"
_DEFAULT_INPUT_SIZE = 224  # its training size, 518, costs five times as much


class ImageEncoder(Encoder):
    """Embed images with a pretrained network, the backbone.

    `transform` works without `fit`, but then it builds the backbone again each time.

    Parameters
    ----------
    model : str, nn.Module or callable, default="vit_small_patch14_dinov2.lvd142m"
        The name of a timm model, whose pretrained weights are downloaded from the hub
        on first use. Or a module that takes images (b, 3, h, w) and returns features
        (b, embed_dim), or a function that returns such a module. A named model that was
        trained with texts, such as CLIP, keeps its projection into the space that it
        shares with texts; named DINOv3 and EUPE transformers are pooled by their class
        token.
    checkpoint : path, default=None
        A file of weights (safetensors, or a PyTorch state dict) to use instead of those
        of the hub. Nothing in the file is executed.
    input_size : int, default=None
        The side of the square images that the backbone gets, in pixels. None means the
        size of the model (224 for the default model and for plain modules).
    crop_pct : float in (0, 1], default=None
        The share of the shorter side of an image that is kept. None means the value of
        the model.
    interpolation : {"nearest", "bilinear", "bicubic", "lanczos"}, default=None
        How images are resized. None means the value of the model.
    mean, std : float or 3 floats, default=None
        The mean of the pixel values in [0, 1], which is subtracted, and their standard
        deviation, by which they are divided. None means the values of the model.
    model_kwargs : dict, default=None
        Arguments for `timm.create_model`, or for the function. `num_classes=0` leaves a
        projection out, and `global_pool` chooses the pooling.
    batch_size : int or "auto", default="auto"
        The largest number of images that are embedded at once. "auto" depends on
        `input_size` and the device: 8 of 224 pixels on a CPU, where more are slower,
        and up to 256 on a GPU. If memory runs out, it is halved, with a warning.
    device : str or torch.device, default="auto"
        Where to compute; "auto" prefers CUDA, then MPS, then the CPU.
    precision : {"auto", "fp32", "bf16", "fp16"}, default="auto"
        The number format of the backbone. "auto" uses bf16 if the hardware supports it.
        For networks of depthwise convolutions with batch norms, such as MobileNet, bf16
        is not exact enough, and "auto" uses fp16. The cosine with embeddings in fp32 is
        about 0.999 or better; "fp32" is exact.
    memory : path or joblib.Memory, default=None
        A folder that saves the embedding of each image. An image is recognised by its
        content, and each backbone embeds it only once.
    bad_images : {"raise", "skip"}, default="raise"
        What happens if images cannot be read. "raise": an error lists all of them.
        "skip": a warning, and their rows are NaN.
    max_pixels : int or None, default=89_478_485
        The most pixels of an image that is decoded. A larger one is an image that
        cannot be read, as its header tells: nothing of it is decoded. The default, 89
        megapixels, is the size that Pillow warns of. Each worker needs 4 to 12 bytes of
        memory a pixel, by the format. A larger `PIL.Image.MAX_IMAGE_PIXELS` takes the
        place of the default. None is no limit.
    n_jobs : int, default=None
        The number of workers that read images. None or -1 means one per core. They are
        threads if the CPU embeds the images, and processes if a GPU embeds files. A
        process that needs more than a minute for a file, or crashes at it, is replaced,
        and the file is an image that cannot be read. A thread cannot be stopped: it has
        no such limit.
    verbose : int, default=0
        If it is above zero, a progress bar shows the images per second and the time
        left.

    Attributes
    ----------
    module_ : nn.Module
        The backbone. In a named model, batch norms are folded into the convolutions
        before them.
    preprocessing_ : Preprocessing
        How images are cropped, resized and normalised.
    weights_origin_ : WeightsOrigin
        Where the weights come from, and their licence, where they are known.

    See Also
    --------
    sklearn_scan.pretext.SimCLR : An encoder learnt from the images themselves.

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> backbone = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())
    >>> images = np.zeros((5, 32, 32, 3), dtype=np.uint8)
    >>> ImageEncoder(backbone, input_size=32).transform(images).shape
    (5, 12)
    """

    is_trainable = True

    def __init__(
        self,
        model: Model = DEFAULT_MODEL,
        *,
        checkpoint: str | Path | None = None,
        input_size: int | None = None,
        crop_pct: float | None = None,
        interpolation: str | None = None,
        mean: float | Sequence[float] | None = None,
        std: float | Sequence[float] | None = None,
        model_kwargs: dict[str, Any] | None = None,
        batch_size: int | str = "auto",
        device: str | torch.device = "auto",
        precision: str = "auto",
        memory: str | Path | joblib.Memory | None = None,
        bad_images: str = "raise",
        max_pixels: int | None = MAX_PIXELS,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.model = model
        self.checkpoint = checkpoint
        self.input_size = input_size
        self.crop_pct = crop_pct
        self.interpolation = interpolation
        self.mean = mean
        self.std = std
        self.model_kwargs = model_kwargs
        self.batch_size = batch_size
        self.device = device
        self.precision = precision
        self.memory = memory
        self.bad_images = bad_images
        self.max_pixels = max_pixels
        self.n_jobs = n_jobs
        self.verbose = verbose

    def check(self) -> None:
        """Raise if a parameter is wrong, without building or fetching the model.

        Raises
        ------
        TypeError, ValueError
            Naming the parameter, what was expected and what came.
        """
        check_model(self.model, self.checkpoint)
        if self.input_size is not None:
            check_count("input_size", self.input_size)
        if self.crop_pct is not None:
            check_real(
                "crop_pct", self.crop_pct, minimum=0, maximum=1, boundaries="right"
            )
        if self.interpolation is not None:
            check_option("interpolation", self.interpolation, INTERPOLATIONS)
        if self.mean is not None:
            per_channel("mean", self.mean)
        if self.std is not None and min(per_channel("std", self.std)) <= 0:
            raise ValueError(
                Message("{} must be above zero; got {!r}.", Setting("std"), self.std)
            )
        if not is_auto("batch_size", self.batch_size):
            check_count("batch_size", self.batch_size)
        if not (self.model_kwargs is None or isinstance(self.model_kwargs, dict)):
            raise TypeError(
                Message(
                    "{} must be a {}; got {!r}.",
                    Setting("model_kwargs"),
                    Advice("table", "dict"),
                    self.model_kwargs,
                )
            )
        check_settings(self)

    def fit(self, X: Any = None, y: Any = None) -> Self:
        """Build the backbone and load its weights; nothing is learnt from X.

        Parameters
        ----------
        X, y : ignored
            Part of scikit-learn's interface.

        Returns
        -------
        self

        Raises
        ------
        HubUnavailableError
            If pretrained weights cannot be fetched.
        """
        self.check()
        module = self._build()
        self.preprocessing_ = Preprocessing.of(
            module,
            input_size=self._input_size,
            crop_pct=self.crop_pct,
            interpolation=self.interpolation,
            mean=self.mean,
            std=self.std,
        )
        self.weights_origin_ = WeightsOrigin.of(self.model, self.checkpoint)
        self._delicate = is_delicate(module)
        # The user's own module keeps its weights: it may be trained further.
        module = fold_named(module) if isinstance(self.model, str) else module
        self.module_ = module.to(memory_format=torch.channels_last)
        return self

    def transform(
        self, X: Any, *, out: str | os.PathLike[str] | None = None
    ) -> NDArray[np.float32]:
        """Embed images.

        Parameters
        ----------
        X : images
            Anything `sklearn_scan.images.as_image_source` reads.
        out : path, default=None
            A .npy file for an embedding that is larger than memory. It appears when it
            is complete. If you change the returned array, the file does not change.

        Returns
        -------
        ndarray of float32, shape (n, embed_dim)
            The pooled output of the backbone, a row for each image; a memmap of `out`,
            if given.

        Raises
        ------
        ImageReadError
            If images cannot be read and `bad_images` is "raise", or if no image can be
            read; lists all of them.
        HubUnavailableError
            If pretrained weights cannot be fetched.
        ValueError
            If the backbone does not return one vector for each image.

        Warns
        -----
        UserWarning
            If images cannot be read and `bad_images` is "skip"; or if the cache cannot
            be used.
        RuntimeWarning
            If memory runs out and smaller batches are used.
        """
        source = as_image_source(X, max_pixels=self.max_pixels)
        embedded = self.embed(source) if out is None else self.embed(source, out=out)
        return embedded.features.array

    def embed(
        self,
        source: ImageSource,
        rows: slice | None = None,
        *,
        out: str | os.PathLike[str] | None = None,
    ) -> Embedded:
        """Embed the images of a source, or some rows of it; see `Encoder.embed`.

        `out`, what is raised and what is warned of are as for `transform`.
        """
        if not hasattr(self, "module_"):
            return ImageEncoder.embed(copy.copy(self).fit(), source, rows, out=out)
        chosen, runner = chosen_rows(source, rows), self._runner()
        if out is None:
            return self._embed(source, runner, EmbeddingArray(chosen))
        identity = self._identity_of_pass(source, runner, chosen)
        return self._embed(source, runner, EmbeddingFile(chosen, out, identity))

    def embed_with_folder(self, source: ImageSource, folder: Path) -> Embedded:
        """Embed all images; rows are kept in a folder as they are made."""
        chosen, runner = chosen_rows(source, None), self._runner()
        identity = self._identity_of_pass(source, runner, chosen)
        return self._embed(source, runner, KeptRows(chosen, folder, identity))

    def _embed(
        self, source: ImageSource, runner: BackboneRunner, array: EmbeddingArray
    ) -> Embedded:
        """Embed the images of a source that an array has rows for."""
        if suits_workers(source, len(array.rows)):
            return self._embed_by_workers(source, runner, array)
        bad, cache = BadImages(self.bad_images), self._cache(source, runner)
        crop = self.preprocessing_.crop
        work = EmbeddingPass(source, array.rows, runner, crop, cache, bad, self.n_jobs)
        on_cpu = runner.device.type == "cpu"
        with kept_heap() if on_cpu else nullcontext():
            features = work.run(
                array,
                batch_size=runner.batch_size,
                processes=not on_cpu,
                verbose=self.verbose,
            )
        return Embedded(Features.of(features), bad.found)

    def _embed_by_workers(
        self, source: ImageSource, runner: BackboneRunner, array: EmbeddingArray
    ) -> Embedded:
        """Embed images by the workers of the backend that the user has set."""
        rows, memory = array.rows, cache_folder(self.memory)
        identity, bad = self._identity(source, runner), BadImages(self.bad_images)
        alike = copy.copy(self).set_params(bad_images="skip", verbose=0)
        place: AbstractContextManager[Path] = (
            folder_of_shards(memory, identity, source, rows)
            if array.shards is None
            else nullcontext(array.shards)
        )
        with place as folder:
            size, n_jobs = runner.batch_size, self.n_jobs
            work = ShardedPass(source, rows, alike, identity, size, folder, n_jobs)
            features = work.run(array, bad, self.verbose)
        return Embedded(Features.of(features), bad.found)

    def _identity_of_pass(
        self, source: ImageSource, runner: BackboneRunner, rows: range
    ) -> str:
        """Return a digest of all that the rows of a pass depend on."""
        images = source.fingerprint(), source.max_pixels, repr(rows), self.bad_images
        return digest(self._identity(source, runner), runner.batch_size, *images)

    def for_training(self) -> Trainable:
        """Return a copy of the backbone, to be trained, and its preprocessing.

        Training the copy does not change the encoder: `with_trained` returns one that
        uses it. If batch norms are folded in this encoder, the copy is a newly built
        pretrained model, in which they are not folded.
        """
        check_is_fitted(self)
        module = self._build() if self._is_folded else copy.deepcopy(self.module_)
        return Trainable(module, self.preprocessing_)

    def with_trained(self, module: nn.Module) -> Self:
        """Return a copy of the encoder that uses a trained backbone.

        See `Encoder.with_trained`. If `model` is a module, it is replaced too.
        """
        check_is_fitted(self)
        trained = copy.copy(self)
        trained.module_ = to_compute(module, torch.device("cpu")).eval()
        if hasattr(self, "weights_origin_"):  # else it is of an earlier version
            origin = self.weights_origin_._replace(trained_further=True)
            trained.weights_origin_ = origin
        if isinstance(self.model, nn.Module):
            trained.model = module
        return trained

    def networks(self) -> list[Trainable]:
        """Return the backbone as `transform` uses it, and its preprocessing."""
        check_is_fitted(self)
        return [Trainable(self.module_, self.preprocessing_)]

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "module_")

    @property
    def _n_features_out(self) -> int:
        """The width of the embedding, for scikit-learn: that of a black image's."""
        silent = copy.copy(self).set_params(memory=None, verbose=0)
        black = ArraySource(np.zeros((1, 8, 8), dtype=np.uint8))
        return int(silent.embed(black).features.array.shape[1])

    def _runner(self) -> BackboneRunner:
        """Return the backbone on the device, ready to embed batches."""
        device = resolve_device(self.device)
        batch_size = self.batch_size
        if isinstance(batch_size, str):
            batch_size = suggest_batch_size(self.preprocessing_.input_size, device)
        return BackboneRunner(
            self.module_,
            self.preprocessing_,
            device=device,
            dtype=resolve_precision(self.precision, device, delicate=self._delicate),
            batch_size=int(batch_size),
            # once folded, no layer of such a network needs more than its convolutions
            whole=self._is_folded and self._delicate and not has_norms(self.module_),
        )

    def _build(self) -> nn.Module:
        with isolated_rng(0):  # for the weights that a model begins with
            return build_backbone(
                self.model,
                checkpoint=self.checkpoint,
                input_size=self._input_size,
                model_kwargs=self.model_kwargs,
            )

    @property
    def _input_size(self) -> int | None:
        if self.input_size is None and self.model == DEFAULT_MODEL:
            return _DEFAULT_INPUT_SIZE
        return self.input_size

    def __getstate__(self) -> dict[str, Any]:
        """Return the state to pickle, with weights on the CPU, as all machines have."""
        state: dict[str, Any] = super().__getstate__()
        module = state.get("module_")
        if module is None or all(p.device.type == "cpu" for p in module.parameters()):
            return state
        # copied together, since they may be the same module
        model, module = copy.deepcopy((self.model, module))
        return state | {"model": model, "module_": module.cpu()}

    @property
    def _is_folded(self) -> bool:
        return isinstance(self.model, str) and is_folded(self.module_)

    def _cache(
        self, source: ImageSource, runner: BackboneRunner
    ) -> EmbeddingCache | None:
        folder = cache_folder(self.memory)
        if folder is None:
            return None
        named = isinstance(self.model, str)
        name = str(self.model) if named else type(self.module_).__name__
        return EmbeddingCache(folder, self._identity(source, runner), name)

    def _identity(self, source: ImageSource, runner: BackboneRunner) -> str:
        """Return a digest of all that decides the embedding of an image."""
        settings = [repr(self.preprocessing_), runner.device.type, str(runner.dtype)]
        settings.append(f"whole: {runner.whole}")
        if isinstance(source, FileSource):
            settings.append(decoder_settings())
        return fingerprint(self.module_, *settings)
