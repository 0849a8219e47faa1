"""
Choosing settings without labels
================================

Which encoder, which entropy weight? With labels you would compare accuracies. Without
labels, ``score(X)`` checks two things: are similar images in the same cluster, and can
a linear model, trained on half of the images, predict the clusters of the other half? A
grid search maximises this score like any other.
"""

# %%
# A grid search without ``y``
# ---------------------------
# ``TransductiveSplit`` fits and scores all images, once for each setting. These are the
# images that you want to cluster, and without labels a score cannot be too good because
# of them.

import matplotlib.pyplot as plt
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_scan import SCANClusterer
from sklearn_scan.metrics import clustering_accuracy, clustering_accuracy_scorer
from sklearn_scan.model_selection import TransductiveSplit, label_free_score

X, y = load_digits(return_X_y=True)
X, y = X[:800], y[:800]

search = GridSearchCV(
    SCANClusterer(n_heads=6, random_state=0),
    {"n_clusters": [4, 7, 10, 13], "entropy_weight": [0.6, 5.0]},
    cv=TransductiveSplit(),
).fit(X)
print(search.best_params_)

# %%
# Did it choose well?
# -------------------
# The labels show how good each setting really was. A second search records both scores:
# the one without labels, which decides (``refit``), and the accuracy. Each point is one
# setting; the chosen setting has a ring.


def score_without_labels(clusterer, X, y):
    return clusterer.score(X)


both = clone(search).set_params(
    scoring={"score": score_without_labels, "accuracy": clustering_accuracy_scorer},
    refit="score",
)
both.fit(X, y)
results = both.cv_results_
scores, accuracies = results["mean_test_score"], results["mean_test_accuracy"]

_, ax = plt.subplots(layout="constrained")
points = ax.scatter(scores, accuracies, c=results["param_n_clusters"].astype(int), s=50)
best = both.best_index_
ax.scatter(scores[best], accuracies[best], s=250, facecolors="none", edgecolors="black")
ax.figure.colorbar(points, label="number of clusters")
ax.set(xlabel="score without labels", ylabel="accuracy")

# %%
# The settings with the lowest scores have the lowest accuracies. But the score grows
# with the number of clusters, so it prefers 13 clusters, although there are ten digits.
# Choose the number yourself, or with ``n_clusters="auto"``, and use the score to
# compare settings with this number.
#
# Clusters from other features
# ----------------------------
# ``label_free_score`` takes any labels. So you can compare clusters from different
# features, if you score them all in the same features. This example compares clusters
# of the pixels with clusters of the sum of each row. Such sums lose much of a digit.

profiles = FunctionTransformer(lambda X: X.reshape(-1, 8, 8).sum(axis=2))
for name, features in [
    ("pixels", FunctionTransformer()),
    ("ink in each row", profiles),
]:
    pipeline = make_pipeline(
        features, SCANClusterer(n_clusters=10, n_heads=6, random_state=0)
    )
    labels = pipeline.fit(X)[-1].labels_
    print(
        f"{name}: score {label_free_score(labels, X):.3f}, "
        f"accuracy {clustering_accuracy(y, labels):.3f}"
    )
plt.show()
