"""
SCAN beside TEMI and k-means
============================

The same features, four ways of clustering them. What do the methods differ in?
"""

# %%
# All of them are scikit-learn clusterers, and fit alike.

import matplotlib.pyplot as plt
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.mixture import GaussianMixture

from sklearn_scan import SCANClusterer, TEMIClusterer
from sklearn_scan.metrics import clustering_report
from sklearn_scan.model_selection import label_free_score
from sklearn_scan.plotting import plot_confidence, plot_confusion, plot_embedding
from sklearn_scan.results.embedding_map import map_embedding

X, y = load_digits(return_X_y=True)
X, y = X[:600], y[:600]

methods = {
    "k-means": KMeans(n_clusters=10, n_init=10, random_state=0),
    "Gaussian mixture": GaussianMixture(
        n_components=10, covariance_type="diag", random_state=0
    ),
    "SCAN": SCANClusterer(n_clusters=10, random_state=0),
    "TEMI": TEMIClusterer(n_clusters=10, n_heads=2, max_epochs=30, random_state=0),
}
labels = {name: method.fit_predict(X) for name, method in methods.items()}

# %%
# Figures
# -------
# ACC, NMI and ARI compare with the labels, each in its own way; the last column does
# not know them.

print(f"{'':18}{'ACC':>7}{'NMI':>7}{'ARI':>7}{'score without labels':>23}")
for name in methods:
    report = clustering_report(y, labels[name])
    score = label_free_score(labels[name], X)
    print(
        f"{name:18}{report.accuracy:7.3f}{report.nmi:7.3f}{report.ari:7.3f}{score:23.3f}"
    )

# %%
# Which digits are mixed up
# -------------------------
# k-means draws its borders half-way between centres. SCAN and TEMI learn that
# neighbours belong together, and so follow groups that are no balls.

figure, axes = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
for ax, name in zip(axes, ["k-means", "SCAN"], strict=True):
    plot_confusion(labels[name], y, ax=ax)
    ax.set_title(f"{name}: {ax.get_title()}")

# %%
# On a map
# --------
# The map is made once, and the pictures share it: left by cluster, right by digit.
# Where the colours of an island differ from left to right, a digit was cut or two were
# merged.

points = map_embedding(X, random_state=0)
figure, axes = plt.subplots(1, 2, figsize=(12, 5), layout="constrained")
plot_embedding(methods["SCAN"], points=points, ax=axes[0])
plot_embedding(methods["SCAN"], y=y, points=points, ax=axes[1])

# %%
# How sure they are
# -----------------
# Both give probabilities, from different losses, and the two are not to be compared: a
# confidence of 0.9 means one thing to SCAN and another to TEMI.

figure, axes = plt.subplots(1, 2, figsize=(11, 3.4), layout="constrained")
for ax, name in zip(axes, ["SCAN", "TEMI"], strict=True):
    plot_confidence(methods[name], ax=ax)
    ax.set_title(name)
plt.show()
