"""How far the confidence of a clustering says which samples are right."""

import numpy as np
from sklearn.metrics import roc_auc_score

from sklearn_scan.metrics import match_clusters

N_BINS = 15


def confidence_scores(classes, probabilities):
    """Return the scores of the most probable clusters, after Hungarian matching.

    Samples without probabilities (NaN) are left out.

    Parameters
    ----------
    classes : ndarray of int64, shape (n,)
    probabilities : ndarray, shape (n, n_clusters)

    Returns
    -------
    dict
        "ece", the expected calibration error; "auroc" of confidence, right samples
        against wrong, None where all are right or all wrong; "confidence", the mean.
    """
    known = ~np.isnan(probabilities).any(axis=1)
    classes, probabilities = classes[known], probabilities[known]
    labels, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    class_of = match_clusters(classes, labels)
    matched = np.array([class_of.get(label, -1) for label in labels.tolist()])
    right = matched == classes
    mixed = 0 < right.sum() < len(right)
    return {
        "ece": round(calibration_error(confidence, right), 4),
        "auroc": round(float(roc_auc_score(right, confidence)), 4) if mixed else None,
        "confidence": round(float(confidence.mean()), 4),
    }


def calibration_error(confidence, right):
    """How far confidence is from accuracy, on the mean of bins of equal width."""
    bins = np.minimum((confidence * N_BINS).astype(int), N_BINS - 1)
    gaps = np.bincount(bins, weights=confidence - right, minlength=N_BINS)
    return float(np.abs(gaps).sum() / len(right))
