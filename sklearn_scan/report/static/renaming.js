/** Names of clusters: what happens if another cluster has the name already. */

/** The cluster that has a name, in any case of letters, other than the one given. */
function findNamed(name, except = -1) {
  const plain = (text) => text.trim().toLowerCase();
  return edits.clusters.find(
    (cluster) => cluster !== except && plain(edits.name(cluster)) === plain(name),
  );
}

/** Rename a cluster; ask whether to merge it with another of that name. */
function renameCluster(cluster, name) {
  const same = findNamed(name, cluster);
  if (same !== undefined) {
    askSameName(cluster, name, same);
    return;
  }
  edits.rename(cluster, name);
  announce(`Renamed to ${clusterName(cluster)}.`);
}

function askSameName(cluster, name, same) {
  const dialog = byId("ask");
  const keepBoth = () => {
    dialog.close();
    edits.rename(cluster, name);
    announce(`Renamed to ${clusterName(cluster)}; there are two.`);
  };
  const merge = () => {
    const from = clusterName(cluster);
    dialog.close();
    edits.merge(cluster, same);
    cards.focus(same);
    announce(`Merged ${from} into ${clusterName(same)}.`);
  };
  const pair = make("div", { className: "pair" }, ...[cluster, same].map(makePortrait));
  openDialog(
    dialog,
    make("h2", { id: "ask-title" }, `Another cluster is called ${clusterName(same)}`),
    make("p", { className: "hint" }, "Merge the two, or keep both under one name?"),
    pair,
    make(
      "div",
      { className: "buttons end" },
      makeButton("Cancel", () => dialog.close()),
      makeButton("Keep both", keepBoth),
      makeButton("Merge", merge, { className: "primary" }),
    ),
  );
  dialog.querySelector(".primary").focus();
}
