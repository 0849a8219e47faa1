"""
Groups of unequal sizes
=======================

One thing is in most of the pictures and another in a few. A clusterer that is drawn to
groups of one size cuts the large group up and lets the small ones go under. What helps
is to say how large the groups are, if that is known.
"""

# %%
# Four digits, half of them twos, and of sevens only a handful.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits

from sklearn_scan import SCANClusterer
from sklearn_scan.datasets import load_digits_images
from sklearn_scan.metrics import clustering_accuracy
from sklearn_scan.plotting import plot_confusion, plot_prototypes

counts = {2: 170, 3: 80, 5: 40, 7: 20}
X, y = load_digits(return_X_y=True)
rows = np.concatenate([np.flatnonzero(y == digit)[:n] for digit, n in counts.items()])
X, y, images = X[rows], y[rows], load_digits_images().images[rows]
shares = np.array([*counts.values()]) / len(y)

# %%
# Four ways
# ---------
# - ``entropy_weight=5`` holds the clusters to one size, as the SCAN paper does, whose
#   data sets are balanced.
# - By default, heads differ in how much they are drawn to it, and the one is kept that
#   fits the images best.
# - ``cluster_prior`` says the proportions, in any order: which of the clusters is the
#   large one is still for SCAN to find.
# - k-means knows nothing of sizes, and prefers groups of one extent.

fits = {
    "k-means": KMeans(n_clusters=4, n_init=10, random_state=0),
    "one size": SCANClusterer(n_clusters=4, entropy_weight=5, random_state=0),
    "by default": SCANClusterer(n_clusters=4, random_state=0),
    "sizes given": SCANClusterer(n_clusters=4, cluster_prior=shares, random_state=0),
}
sizes, accuracies = {}, {}
for name, clusterer in fits.items():
    labels = clusterer.fit(X).labels_
    sizes[name] = np.sort(np.bincount(labels, minlength=4))[::-1]
    accuracies[name] = clustering_accuracy(y, labels)
sizes["the truth"] = np.array([*counts.values()])

_, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
left = np.zeros(len(sizes))
for cluster in range(4):
    widths = np.array([by_size[cluster] for by_size in sizes.values()])
    color = f"C{cluster}"
    ax.barh(range(len(sizes)), widths, left=left, edgecolor="white", color=color)
    left += widths
texts = [
    f"{name}\n(accuracy {accuracies[name]:.2f})" if name in accuracies else name
    for name in sizes
]
ax.set_yticks(range(len(sizes)), texts)
ax.invert_yaxis()
ax.set(xlabel="images, from the largest cluster to the smallest")

# %%
# The clusters in detail: first those of one size, among which the twos are divided, and
# then those that knew the proportions.

figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for ax, name in zip(axes, ["one size", "sizes given"], strict=True):
    plot_confusion(fits[name], y, ax=ax)
    ax.set_title(f"{name}: {ax.get_title()}")

# %%

plot_prototypes(fits["sizes given"], images)

# %%
# Where the sizes are not known, look at the prototypes of a fit by default: two of one
# kind say that a large group was cut. Merge them, or fit again with proportions that
# allow for it.
plt.show()
