"""What every pretext task is: an encoder that learns from the images themselves."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Self

import torch
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils import check_random_state
from torch import Tensor, nn

from sklearn_scan.core.checkpoint import Checkpoint, open_checkpoint
from sklearn_scan.core.device import (
    autocast,
    device_errors,
    kept_heap,
    place,
    resolve_device,
    resolve_precision,
    to_compute,
)
from sklearn_scan.core.random import isolated_rng, make_generator
from sklearn_scan.core.ranks import of_first
from sklearn_scan.core.threads import free_threads
from sklearn_scan.core.validation import (
    auto_or,
    check_auto_flag,
    checked,
    count,
    option,
    real,
)
from sklearn_scan.core.wording import Message, Setting
from sklearn_scan.encoders import Preprocessing, parameter_facts, version_facts
from sklearn_scan.encoders.cache import fingerprint
from sklearn_scan.exceptions import DivergenceError
from sklearn_scan.images import as_image_source
from sklearn_scan.images.augment import default_views
from sklearn_scan.pretext._backbones import (
    check_takes_smaller,
    make_backbone,
    probe,
)
from sklearn_scan.pretext._collapse import NoticeCollapse, some_of
from sklearn_scan.pretext._encoder_maker import LongFit
from sklearn_scan.pretext._network_encoder import NetworkEncoder, TrainingImages
from sklearn_scan.pretext._task import Material, Task
from sklearn_scan.training.averaging import MovingAverage
from sklearn_scan.training.batches import View, count_batches
from sklearn_scan.training.callbacks import EstimatorCallbacks
from sklearn_scan.training.checkpoints import resume
from sklearn_scan.training.loop import Loop, LoopCallback
from sklearn_scan.training.optimizers import OPTIMIZERS, make_optimizer
from sklearn_scan.training.pace import Plan, plan_training
from sklearn_scan.training.progressive import ProgressiveResizing, shrink
from sklearn_scan.training.split_batches import copy_alone, split_batches

# "auto" looks at about this many images in all, within these numbers of epochs.
_IMAGES_SEEN = 72_000
_FEWEST_EPOCHS, _MOST_EPOCHS = 20, 200
# With a budget of time, "auto" makes as many epochs as fit into it, up to this number.
MOST_EPOCHS_IN_BUDGET = 800
# The smallest side of views that are made smaller at first: those of 28 pixels hardly
# took less time (MNIST), and those of 8 learnt less (digits).
_LEAST_RESIZED = 32
_PLAN = "plan"  # the entry of a checkpoint


# With eq and repr, scikit-learn's own would be lost.
@dataclass(eq=False, repr=False)
class Pretext(CallbackSupportMixin, LongFit, NetworkEncoder, ABC):
    """The base class of encoders that a pretext task trains on unlabelled images.

    It is a dataclass, and its fields are the parameters that all pretexts share
    (`SimCLR` documents them). A subclass adds its own fields and writes `_task`.
    """

    _name: ClassVar[str]
    _sgd_rate: ClassVar[float]  # for batches of 512

    _: KW_ONLY
    epochs: int | str = checked("auto", auto_or(count()))
    batch_size: int = checked(128, count(2))
    optimizer: str = checked("muon", option(OPTIMIZERS))
    learning_rate: float | str = checked("auto", auto_or(real(0, None, "neither")))
    weight_decay: float = checked(1e-4, real(0))
    progressive_resizing: bool | str = checked("auto", check_auto_flag)
    compile: bool = False

    @abstractmethod
    def _task(self, material: Material) -> Task:
        """Return what to train, for images and an untrained backbone."""

    @with_callbacks
    def fit(self, X: Any, y: Any = None) -> Self:
        """Train the encoder on images.

        Parameters
        ----------
        X : images
            Anything `sklearn_scan.images.as_image_source` reads.
        y : ignored
            Part of scikit-learn's interface: labels are never used for training. Only
            callbacks get them (`set_callbacks`), to score the encoder after each epoch.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            If a parameter is wrong, X holds fewer than two images, or the images are
            too small for the backbone, or all the same.
        ImageReadError
            If images cannot be read and `bad_images` is "raise"; lists all of them.
        DivergenceError
            If the loss is not finite in the first epoch.
        CheckpointError
            If `checkpoint` is of another fit, in use, or damaged.
        OutOfMemoryError
            If memory runs out, on a GPU or on the machine.
        DeviceError
            If the GPU fails.

        Warns
        -----
        UserWarning
            If images cannot be read and `bad_images` is "skip"; or if the checkpoint
            cannot be written.
        ConvergenceWarning
            If the loss is not finite in a later epoch: training then stops, with the
            weights of the last good epoch. Or if the network collapsed: it makes nearly
            the same of all images.
        """
        return self._fit(X, y)

    @with_callbacks
    def fit_announced(self, X: Any, announce: Callable[[Plan], None]) -> Self:
        """Fit; before the training, tell how long it will take, which is measured."""
        return self._fit(X, None, announce)

    def _fit(
        self, X: Any, y: Any, announce: Callable[[Plan], None] | None = None
    ) -> Self:
        self.check()
        with open_checkpoint(self.checkpoint) as checkpoint:
            self._fit_with(checkpoint, X, y, announce)
        return self

    def _fit_with(
        self,
        checkpoint: Checkpoint | None,
        X: Any,
        y: Any,
        announce: Callable[[Plan], None] | None,
    ) -> None:
        source = as_image_source(X)
        seed = int(check_random_state(self.random_state).randint(2**31))
        if checkpoint is not None:
            if self.random_state is None:
                (seed,) = checkpoint.seeds_or([seed])
            facts = parameter_facts(self) | {"the set of images": source.fingerprint()}
            checkpoint.begin(facts | version_facts(), [seed])
        seed = of_first(seed)
        images, preprocessing, float_range = training = self._read(source)
        _check_differ(images)
        device = resolve_device(self.device)
        n_epochs = self._choose_epochs(len(images))
        if self.max_minutes is not None or announce is not None:
            plan = of_first(self._plan(training, n_epochs, device, seed, checkpoint))
            n_epochs = plan.n_epochs
            if announce is not None:
                announce(plan)
        task = self._init_callback_context(max_subtasks=n_epochs)
        task.call_on_fit_task_begin(estimator=self, X=X, y=y)
        with _computing(device, seed):
            backbone = make_backbone(self.backbone, preprocessing.input_size, self.stem)
            if checkpoint is not None:
                checkpoint.check_same("the backbone", fingerprint(backbone))

            def fitted() -> dict[str, Any]:
                encoder = self._as_encoder(copy_alone(backbone), preprocessing)
                # The weights of an epoch are of no use later: nothing of them is kept.
                encoder.set_params(memory=None)
                return {"encoder_": encoder, "_float_range": float_range}

            with split_batches(to_compute(backbone, device)):
                loop = self._make_loop(backbone, training, n_epochs, device, seed)
                loop.callbacks.append(EstimatorCallbacks(task, self, X, y, fitted))
                keeper = resume(loop, checkpoint, "training")
                self.history_ = loop.run(n_epochs)
            if keeper is not None:
                keeper.keep(loop)
            self._check_features(backbone, preprocessing.view()(images[:2].to(device)))
        self.n_epochs_ = len(self.history_)
        # Another batch of floats must be read on the scale of these.
        self._float_range = float_range
        self.encoder_ = self._as_encoder(backbone, preprocessing)
        task.call_on_fit_task_end(
            estimator=self, X=X, y=y, reconstruction_attributes={}
        )

    def _choose_epochs(self, n_images: int) -> int:
        if not isinstance(self.epochs, str):
            return int(self.epochs)
        if self.max_minutes is not None:
            return MOST_EPOCHS_IN_BUDGET
        return min(max(round(_IMAGES_SEEN / n_images), _FEWEST_EPOCHS), _MOST_EPOCHS)

    def _plan(
        self,
        training: TrainingImages,
        n_epochs: int,
        device: torch.device,
        seed: int,
        checkpoint: Checkpoint | None,
    ) -> Plan:
        """Return how many epochs to make: as many as fit into the budget of time.

        It is measured once: a fit that goes on has the plan that it began with.
        """
        if checkpoint is not None and _PLAN in checkpoint:
            return Plan(*checkpoint.get(_PLAN))
        size = training.preprocessing.input_size
        with _computing(device, seed):
            # copies, to throw away
            backbone = copy.deepcopy(make_backbone(self.backbone, size, self.stem))
            loop = self._make_loop(backbone, training, n_epochs, device, seed)
            loop.scheduler = None  # there may be more steps than it has
            plan = plan_training(loop, n_epochs, device, self.max_minutes)
        if checkpoint is not None:
            checkpoint.put({_PLAN: [*plan]})
        return plan

    def _make_view(
        self, preprocessing: Preprocessing, images: Tensor
    ) -> tuple[View, list[LoopCallback]]:
        """Return the views to train on, and what chooses their size."""
        view = preprocessing.view(self._augment(images.shape[1]))
        if not self._resizes(preprocessing.input_size):
            return view, []
        resizing = ProgressiveResizing(view)
        return resizing.view, [resizing]

    def _resizes(self, side: int) -> bool:
        """Tell whether the first epochs see smaller views."""
        if not isinstance(self.progressive_resizing, str):
            return self.progressive_resizing
        is_small_net = isinstance(self.backbone, str) and self.backbone == "auto"
        # a compiled network would be compiled for each size
        return is_small_net and side >= _LEAST_RESIZED and not self.compile

    def _augment(self, n_channels: int) -> Callable[[Tensor], Tensor] | None:
        """Return the augmentation of stored images; None for none."""
        return default_views(n_channels)

    def _make_loop(
        self,
        backbone: nn.Module,
        training: TrainingImages,
        n_epochs: int,
        device: torch.device,
        seed: int,
    ) -> Loop:
        """Return the loop that trains `backbone` in place."""
        images, preprocessing, _ = training
        backbone = to_compute(backbone, device)
        images = place(images, device)
        view, resizing = self._make_view(preprocessing, images)
        plain_view = preprocessing.view()
        few = plain_view(images[:2].to(device))
        embed_dim = probe(backbone, few)
        if resizing:
            check_takes_smaller(backbone, shrink(few), embed_dim)
        generator = make_generator(seed)
        n_batches = count_batches(len(images), self.batch_size)
        task = self._task(
            Material(
                backbone,
                embed_dim,
                images,
                view,
                plain_view,
                n_epochs * n_batches,
                generator,
                device,
            )
        )
        module = task.module.to(device)
        notice = NoticeCollapse(
            self._name,
            backbone,
            lambda: plain_view(some_of(images).to(device)),
            task.projector,
        )
        optimizer, schedule = make_optimizer(
            self.optimizer,
            [p for p in module.parameters() if p.requires_grad],
            learning_rate=self.learning_rate,
            sgd_rate=self._sgd_rate,
            weight_decay=self.weight_decay,
            batch_size=min(self.batch_size, len(images)),
            n_epochs=n_epochs,
            n_batches=n_batches,
        )
        return Loop(
            _compile(module) if self.compile else module,
            task.objective.to(device),
            task.batches,
            optimizer,
            scheduler=schedule,
            autocast=autocast(device, resolve_precision(self.precision, device)),
            callbacks=[*resizing, *task.callbacks, notice],
            stage=self._name,
            verbose=self.verbose,
        )

    @torch.no_grad()
    def _check_features(self, backbone: nn.Module, views: Tensor) -> None:
        """Raise if the features of the trained backbone are not finite."""
        features = backbone.eval()(views)
        if not bool(features.isfinite().all()):
            raise DivergenceError(
                Message(
                    "After {} the features of images are not finite: lower {}.",
                    *(self._name, Setting("learning_rate", of_encoder=True)),
                )
            )


@contextmanager
def _computing(device: torch.device, seed: int) -> Iterator[None]:
    """Compute inside the block with random numbers, threads and memory of its own."""
    with isolated_rng(seed, device), kept_heap(), free_threads(), device_errors():
        yield


def _check_differ(images: Tensor) -> None:
    """Raise if all images are the same: there is nothing to learn."""
    if all(torch.equal(image, images[0]) for image in images):
        raise ValueError(
            f"X holds {len(images)} images that are all the same at "
            f"{images.shape[-1]} pixels a side: there is nothing to learn from them."
        )


def _compile(module: nn.Module) -> nn.Module:
    """Return a module compiled, but for its moving averages, which count their steps.

    Each count would be compiled for itself.
    """
    untraced: Any = torch.compiler.disable
    for part in module.modules():
        if isinstance(part, MovingAverage):
            part.update = untraced(part.update)  # type: ignore[method-assign]
    compiled: nn.Module = torch.compile(module)  # type: ignore[assignment]
    return compiled
