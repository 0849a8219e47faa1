"""
How sure is it?
===============

A clusterer puts every image into some cluster, also those that fit none. Its
probabilities say which to look at. This page shows what they are good for, and what
they are not.
"""

# %%
# A third of the digits are set aside: what a model says of images that it has learnt
# from is no test of it.

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
# The confidence of an image is the probability of its most probable cluster. Most are
# near one.

plot_confidence(clusterer)

# %%
# The few others are worth a look. Below each image are the two clusters that it might
# belong to.

plot_uncertain(clusterer, images)

# %%
# Why is the first of them unsure? SCAN learns that neighbours belong together, and
# where an image's neighbours are in several clusters (in red), it is between them.

least_sure = int(clusterer.probabilities_.max(axis=1).argmin())
plot_neighbors(clusterer, images, least_sure)

# %%
# Sure and right
# --------------
# Are confident images more often right? Labels tell. The images that were set aside are
# sorted by confidence, and the accuracy is taken among the surest of them: it falls as
# less sure ones are let in. So if some images may be left to a person, leave the least
# confident ones.

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
ax.set(xlabel="share of images kept, the surest first", ylabel="accuracy among them")

# %%
# Not a probability of being right
# --------------------------------
# The *order* of confidences is useful; their *values* are not to be believed. Were they
# calibrated, nine of ten images with a confidence of 0.9 would be right, and the points
# would lie on the diagonal. They lie below it, most of them: the model is surer than it
# should be, since it learnt to be sure, without anyone telling it when it was wrong.

display = CalibrationDisplay.from_predictions(
    right, confidence, n_bins=6, strategy="uniform", name="SCAN"
)
display.ax_.set(xlabel="confidence", ylabel="share that is right")

overconfidence = confidence.mean() - right.mean()
print(f"mean confidence less accuracy: {overconfidence:.3f}")
plt.show()
