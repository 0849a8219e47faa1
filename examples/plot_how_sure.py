"""
How sure is it?
===============

A clusterer puts every image into a cluster, even if the image fits none of them. The
probabilities show which images to check. This page shows how to use them.
"""

# %%
# A third of the digits are set aside, because a model cannot be tested on the images
# that it has learnt from.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.calibration import CalibrationDisplay
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sklearn_scan import SCANClusterer
from sklearn_scan.datasets import load_digits_images
from sklearn_scan.metrics import match_clusters
from sklearn_scan.plotting import plot_confidence, plot_neighbors, plot_uncertain

X, y = load_digits(return_X_y=True)
images = load_digits_images().images
X, X_new, y, y_new, images, _ = train_test_split(
    X, y, images, test_size=1 / 3, random_state=0
)
clusterer = SCANClusterer(n_clusters=10, random_state=0).fit(X)

# %%
# Confidence
# ----------
# The confidence of an image is the probability of its most probable cluster.

plot_confidence(clusterer)

# %%
# These are the least confident images. Below each image are the two clusters that it
# may belong to.

plot_uncertain(clusterer, images)

# %%
# Why is the confidence of the first image low? SCAN learns that neighbours belong
# together. The neighbours of this image are in several clusters (in red), so it lies
# between them.

least_sure = int(clusterer.probabilities_.max(axis=1).argmin())
plot_neighbors(clusterer, images, least_sure)

# %%
# Confident and correct
# ---------------------
# Are confident images more often correct? The labels answer this. The images that were
# set aside are sorted by confidence, and the accuracy is computed for the most
# confident ones. It falls if less confident images are included. So if a person can
# check some of the images, choose the least confident ones.

probabilities = clusterer.predict_proba(X_new)
class_of = match_clusters(y, clusterer.labels_)
predicted = np.array([class_of.get(c, -1) for c in probabilities.argmax(axis=1)])
right = predicted == y_new
confidence = probabilities.max(axis=1)

surest_first = np.argsort(-confidence, kind="stable")
n_kept = np.arange(1, len(right) + 1)
accuracy = right[surest_first].cumsum() / n_kept

_, ax = plt.subplots(layout="constrained")
ax.plot(n_kept[50:] / len(right), accuracy[50:])
ax.set(xlabel="share of images, the most confident first", ylabel="their accuracy")

# %%
# About as sure as correct
# ------------------------
# Training makes a head confident, and no labels show it its mistakes. So its
# probabilities are calibrated after the training. Other methods cluster the images too.
# If they find the same clusters, the clusters are probably correct: this gives an
# estimate of the share of correct images (``quality_.expected_accuracy``). The mean
# confidence is lowered to this share. In the picture, points below the diagonal mean
# that the model is still too confident; points above it mean that it is not confident
# enough.

display = CalibrationDisplay.from_predictions(
    right, confidence, n_bins=6, strategy="uniform", name="SCAN"
)
display.ax_.set(xlabel="confidence", ylabel="share that is correct")

print(f"expected accuracy: {clusterer.quality_.expected_accuracy:.3f}")
overconfidence = confidence.mean() - right.mean()
print(f"mean confidence less accuracy: {overconfidence:.3f}")
plt.show()
