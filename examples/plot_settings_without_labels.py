"""
Choosing settings without labels
================================

Which encoder, how many clusters, which entropy weight? With labels you would compare
accuracies. Without labels, ``score(X)`` measures how well neighbours and a linear model
agree with the clusters, and a grid search maximises it like any other score.
"""

# %%
# A grid search without ``y``
# ---------------------------
# ``TransductiveSplit`` fits and scores all images, once for each setting. Without
# labels nothing can leak, and these are the images that you want to cluster.

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
# Here the labels show how good each setting really was. A second search records both
# scores. ``refit`` names the score that decides, which is the one without labels. Each
# point is one setting; the chosen setting has a ring.


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
# Settings with a high score tend to be accurate, and settings with the lowest scores
# are not. Among the best few, the score says no more than a short look at the pictures.
#
# Clusters from other features
# ----------------------------
# ``label_free_score`` takes any labels. So you can compare clusters from different
# features if you score them all in the same features. Here the clusters of the pixels
# are compared with the clusters of the sums of each row, which lose much of a digit.

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
