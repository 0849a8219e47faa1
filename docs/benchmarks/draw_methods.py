"""Draw the accuracy of each method on each set, from frozen.json beside this file."""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

MARKS = {  # of each method: grey where it is not of this library
    "k-means": {"color": "0.25", "marker": "|", "ms": 14, "mew": 2},
    "Gaussian mixture": {"color": "0.6", "marker": "s"},
    "Ward": {"color": "0.6", "marker": "^"},
    "spectral": {"color": "0.6", "marker": "D"},
    "linkage": {"color": "0.6", "marker": "v"},
    "TEMI": {"color": "tab:orange", "marker": "o", "ms": 8},
    "SCAN": {"color": "tab:blue", "marker": "o", "ms": 8},
}

results = json.loads(Path("frozen.json").read_text())["results"]
accuracies = {
    name: {
        method: 100 * np.mean([run["accuracy"] for run in runs.values()])
        for method, runs in of_set.items()
    }
    for name, of_set in results.items()
}
sets = [name for name in accuracies if MARKS.keys() <= accuracies[name].keys()]
sets.sort(key=lambda name: accuracies[name]["SCAN"])

figure, ax = plt.subplots(figsize=(7.5, 4), layout="constrained")
for method, mark in MARKS.items():
    values = [accuracies[name][method] for name in sets]
    ax.plot(values, sets, linestyle="", label=method, **mark)
ax.set_xlabel("accuracy, in percent")
ax.grid(axis="y", color="0.9")
ax.set_axisbelow(True)
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False, loc="lower right")
