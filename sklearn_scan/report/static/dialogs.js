/** Dialogs: Escape, the cross and a press beside them close them. */

const openers = new WeakMap(); // of each dialog, what had the focus before

/** Fill a dialog with a heading, a cross and its content, and show it. */
function openDialog(dialog, heading, ...content) {
  const cross = makeButton("×", () => dialog.close(), {
    className: "icon cross",
    "aria-label": "Close",
  });
  const head = make("header", { className: "dialog-head" }, heading, cross);
  dialog.replaceChildren(head, ...content);
  if (dialog.open) return;
  const opener = document.activeElement;
  openers.set(dialog, { opener, cluster: opener.closest(".card")?.dataset.cluster });
  dialog.showModal();
}

/** Where the focus goes back to: what opened the dialog, or what has replaced it. */
function findOpener(dialog) {
  const { opener, cluster } = openers.get(dialog);
  if (opener.isConnected) return opener;
  if (cluster === undefined) return null;
  const survivor = edits.survivor(Number(cluster));
  if (!edits.clusters.includes(survivor)) return null; // a group that is gone
  const card = cards.card(survivor);
  fillCard(card);
  const { row, action } = opener.dataset;
  const same = row ? `[data-row="${row}"]` : `[data-action="${action}"]`;
  return card.querySelector(same) ?? card.querySelector("[data-action]");
}

for (const dialog of document.querySelectorAll("dialog")) {
  dialog.addEventListener("mousedown", (event) => {
    const box = dialog.getBoundingClientRect();
    const isBeside =
      event.clientX < box.left ||
      event.clientX > box.right ||
      event.clientY < box.top ||
      event.clientY > box.bottom;
    if (event.target === dialog && isBeside) dialog.close();
  });
  dialog.addEventListener("close", () => {
    if (dialog.open) return; // the event comes late: it is open again
    dialog.replaceChildren();
    if (document.activeElement === document.body) findOpener(dialog)?.focus();
  });
}

/** Ask into which cluster another goes. */
function askMerge(cluster) {
  const dialog = byId("merge");
  const nearest = edits.nearest(cluster);
  const others = edits.clusters.filter((other) => other !== cluster);
  const select = makeClusterSelect([...new Set([...nearest, ...others])], "Merge into");
  const pair = make("div", { className: "pair" });
  const showPair = () => {
    pair.replaceChildren(...[cluster, Number(select.value)].map(makePortrait));
  };
  const merge = () => {
    const into = Number(select.value);
    const [name, intoName] = [cluster, into].map(clusterName);
    dialog.close();
    edits.merge(cluster, into);
    cards.focus(into);
    announce(`Merged ${name} into ${intoName}.`);
  };
  select.onchange = showPair;
  showPair();
  openDialog(
    dialog,
    make("h2", { id: "merge-title" }, `Merge ${clusterName(cluster)} into`),
    make(
      "p",
      { className: "hint" },
      "The most similar clusters come first. The cluster that you merge into keeps its name.",
    ),
    select,
    pair,
    make(
      "div",
      { className: "buttons end" },
      makeButton("Cancel", () => dialog.close()),
      makeButton("Merge", merge, { className: "primary" }),
    ),
  );
  select.focus();
}

/** A cluster's prototype, name and size, to look at. */
function makePortrait(cluster) {
  const picture = make("div", { className: "portrait-picture" });
  const prototype = standsFor(cluster);
  if (prototype >= 0) showThumbnail(picture, prototype);
  return make(
    "div",
    { className: "portrait" },
    picture,
    make("b", {}, clusterName(cluster)),
    make("span", { className: "hint" }, images(edits.members(cluster).length)),
  );
}
