/** Dialogs: Escape, the cross and a press beside them close them. */

/** Fill a dialog with a heading, a cross and its content, and show it. */
function openDialog(dialog, heading, ...content) {
  const cross = makeButton("×", () => dialog.close(), {
    className: "icon cross",
    "aria-label": "Close",
  });
  dialog.replaceChildren(make("header", { className: "dialog-head" }, heading, cross));
  dialog.append(...content);
  if (dialog.open) return;
  const opener = document.activeElement;
  openers.set(dialog, { opener, cluster: opener.closest(".card")?.dataset.cluster });
  dialog.showModal();
}

const openers = new WeakMap();

/** Where the focus goes back to: what opened the dialog, or what has replaced it. */
function findOpener(dialog) {
  const { opener, cluster } = openers.get(dialog);
  if (opener.isConnected) return opener;
  if (cluster === undefined) return null;
  const card = cards.card(edits.survivor(Number(cluster)));
  const { row, action } = opener.dataset;
  const same = card.querySelector(row ? `[data-row="${row}"]` : `[data-action="${action}"]`);
  return same ?? card.querySelector("[data-action]");
}

for (const dialog of document.querySelectorAll("dialog")) {
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("close", () => {
    dialog.replaceChildren();
    if (document.activeElement === document.body) findOpener(dialog)?.focus();
  });
}

/** Ask into which cluster another goes. */
function askMerge(cluster) {
  const others = edits.clusters.filter((other) => other !== cluster);
  const nearest = edits.nearest(cluster);
  const order = [...nearest, ...others.filter((other) => !nearest.includes(other))];
  const select = makeClusterSelect(order, "Merge into");
  const pictures = make("div", { className: "pair" });
  const show = () => {
    const pair = [cluster, Number(select.value)];
    pictures.replaceChildren(...pair.map(makeProto));
  };
  select.onchange = show;
  show();
  const dialog = byId("merge");
  const merge = () => {
    const into = Number(select.value);
    const names = [cluster, into].map((c) => visible(edits.name(c)));
    dialog.close();
    edits.merge(cluster, into);
    announce(`Merged ${names[0]} into ${names[1]}.`);
    cards.focus(into);
  };
  openDialog(
    dialog,
    make("h2", { id: "merge-title" }, `Merge ${visible(edits.name(cluster))} into`),
    make("p", { className: "hint" }, "The nearest clusters come first. The name kept is that of the cluster it goes into."),
    select,
    pictures,
    make("div", { className: "buttons end" },
      makeButton("Cancel", () => dialog.close()),
      makeButton("Merge", merge, { className: "primary" }),
    ),
  );
  select.focus();
}

/** A cluster's prototype with its name, to look at. */
function makeProto(cluster) {
  const prototype = standsFor(cluster);
  const picture = make("div", { className: "proto" });
  if (prototype >= 0) showThumbnail(picture, prototype);
  const size = edits.members(cluster).length;
  return make("div", { className: "proto-box" },
    picture,
    make("b", {}, visible(edits.name(cluster))),
    make("span", { className: "hint" }, images(size)),
  );
}

/** The image that stands for a cluster: its prototype, or its surest if that left. */
function standsFor(cluster) {
  const prototype = run.prototypes[cluster];
  if (prototype >= 0 && edits.label(prototype) === cluster) return prototype;
  return edits.members(cluster)[0] ?? -1;
}
