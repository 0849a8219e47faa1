"""
Choosing settings without labels
================================

Which encoder, how many clusters, which weight of the spread? With labels one would
compare accuracies. Without, ``score(X)`` says how well neighbours, and a linear model,
agree with the clusters, and a grid search maximises it as it would any other score.
"""

# %%
# A grid search without ``y``
# ---------------------------
# ``TransductiveSplit`` fits and scores all images, once for each setting: nothing can
# leak where no labels are used, and these are the images that clusters are wanted of.

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
# Labels tell, here, how good each setting really was. Another search notes both scores;
# ``refit`` names the one that decides, and is the one that knows no labels. Each point
# is one setting; the one chosen has a ring.


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
# Settings of a high score tend to be accurate ones, and those of the lowest are not.
# Between the best few, the score is no finer a judge than a short look at the pictures.
#
# Clusters made elsewhere
# -----------------------
# ``label_free_score`` takes any labels, so that features can be compared by what they
# give, on common ground: the same features for all. Here the pixels are compared with
# their rows' sums, in which much of a digit is lost.

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
