"""Draw the number of clusters by "auto" beside that of classes, from selection.json."""

import json
from pathlib import Path

import matplotlib.pyplot as plt

sets = json.loads(Path("selection.json").read_text())["number"]

figure, ax = plt.subplots(figsize=(7.5, 3.5), layout="constrained")
for row, result in enumerate(sets.values()):
    ax.plot(result["n_classes"], row, color="0.25", marker="|", ms=16, mew=2)
    found = result["n_clusters"]
    ax.plot(found, [row] * len(found), "o", color="tab:blue", alpha=0.5)
ax.plot([], [], "|", color="0.25", ms=16, mew=2, label="classes")
ax.plot([], [], "o", color="tab:blue", alpha=0.5, label='"auto", three seeds')
ax.set_yticks(range(len(sets)), list(sets))
ax.set_xlim(0)
ax.set_xlabel("number")
ax.grid(axis="y", color="0.9")
ax.set_axisbelow(True)
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False, loc="lower right")
