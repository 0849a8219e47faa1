"""The attributes that the docs of all pretexts share."""

from __future__ import annotations

from sklearn_scan.core.docs import share_docs
from sklearn_scan.pretext._base import MOST_EPOCHS_IN_BUDGET
from sklearn_scan.training.checkpoints import INTERVAL

pretext_docs = share_docs(
    INTERVAL=f"{INTERVAL:g}",
    MOST_EPOCHS_IN_BUDGET=str(MOST_EPOCHS_IN_BUDGET),
    fitted="""
    encoder_ : ImageEncoder
        The trained encoder, which can be used and saved on its own.
    history_ : list of dict
        The loss of each epoch.
    n_epochs_ : int
        The number of epochs that were made.
    """,
)
