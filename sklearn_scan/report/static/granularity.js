/** The slider: how many groups the clusters are merged into, along their tree. */

/**
 * Where each cluster is after 0, 1, 2, ... merges of the tree, on top of merges made by
 * hand. Of two clusters, the one with a name is kept; else the larger one.
 */
function* alongTree(byHand, names) {
  const keys = names.map((name, c) => [!isUnnamed(name), run.sizes[c] ?? 0, -c]);
  const isBefore = (a, b) => {
    const at = keys[a].findIndex((key, i) => key !== keys[b][i]);
    return at >= 0 && keys[a][at] > keys[b][at];
  };
  let into = byHand;
  yield into;
  const leaves = [...allClusters]; // a cluster in each node of the tree
  for (const nodes of run.merges) {
    const [a, b] = nodes.map((node) => into[leaves[node]]);
    leaves.push(leaves[nodes[0]]);
    const [kept, lost] = isBefore(a, b) ? [a, b] : [b, a];
    if (a !== b) into = into.map((c) => (c === lost ? kept : c));
    yield into;
  }
}

const granularity = {
  panel: byId("granularity-panel"),
  slider: byId("granularity"),
  output: byId("n-groups"),

  /** Show what the edits have made. */
  show() {
    const { fewestGroups, nGroups, mostGroups } = edits;
    Object.assign(this.slider, { min: fewestGroups, max: mostGroups, value: nGroups });
    this.panel.hidden = mostGroups <= fewestGroups;
    this.say();
  },

  say() {
    const { value, max } = this.slider;
    const groups = value === "1" ? "1 group" : `${value} groups`;
    this.slider.setAttribute("aria-valuetext", `${groups} of ${max} clusters`);
    this.output.textContent = `${value} of ${max}`;
  },

  /** Merge or split soon; many wishes of one moment are one edit. */
  follow() {
    this.say();
    this.asked ??= requestAnimationFrame(() => {
      this.asked = null;
      edits.group(Number(this.slider.value));
    });
  },
};

granularity.slider.oninput = () => granularity.follow();
edits.addEventListener("change", () => granularity.show());
granularity.show();
