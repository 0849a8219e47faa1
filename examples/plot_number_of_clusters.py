"""
How many clusters?
==================

``n_clusters="auto"`` estimates the number from the features. This page shows how the
estimate works, when to trust it, and what happens with more clusters than classes.
"""

# %%
# The curve
# ---------
# The graph of nearest neighbours is divided into 2, 3, 4, ... parts. The score of each
# division is its modularity: how much more often neighbours are in the same part than
# by chance. The number with the highest score is used.

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

from sklearn_scan import SCANClusterer
from sklearn_scan.datasets import load_digits_images
from sklearn_scan.metrics import clustering_accuracy, majority_accuracy
from sklearn_scan.plotting import plot_n_clusters, plot_prototypes

X, y = load_digits(return_X_y=True)
images = load_digits_images().images

clusterer = SCANClusterer(n_clusters="auto", random_state=0).fit(X)
plot_n_clusters(clusterer.n_clusters_curve_)

# %%
# Look at the curve, not only at the number. A sharp peak is an answer. On a plateau,
# several numbers are as good as the estimate.

plot_prototypes(clusterer, images)

# %%
# More clusters than classes
# --------------------------
# Digits are written in several ways, and more clusters can separate these ways. If
# clusters and classes are matched one to one, the additional clusters count as wrong.
# So ``majority_accuracy`` gives each cluster the class of most of its images. (These
# fits leave out the second stage, which needs confident images in every cluster.)

numbers = [5, 10, 15, 20, 30]
fits = {
    k: SCANClusterer(
        n_clusters=k,
        n_heads=6,
        entropy_weight=5,
        self_label_epochs=0,
        random_state=0,
    ).fit(X)
    for k in numbers
}

_, ax = plt.subplots(layout="constrained")
for metric, name in [
    (majority_accuracy, "each cluster stands for its majority"),
    (clustering_accuracy, "one cluster for each class"),
]:
    ax.plot(numbers, [metric(y, fits[k].labels_) for k in numbers], "o-", label=name)
ax.set(xlabel="number of clusters", ylabel="accuracy", xticks=numbers)
ax.legend()

# %%
# With too few clusters, several digits share one, and both accuracies are low. With
# more clusters than classes, most images are still in a cluster of their class,
# although matching one to one counts the additional clusters as wrong. A person then
# has to say which clusters belong together, for example by looking at the prototypes.

plot_prototypes(fits[20], images)
plt.show()
