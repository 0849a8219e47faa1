"""Calibrated clusters: the mean confidence, and what stays as it was."""

import math

import numpy as np
import pytest
import torch

from sklearn_scan.training.heads import CalibratedClusters, log_doubt


def draw_logits(n_samples=200, n_clusters=5, scale=4.0):
    generator = torch.Generator().manual_seed(0)
    return scale * torch.randn(
        1, n_samples, n_clusters, generator=generator, dtype=torch.float64
    )


def lowered_to(confidence, logits):
    return CalibratedClusters.with_mean(
        confidence, log_doubt(logits, logits.shape[2])[0], logits.shape[2]
    )


def by_loops(logits, power):
    rows = []
    for row in logits[0].softmax(dim=1).tolist():
        n, most = len(row), max(row)
        doubt = n / (n - 1) * (1 - most)
        confidence = 1 - (n - 1) / n * doubt**power
        kept = (confidence - 1 / n) / (most - 1 / n)
        rows.append([kept * p + (1 - kept) / n for p in row])
    return np.array(rows)


def test_it_is_the_formula():
    logits = draw_logits()
    calibrated = CalibratedClusters(0.3, logits.shape[2])(logits)[0].softmax(dim=1)
    np.testing.assert_allclose(calibrated, by_loops(logits, 0.3), rtol=1e-9)


@pytest.mark.parametrize("confidence", [0.25, 0.5, 0.75])
def test_the_mean_confidence_is_the_one_wanted(confidence):
    logits = draw_logits()
    calibrated = lowered_to(confidence, logits)(logits)[0].softmax(dim=1)
    assert calibrated.amax(dim=1).mean() == pytest.approx(confidence, abs=1e-4)


def test_labels_and_the_order_by_confidence_stay():
    logits = draw_logits()
    calibrated = lowered_to(0.5, logits)(logits)[0].softmax(dim=1)
    before, after = (p.max(dim=1) for p in (logits[0].softmax(dim=1), calibrated))
    assert before.indices.equal(after.indices)
    assert before.values.argsort().equal(after.values.argsort())


def test_samples_never_become_surer():
    logits = draw_logits(scale=0.5)
    assert lowered_to(0.99, logits).power == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_even_and_very_sure_samples(dtype):
    logits = torch.tensor([[[2.0, 2, 2], [1e4, 0, 0], [90, 0, 0]]], dtype=dtype)
    calibrated = CalibratedClusters(0.1, logits.shape[2])(logits)[0].softmax(dim=1)
    np.testing.assert_allclose(calibrated[0], 1 / 3, rtol=1e-5)
    np.testing.assert_allclose(calibrated[1], [1, 0, 0], atol=1e-9)
    confidence = 1 - 2 / 3 * (3 * math.exp(-90)) ** 0.1
    assert calibrated[2, 0] == pytest.approx(confidence, abs=1e-6)
