/** The search by names of files and clusters; its results stand above the overview. */

const search = {
  field: byId("search"),
  section: byId("results"),
  title: byId("results-title"),
  hint: byId("results-hint"),
  clusters: byId("results-clusters"),
  status: byId("search-status"), // outside of it: what was hidden is not read out
  grid: new Grid("Images found"),

  get wanted() {
    return this.field.value.trim().toLowerCase();
  },

  find() {
    const { wanted } = this;
    this.section.hidden = !wanted;
    map.found = null;
    if (wanted) this.show(wanted);
    else this.status.textContent = "";
    map.draw();
  },

  show(wanted) {
    const rows = allRows.filter((row) => nameOf(row).toLowerCase().includes(wanted));
    const clusters = findClusters(wanted);
    this.list(clusters, rows.length);
    this.status.textContent = this.title.textContent;
    this.grid.show(rows);
    map.found = new Set(rows);
    scrollTo(0, 0); // where the field and the results are
  },

  /** Say anew what is known of the results. */
  refresh() {
    this.grid.refresh();
    this.list(findClusters(this.wanted), map.found.size);
  },

  /** List the clusters that are found, and say how many they and the images are. */
  list(clusters, nImages) {
    this.title.textContent = countFound(clusters.length, nImages);
    this.hint.hidden = clusters.length + nImages > 0;
    this.clusters.replaceChildren(...clusters.map(makeClusterLink));
  },

  /** Go to the first result. */
  enter() {
    if (!this.wanted) return;
    const first = this.section.querySelector("#results-clusters a, .tile");
    if (first) first.focus();
    else announce(this.title.textContent);
  },

  clear() {
    this.field.value = "";
    this.find();
    this.field.focus();
  },
};

/**
 * The clusters that are left, by their name or by one that a cluster in them was found
 * with. Those of exactly this name come first.
 */
function findClusters(wanted) {
  const names = new Map(edits.clusters.map((c) => [c, [edits.name(c).toLowerCase()]]));
  run.names.forEach((name, c) =>
    names.get(edits.survivor(c))?.push(name.toLowerCase()),
  );
  const isExact = (cluster) => names.get(cluster).includes(wanted);
  return edits.clusters
    .filter((cluster) => names.get(cluster).some((name) => name.includes(wanted)))
    .sort((a, b) => isExact(b) - isExact(a));
}

function countFound(nClusters, nImages) {
  const parts = [];
  if (nClusters) parts.push(nClusters === 1 ? "1 cluster" : `${nClusters} clusters`);
  if (nImages) parts.push(images(nImages));
  return parts.length ? `${parts.join(" and ")} found` : "Nothing found";
}

/** A link to a cluster's card. */
function makeClusterLink(cluster) {
  const size = images(edits.members(cluster).length);
  return make(
    "a",
    { className: "chip", href: `#cluster-${cluster}` },
    makeSwatch(cluster),
    makeChipName(cluster),
    make("span", { className: "hint" }, size),
  );
}

byId("results-grid").append(search.grid.element);
search.field.oninput = () => search.find();
search.field.onkeydown = (event) => {
  if (event.key === "Escape") search.clear();
  if (event.key !== "Enter") return;
  event.preventDefault(); // the key is not for what has the focus next
  search.enter();
};
byId("results-close").onclick = () => search.clear();
edits.addEventListener("change", () => {
  if (search.wanted) search.refresh();
});
