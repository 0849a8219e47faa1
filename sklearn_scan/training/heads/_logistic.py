"""A linear head by logistic regression on the clusters of samples."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from sklearn_scan.core.sampling import draw_rows
from sklearn_scan.training.heads._linear import ClusterHeads

# scikit-learn's C, times the number of samples: few samples are to weigh as much as
# many, or the penalty merges small clusters. Of USPS and MNIST-test, whose clusters
# were .98 and .99 right, the mean confidence was .99 and 1.00. With ten times less,
# single samples were left out of their clusters; with ten times more, all were sure.
_INVERSE_PENALTY = 1000
_MOST_STEPS = 200


def logistic_head(
    labels: NDArray[np.int64], features: Tensor, n_clusters: int
) -> ClusterHeads:
    """Return a head that finds clusters again; of many samples, from a part.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
        The cluster of each sample.
    features : Tensor of shape (n, d)
        The samples, standardised.
    n_clusters : int
        The number of clusters, some of which may be empty: they are nowhere probable.
    """
    firsts = np.unique(labels, return_index=True)[1]  # small clusters may miss the draw
    drawn = np.union1d(draw_rows(len(labels), seed=0), firsts)
    labels, rows = labels[drawn], features[drawn].cpu().double().numpy()
    found = np.unique(labels)
    weight, bias = np.zeros((len(found), rows.shape[1])), np.zeros(len(found))
    if len(found) > 1:
        inverse_penalty = _INVERSE_PENALTY / len(rows)
        model = LogisticRegression(C=inverse_penalty, max_iter=_MOST_STEPS)
        with warnings.catch_warnings():
            # that the last digits are still moving, and that clusters are small
            warnings.simplefilter("ignore", ConvergenceWarning)
            warnings.filterwarnings("ignore", "The number of unique classes")
            model.fit(rows, labels)
        # of two classes, scikit-learn has the logit of the second alone
        weight[-len(model.coef_) :] = model.coef_
        bias[-len(model.coef_) :] = model.intercept_
    of_all = torch.zeros(1, n_clusters, rows.shape[1])
    biases = torch.full((1, n_clusters), -torch.inf)
    of_all[0, found] = torch.from_numpy(weight).float()
    biases[0, found] = torch.from_numpy(bias).float()
    return ClusterHeads.from_weights(of_all, biases).to(features.device)
