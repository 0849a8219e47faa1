"""
How many clusters?
==================

``n_clusters="auto"`` estimates the number from the features. This page shows what the
estimate is made of, when to trust it, and what happens with more clusters than there
are classes.
"""

# %%
# The curve
# ---------
# The images' graph of nearest neighbours is cut into 2, 3, 4, ... parts, and each cut
# is scored by its modularity: how many neighbours stay together, beyond what chance
# would keep together. The best number is taken.

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
# Look at the curve and not at the number alone. A sharp peak is an answer; on a plateau
# any number may do, and the estimate is one of several that are as good.

plot_prototypes(clusterer, images)

# %%
# More clusters than classes
# --------------------------
# Digits are written in several ways, and more clusters tell the ways apart. Matched one
# to one with the classes, most clusters would then count as wrong; so each cluster is
# given the class that most of its images have (``majority_accuracy``).

numbers = [5, 10, 15, 20, 30]
fits = {
    k: SCANClusterer(n_clusters=k, n_heads=6, entropy_weight=5, random_state=0).fit(X)
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
# With too few clusters, several digits share one, and no way of counting helps. With
# more than there are classes, most images still lie among their like, while matching
# one to one counts the surplus clusters as wrong. Somebody then has to say which
# clusters are the same thing, and the prototypes are where to look.

plot_prototypes(fits[20], images)
plt.show()
