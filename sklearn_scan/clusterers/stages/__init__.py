"""The stages of training, one a file."""

from sklearn_scan.clusterers.stages.base import (
    Decisions,
    Found,
    Material,
    Stage,
    run_stages,
)
from sklearn_scan.clusterers.stages.comparison import Comparison
from sklearn_scan.clusterers.stages.finetuning import Finetuning
from sklearn_scan.clusterers.stages.first_heads import FirstHeads
from sklearn_scan.clusterers.stages.fixmatch import FixMatch
from sklearn_scan.clusterers.stages.guarded import Guarded
from sklearn_scan.clusterers.stages.merging_periods import (
    MergingPeriods,
    period_numbers,
)
from sklearn_scan.clusterers.stages.self_labeling import SelfLabeling
from sklearn_scan.clusterers.stages.teacher_heads import TeacherHeads

__all__ = [
    "Comparison",
    "Decisions",
    "Finetuning",
    "FirstHeads",
    "FixMatch",
    "Found",
    "Guarded",
    "Material",
    "MergingPeriods",
    "SelfLabeling",
    "Stage",
    "TeacherHeads",
    "period_numbers",
    "run_stages",
]
