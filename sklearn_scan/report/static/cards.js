/** A card for each cluster, filled when it comes into view. */

const CARD_TILES = 6;

const cards = {
  box: byId("cards"),
  byCluster: new Map(),
  order: byId("cluster-order"),
  filter: byId("cluster-filter"),

  /** Lay out the cards of the clusters that are left. */
  layOut() {
    const shown = this.wanted().sort(CARD_ORDERS[this.order.value]);
    this.box.replaceChildren(...shown.map((cluster) => this.card(cluster)));
    byId("no-cards").hidden = shown.length > 0;
  },

  /** The clusters that the filter lets through. */
  wanted() {
    const text = this.filter.value.toLowerCase();
    return edits.clusters.filter((c) => edits.name(c).toLowerCase().includes(text));
  },

  card(cluster) {
    if (!this.byCluster.has(cluster)) {
      const card = make("article", { className: "card panel", id: `cluster-${cluster}`, "data-cluster": String(cluster) });
      this.byCluster.set(cluster, card);
      unfilled.observe(card);
    }
    return this.byCluster.get(cluster);
  },

  /** Draw those again that are drawn, as after an edit. */
  refresh() {
    const focused = document.activeElement?.dataset.action;
    const inCard = document.activeElement?.closest(".card");
    for (const card of this.byCluster.values()) {
      if (card.childElementCount) fillCard(card);
    }
    // Cards stay where they are, unless some have come or gone.
    const shown = Array.from(this.box.children, (card) => Number(card.dataset.cluster));
    if (new Set(shown).symmetricDifference(new Set(this.wanted())).size) this.layOut();
    if (focused) inCard?.querySelector(`[data-action="${focused}"]`)?.focus();
  },

  /** Bring a cluster's card into view, and the focus to it. */
  focus(cluster) {
    this.filter.value = "";
    this.layOut();
    const card = this.card(cluster);
    fillCard(card);
    card.scrollIntoView({ block: "center" });
    card.querySelector('[data-action="rename"]').focus({ preventScroll: true });
  },
};

const CARD_ORDERS = {
  size: (a, b) => edits.members(b).length - edits.members(a).length || a - b,
  unsure: (a, b) => meanConfidence(a) - meanConfidence(b) || a - b,
  name: (a, b) => compareNames(edits.name(a), edits.name(b)),
};

function meanConfidence(cluster) {
  const members = edits.members(cluster);
  const sum = members.reduce((total, row) => total + run.confidence[row], 0);
  return members.length ? sum / members.length : 0;
}

const unfilled = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      unfilled.unobserve(target);
      fillCard(target);
    }
  },
  { rootMargin: "500px" },
);

function fillCard(card) {
  const cluster = Number(card.dataset.cluster);
  const members = edits.members(cluster);
  card.replaceChildren(makeCardHead(cluster, members));
  if (!members.length) {
    card.append(make("p", { className: "notice" }, "No image is in this cluster. Merge it into another, or leave it."));
    return;
  }
  const most = members.slice(0, CARD_TILES);
  const leastFirst = members.toReversed();
  const least = leastFirst.slice(0, CARD_TILES);
  const prototype = standsFor(cluster);
  const proto = make("div", { className: "card-proto" },
    makeTile(prototype, () => detail.open(prototype, members)),
    make("span", { className: "strip-label" }, "Prototype"));
  proto.firstChild.tabIndex = 0;
  const strips = make("div", { className: "strips" },
    make("span", { className: "strip-label" }, "Most confident"), makeStrip(most, "Most confident", members),
    make("span", { className: "strip-label" }, "Least confident"), makeStrip(least, "Least confident", leastFirst));
  card.append(make("div", { className: "card-body" }, proto, strips), makeCardFoot(cluster, members));
}

function makeCardHead(cluster, members) {
  const nReadable = allRows.length - nUnreadable();
  const share = percent((10000 * members.length) / Math.max(nReadable, 1));
  const name = make("h3", {}, makeSwatch(cluster), make("span", { className: "name" }, visible(edits.name(cluster))));
  const sure = members.length ? `, ${percent(meanConfidence(cluster))} confident on average` : "";
  const rename = makeButton("Rename", () => startRename(cluster), { "data-action": "rename", "aria-label": `Rename ${visible(edits.name(cluster))}` });
  const actions = make("div", { className: "buttons" }, rename);
  if (edits.clusters.length > 1) {
    actions.append(makeButton("Merge…", () => askMerge(cluster), { "data-action": "merge", "aria-label": `Merge ${visible(edits.name(cluster))} into another` }));
  }
  return make("header", { className: "card-head" },
    make("div", {}, name, make("p", { className: "hint" }, `${images(members.length)}, ${share}${sure}`)),
    actions);
}

function nUnreadable() {
  return run.labels.reduce((n, label) => n + (label < 0), 0);
}

function makeCardFoot(cluster, members) {
  const nearest = edits.nearest(cluster).slice(0, 3).map(makeChip);
  const foot = make("footer", { className: "card-foot" });
  if (nearest.length) {
    foot.append(make("div", { className: "near" }, make("span", { className: "strip-label" }, "Nearest"), ...nearest));
  }
  foot.append(makeButton(`See all ${images(members.length)}`, () => gallery.open(cluster), { "data-action": "all", className: "see-all" }));
  return foot;
}

/** Put a field in the place of a cluster's name. */
function startRename(cluster) {
  const card = cards.card(cluster);
  const heading = card.querySelector("h3");
  const input = make("input", { className: "rename", maxLength: 120, value: edits.name(cluster), "aria-label": "Name of the cluster" });
  let isDone = false;
  const finish = (isKept) => {
    if (isDone) return;
    isDone = true;
    const name = input.value.trim();
    if (isKept && name !== edits.name(cluster)) {
      edits.rename(cluster, name);
      announce(`Renamed to ${visible(edits.name(cluster))}.`);
    } else fillCard(card);
    card.querySelector('[data-action="rename"]').focus({ preventScroll: true });
  };
  input.onkeydown = (event) => {
    if (event.key !== "Enter" && event.key !== "Escape") return;
    event.preventDefault(); // the key is not for what has the focus next
    finish(event.key === "Enter");
  };
  input.onblur = () => finish(true);
  heading.replaceChildren(makeSwatch(cluster), input);
  input.select();
  input.focus();
}

cards.order.onchange = () => cards.layOut();
cards.filter.oninput = () => cards.layOut();

/** A bar for each cluster; pointing at one finds it on the map. */
function drawSizes() {
  const clusters = [...edits.clusters].sort(CARD_ORDERS.size);
  const most = Math.max(...clusters.map((cluster) => edits.members(cluster).length), 1);
  const bars = clusters.map((cluster) => {
    const size = edits.members(cluster).length;
    const fill = make("span", { className: "bar-fill" });
    fill.style.setProperty("--share", size / most);
    fill.style.setProperty("--color", colorOf(cluster));
    const row = makeButton("", () => cards.focus(cluster), { className: "size-row", title: visible(edits.name(cluster)) });
    row.append(
      make("span", { className: "size-name" }, visible(edits.name(cluster))),
      make("span", { className: "bar-track" }, fill),
      make("span", { className: "size-count" }, count(size)));
    row.onpointerenter = row.onfocus = () => map.highlight(cluster);
    row.onpointerleave = row.onblur = () => map.highlight(null);
    return row;
  });
  byId("sizes").replaceChildren(...bars);
}
