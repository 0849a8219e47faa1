"""
SCAN beside TEMI and k-means
============================

Four methods cluster the same features. How do their results differ?
"""

# %%
# All of them are scikit-learn clusterers and are used in the same way.

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
    "TEMI": TEMIClusterer(n_clusters=10, random_state=0),
}
labels = {name: method.fit_predict(X) for name, method in methods.items()}

# %%
# Scores
# ------
# ACC, NMI and ARI compare the clusters with the labels. The last column does not use
# labels.

print(f"{'':18}{'ACC':>7}{'NMI':>7}{'ARI':>7}{'score without labels':>23}")
for name in methods:
    report = clustering_report(y, labels[name])
    score = label_free_score(labels[name], X)
    print(
        f"{name:18}{report.accuracy:7.3f}{report.nmi:7.3f}{report.ari:7.3f}{score:23.3f}"
    )

# %%
# Which digits are confused
# -------------------------
# k-means puts the border between two clusters half-way between their centres. SCAN and
# TEMI learn that neighbours belong together, so their clusters need not be round.

figure, axes = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
for ax, name in zip(axes, ["k-means", "SCAN"], strict=True):
    plot_confusion(labels[name], y, ax=ax)
    ax.set_title(f"{name}: {ax.get_title()}")

# %%
# On a map
# --------
# The map is computed once and drawn twice: coloured by cluster on the left and by digit
# on the right. If the colours of an island differ, a digit was split or two digits were
# merged.

points = map_embedding(X, random_state=0)
figure, axes = plt.subplots(1, 2, figsize=(12, 5), layout="constrained")
plot_embedding(methods["SCAN"], points=points, ax=axes[0])
plot_embedding(methods["SCAN"], y=y, points=points, ax=axes[1])

# %%
# Their confidence
# ----------------
# Both give probabilities, but from different losses. Do not compare them: a confidence
# of 0.9 does not mean the same for SCAN and for TEMI.

figure, axes = plt.subplots(1, 2, figsize=(11, 3.4), layout="constrained")
for ax, name in zip(axes, ["SCAN", "TEMI"], strict=True):
    plot_confidence(methods[name], ax=ax)
    ax.set_title(name)
plt.show()
