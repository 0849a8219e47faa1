"""
Groups of unequal size
======================

Some groups have many images and others have few. A clusterer that prefers equal sizes
splits the large groups and merges the small ones. If you know the sizes of the groups,
you can pass them.
"""

# %%
# Four digits: half of the images are twos, and only a few are sevens.

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
# - ``entropy_weight=5`` makes the clusters equal in size. The SCAN paper uses this
#   weight, for data sets with classes of equal size.
# - By default, heads push more or less strongly towards equal sizes, and the head with
#   the best score is kept.
# - ``cluster_prior`` gives the proportions, in any order. SCAN finds out which cluster
#   is the large one.
# - k-means does not use sizes, and prefers groups of equal extent.

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
# The clusters in detail: on the left the clusters of equal size, which split the twos;
# on the right the clusters with known proportions.

figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for ax, name in zip(axes, ["one size", "sizes given"], strict=True):
    plot_confusion(fits[name], y, ax=ax)
    ax.set_title(f"{name}: {ax.get_title()}")

# %%

plot_prototypes(fits["sizes given"], images)

# %%
# If you do not know the sizes, look at the prototypes of a fit with default settings.
# Two prototypes of one kind mean that a large group was split. Merge these clusters, or
# fit again with other proportions.
plt.show()
