"""The encoder made of a backbone: timm model, checkpoint or any module."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from contextlib import nullcontext
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
from sklearn_scan.encoders._backbone_runner import BackboneRunner, suggest_batch_size
from sklearn_scan.encoders._base import (
    Embedded,
    Encoder,
    Trainable,
    check_settings,
    chosen_rows,
)
from sklearn_scan.encoders._embedding import EmbeddingPass
from sklearn_scan.encoders._preprocessing import Preprocessing, per_channel
from sklearn_scan.encoders.backbones import (
    Model,
    build_backbone,
    check_model,
    fold_named,
    has_norms,
    is_delicate,
    is_folded,
)
from sklearn_scan.encoders.cache import EmbeddingCache, cache_folder, fingerprint
from sklearn_scan.images import (
    INTERPOLATIONS,
    ArraySource,
    BadImages,
    ImageSource,
    PathSource,
    as_image_source,
    decoder_settings,
)

# A small DINOv2: the best published k-NN accuracy for its size, 384 features.
DEFAULT_MODEL = "vit_small_patch14_dinov2.lvd142m"
_DEFAULT_INPUT_SIZE = 224  # its training size, 518, costs five times as much


class ImageEncoder(Encoder):
    """Embed images with a pretrained backbone.

    Without `fit`, each `transform` builds the backbone anew.

    Parameters
    ----------
    model : str, nn.Module or callable, default="vit_small_patch14_dinov2.lvd142m"
        The name of a timm model, whose pretrained weights are fetched from the hub on
        first use; or a module from images (b, 3, h, w) to features (b, embed_dim); or
        a function that returns such a module. By name, a model trained with texts (CLIP
        and its kin) keeps its projection to the space of the texts, and DINOv3 and EUPE
        transformers are pooled by their class token.
    checkpoint : path, default=None
        Weights on disk (safetensors, or a PyTorch state dict) to use instead of the
        hub's. Nothing in the file is executed.
    input_size : int, default=None
        The side of the square images the backbone sees, in pixels. None takes the
        model's own (224 for the default model and for plain modules).
    crop_pct : float in (0, 1], default=None
        The share of an image's shorter side that is kept. None takes the model's own.
    interpolation : {"nearest", "bilinear", "bicubic", "lanczos"}, default=None
        How to resize. None takes the model's own.
    mean, std : float or 3 floats, default=None
        Of the pixel values in [0, 1], subtracted and divided by. None takes the
        model's own.
    model_kwargs : dict, default=None
        Passed on to `timm.create_model`, or to the function. `num_classes=0` leaves a
        projection out, and `global_pool` chooses the pooling.
    batch_size : int or "auto", default="auto"
        The most images to embed at once. "auto" goes by `input_size` and the device:
        8 of 224 pixels on a CPU, where more are slower, and up to 256 on a GPU. Where
        memory runs out all the same, it is halved, with a warning.
    device : str or torch.device, default="auto"
        Where to compute; "auto" prefers CUDA, then MPS, then the CPU.
    precision : {"auto", "fp32", "bf16", "fp16"}, default="auto"
        The backbone's number format. "auto" takes bf16 where the hardware has it; for
        networks of depthwise convolutions with batch norms, such as MobileNet, for
        which it is too coarse, fp16. Embeddings agree with those in fp32 to a cosine of
        about 0.999 or better; "fp32" is exact.
    memory : path or joblib.Memory, default=None
        A folder in which each image's embedding is kept, by content, so that no image
        passes twice through the same backbone.
    bad_images : {"raise", "skip"}, default="raise"
        What to do about images that cannot be read: raise an error that lists all of
        them, or warn and leave NaN in their rows.
    n_jobs : int, default=None
        Workers that read images; None or -1 takes one per core. They are threads
        where the CPU embeds, and processes for files that a GPU embeds.
    verbose : int, default=0
        Above zero, shows a progress bar with images a second and the time left.

    Attributes
    ----------
    module_ : nn.Module
        The backbone. In a model made by name, batch norms are folded into the
        convolutions before them.
    preprocessing_ : Preprocessing
        How images are cropped, resized and normalised.

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
            raise ValueError(f"std must be above zero; got {self.std!r}.")
        if not is_auto("batch_size", self.batch_size):
            check_count("batch_size", self.batch_size)
        if not (self.model_kwargs is None or isinstance(self.model_kwargs, dict)):
            raise TypeError(f"model_kwargs must be a dict; got {self.model_kwargs!r}.")
        check_settings(self)

    def fit(self, X: Any = None, y: Any = None) -> Self:
        """Build the backbone and load its weights; nothing is learnt from X.

        Parameters
        ----------
        X, y : ignored
            Here for scikit-learn's sake.

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
            A .npy file to write the embedding to, for one larger than memory. It
            appears when it is complete. Changes of the array returned do not reach it.

        Returns
        -------
        ndarray of float32, shape (n, embed_dim)
            The backbone's pooled output, row by row; a memmap of `out`, if given.

        Raises
        ------
        ImageReadError
            If images cannot be read and `bad_images` is "raise", or if none can; lists
            all of them.
        HubUnavailableError
            If pretrained weights cannot be fetched.
        ValueError
            If the backbone's output is not one vector an image.

        Warns
        -----
        UserWarning
            With their number, if images cannot be read and `bad_images` is "skip"; or
            if the cache cannot be used.
        RuntimeWarning
            If memory runs out and smaller batches are taken.
        """
        source = as_image_source(X)
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
        runner = self._runner()
        chosen, crop = chosen_rows(source, rows), self.preprocessing_.crop
        bad, cache = BadImages(self.bad_images), self._cache(source, runner)
        work = EmbeddingPass(source, chosen, runner, crop, cache, bad, self.n_jobs)
        on_cpu = runner.device.type == "cpu"
        with kept_heap() if on_cpu else nullcontext():
            array = work.run(
                batch_size=runner.batch_size,
                processes=not on_cpu,
                out=out,
                verbose=self.verbose,
            )
        return Embedded(Features.of(array), bad.found)

    def for_training(self) -> Trainable:
        """Return a copy of the backbone, to be trained, and its preprocessing.

        Training the copy does not change the encoder: `with_trained` returns one that
        uses it. Where batch norms are folded, the copy is the pretrained model, built
        anew, in which they are not.
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
        settings = [repr(self.preprocessing_), runner.device.type, str(runner.dtype)]
        settings.append(f"whole: {runner.whole}")
        if isinstance(source, PathSource):
            settings.append(decoder_settings())
        named = isinstance(self.model, str)
        name = str(self.model) if named else type(self.module_).__name__
        return EmbeddingCache(folder, fingerprint(self.module_, *settings), name)
