"""What the clusterers share that train heads by steps down a loss."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

from sklearn_scan.clusterers.base import ImageClusterer
from sklearn_scan.clusterers.defaults import (
    LEAST_SHARE,
    MOST_LOST_ON_FEATURES,
    Schedule,
    self_labeling_schedule,
)
from sklearn_scan.clusterers.stages import (
    FixMatch,
    Guarded,
    Material,
    SelfLabeling,
    Stage,
)
from sklearn_scan.clusterers.trunks import BackboneTrunk
from sklearn_scan.core.validation import auto_or, checked, count, real
from sklearn_scan.core.wording import Message, Setting

SELF_LABELINGS = ("auto", "fixmatch", "confident")


@dataclass(eq=False, repr=False)
class TrainedClusterer(ImageClusterer):
    """A clusterer that trains heads, and may let them learn from themselves."""

    _: KW_ONLY
    max_epochs: int | str = checked("auto", auto_or(count()))
    self_label_epochs: int | str = checked("auto", auto_or(count(0)))
    learning_rate: float | str = checked("auto", auto_or(real(0, None, "neither")))
    batch_size: int | str = checked("auto", auto_or(count()))

    def _asked(self, auto: Schedule, n_epochs: int | str) -> Schedule:
        """Return the schedule that the parameters ask for."""
        return auto.asked(n_epochs, self.batch_size, self.learning_rate)

    def _self_labeling(
        self,
        material: Material,
        kind: str = "confident",
        ema_decay: float | None = None,
    ) -> list[Stage]:
        """Return the second stage, one of `SELF_LABELINGS`, if there is to be one."""
        if self.self_label_epochs == 0:
            return []
        trains_backbone = material.trunk.is_trained
        auto = self_labeling_schedule(
            material.n_samples, trains_backbone=trains_backbone
        )
        settings = (
            self.confidence_threshold,
            self._asked(auto, self.self_label_epochs),
            ema_decay,
        )
        stage: Stage
        if kind != "confident" and isinstance(material.trunk, BackboneTrunk):
            stage = FixMatch(*settings, self.neighbor_method)
        else:
            least_share = LEAST_SHARE if trains_backbone else 0.0
            stage = SelfLabeling(*settings, least_share)
        return [Guarded(stage, None if trains_backbone else MOST_LOST_ON_FEATURES)]


def check_self_labeling(kind: str, *, trains_backbone: bool) -> None:
    """Raise if a self-labelling is asked for that needs views, and there are none."""
    if kind == "fixmatch" and not trains_backbone:
        raise ValueError(
            Message(
                "{} learns from views of images, for which the backbone must be "
                "trained: pass images and {}, or {}.",
                *(Setting("self_labeling", kind), Setting("finetune", True)),
                Setting("self_labeling", "auto"),
            )
        )
