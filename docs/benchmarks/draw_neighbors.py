"""Draw how the time and memory of each search grow, from neighbors.json here."""

import json
from pathlib import Path

import matplotlib.pyplot as plt

COLORS = {"exact": "0.25", "ivf_flat": "tab:orange", "ivf_sq8": "tab:blue"}
PANELS = {"seconds": "seconds", "MB beyond the features": "MB beyond the features"}

rows = json.loads(Path("neighbors.json").read_text())["growth"]["results"]

figure, axes = plt.subplots(1, 2, figsize=(7.5, 3.5), layout="constrained")
for ax, (key, label) in zip(axes, PANELS.items(), strict=True):
    for method, color in COLORS.items():
        of_method = [row for row in rows if row["method"] == method]
        sizes = [row["n"] for row in of_method]
        ax.loglog(sizes, [row[key] for row in of_method], color=color, label=method)
        for row in of_method:
            fill = "white" if row["estimated"] else color
            ax.plot(row["n"], row[key], "o", color=color, mfc=fill)
    ax.set_xlabel("samples")
    ax.set_ylabel(label)
    ax.grid(color="0.9")
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
axes[0].legend(frameon=False)
