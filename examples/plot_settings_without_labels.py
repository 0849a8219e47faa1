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
# ``TransductiveSplit`` fits and scores all images, once for each setting: nothing can leak
# where no labels are used, and these are the images that clusters are wanted of.

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_scan import SCANClusterer
from sklearn_scan.metrics import clustering_accuracy
from sklearn_scan.model_selection import TransductiveSplit, label_free_score

X, y = load_digits(return_X_y=True)
X, y = X[:1000], y[:1000]

search = GridSearchCV(
    SCANClusterer(n_heads=6, random_state=0),
    {"n_clusters": [6, 8, 10, 12, 14, 17], "entropy_weight": [0.3, 1.0, 5.0]},
    cv=TransductiveSplit(),
).fit(X)
print(search.best_params_)

# %%
# Did it choose well?
# -------------------
# The labels, which the search did not see, tell how good each setting really was. Each
# point is one setting; the one chosen has a ring.

settings = search.cv_results_["params"]
scores = search.cv_results_["mean_test_score"]
accuracies = []
for setting in settings:
    fitted = SCANClusterer(n_heads=6, random_state=0, **setting).fit(X)
    accuracies.append(clustering_accuracy(y, fitted.labels_))

_, ax = plt.subplots(layout="constrained")
points = ax.scatter(
    scores, accuracies, c=[setting["n_clusters"] for setting in settings], s=50
)
best = search.best_index_
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
