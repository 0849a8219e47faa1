/** A card for each cluster, filled when it comes into view. */

const CARD_TILES = 6;

const CARD_ORDERS = {
  size: (a, b) => edits.members(b).length - edits.members(a).length || a - b,
  unsure: (a, b) => meanConfidence(a) - meanConfidence(b) || a - b,
  name: (a, b) => compareNames(edits.name(a), edits.name(b)),
};

const cards = {
  box: byId("cards"),
  order: byId("cluster-order"),
  filter: byId("cluster-filter"),
  byCluster: new Map(),

  /** Lay out the cards of the clusters that are left. */
  layOut() {
    const shown = this.wanted().sort(CARD_ORDERS[this.order.value]);
    this.place(shown.map((cluster) => this.card(cluster)));
    byId("no-cards").hidden = shown.length > 0;
  },

  /** Put cards in the box, in their order; those that are in place are not touched. */
  place(wanted) {
    const kept = new Set(wanted);
    for (const card of [...this.box.children]) {
      if (!kept.has(card)) card.remove();
    }
    wanted.forEach((card, i) => {
      const there = this.box.children[i];
      if (there !== card) this.box.insertBefore(card, there ?? null);
    });
  },

  /** The clusters that the filter lets through. */
  wanted() {
    const text = this.filter.value.toLowerCase();
    return edits.clusters.filter((c) => edits.name(c).toLowerCase().includes(text));
  },

  card(cluster) {
    if (!this.byCluster.has(cluster)) {
      const card = make("article", {
        className: "card panel",
        id: `cluster-${cluster}`,
        "data-cluster": String(cluster),
        "data-stale": "",
      });
      this.byCluster.set(cluster, card);
      viewed.observe(card);
    }
    return this.byCluster.get(cluster);
  },

  /** Draw those in view again, as after an edit; the others when they come into it. */
  refresh() {
    const focused = document.activeElement;
    const card = focused.closest(".card");
    const { action } = focused.dataset;
    for (const each of this.byCluster.values()) {
      if (inView.has(each) || each === card) fillCard(each);
      else each.dataset.stale = "";
    }
    // Cards stay where they are, unless some have come or gone.
    const shown = Array.from(this.box.children, (each) => Number(each.dataset.cluster));
    const wanted = new Set(this.wanted());
    const isSame = shown.length === wanted.size && shown.every((c) => wanted.has(c));
    if (!isSame) this.layOut();
    if (action) card?.querySelector(`[data-action="${action}"]`)?.focus();
  },

  /** Bring a cluster's card into view, and the focus to it. */
  focus(cluster) {
    this.filter.value = "";
    this.layOut();
    const card = this.card(cluster);
    fillCard(card);
    card.scrollIntoView({ block: "center" });
    card.querySelector("[data-action=rename]").focus({ preventScroll: true });
  },

  /** Go to the card of an address that ends like "#cluster-3". */
  follow(hash) {
    const number = /^#cluster-(\d+)$/.exec(hash)?.[1];
    if (!edits.clusters.includes(edits.survivor(Number(number)))) return;
    this.focus(edits.survivor(Number(number)));
  },
};

const inView = new Set(); // of cards, those on the screen or near it

const viewed = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) inView.add(target);
      else inView.delete(target);
      if (isIntersecting && "stale" in target.dataset) fillCard(target);
    }
  },
  { rootMargin: "500px" },
);

const nReadable = run.confidence.filter((value) => value >= 0).length;

/** The model's mean probability of a cluster for its images, in ten-thousandths. */
function meanConfidence(cluster) {
  const members = edits.members(cluster);
  const sum = members.reduce((total, row) => total + edits.certainty(row), 0);
  return sum / Math.max(members.length, 1);
}

function fillCard(card) {
  delete card.dataset.stale;
  const cluster = Number(card.dataset.cluster);
  const members = edits.members(cluster);
  card.replaceChildren(makeCardHead(cluster, members.length));
  if (members.length) {
    card.append(makeCardBody(cluster, members), makeCardFoot(cluster, members.length));
  } else {
    const text = "No image is in this cluster. Merge it into another, or leave it.";
    card.append(make("p", { className: "notice" }, text));
  }
}

function makeCardHead(cluster, size) {
  const name = clusterName(cluster);
  const facts = [images(size), percent((10000 * size) / nReadable)];
  if (!edits.isLearnt(cluster)) facts.push("new, the model never predicts it");
  else if (size) facts.push(`${percent(meanConfidence(cluster))} confident on average`);
  const heading = make(
    "div",
    {},
    make("h3", {}, makeSwatch(cluster), make("span", { className: "name" }, name)),
    make("p", { className: "hint" }, facts.join(", ")),
  );
  const actions = make("div", { className: "buttons" });
  actions.append(
    makeButton("Rename", () => startRename(cluster), {
      "data-action": "rename",
      "aria-label": `Rename ${name}`,
    }),
  );
  if (edits.clusters.length > 1) {
    actions.append(
      makeButton("Merge…", () => askMerge(cluster), {
        "data-action": "merge",
        "aria-label": `Merge ${name} into another`,
      }),
    );
  }
  return make("header", { className: "card-head" }, heading, actions);
}

function makeCardBody(cluster, members) {
  const prototype = standsFor(cluster);
  const tile = makeTile(prototype, () => detail.open(prototype, members));
  tile.tabIndex = 0;
  const leastFirst = [...members].reverse();
  return make(
    "div",
    { className: "card-body" },
    make("div", { className: "card-proto" }, tile, makeLabel("Prototype")),
    make(
      "div",
      { className: "strips" },
      makeLabel("Most confident"),
      makeStrip(members.slice(0, CARD_TILES), "Most confident", members),
      makeLabel("Least confident"),
      makeStrip(leastFirst.slice(0, CARD_TILES), "Least confident", leastFirst),
    ),
  );
}

function makeLabel(text) {
  return make("span", { className: "strip-label" }, text);
}

function makeCardFoot(cluster, size) {
  const foot = make("footer", { className: "card-foot" });
  const nearest = edits.nearest(cluster).slice(0, 3).map(makeChip);
  if (nearest.length) {
    foot.append(make("div", { className: "near" }, makeLabel("Nearest"), ...nearest));
  }
  const text = size === 1 ? "See its image" : `See all ${images(size)}`;
  foot.append(
    makeButton(text, () => gallery.open(cluster), {
      "data-action": "all",
      className: "see-all",
    }),
  );
  return foot;
}

/** Put a field in the place of a cluster's name. */
function startRename(cluster) {
  const card = cards.card(cluster);
  const input = make("input", {
    className: "rename",
    maxLength: 120,
    value: edits.name(cluster),
    "aria-label": "Name of the cluster",
  });
  let isDone = false;
  const finish = (isKept, isByKey = false) => {
    if (isDone) return; // what follows takes the focus from the field
    isDone = true;
    const isNew = isKept && input.value.trim() !== edits.name(cluster);
    fillCard(card);
    // before a question is asked, which gives the focus back to where it was
    if (isByKey) card.querySelector("[data-action=rename]").focus({ preventScroll: true });
    if (isNew) renameCluster(cluster, input.value);
  };
  input.onkeydown = (event) => {
    if (event.key !== "Enter" && event.key !== "Escape") return;
    event.preventDefault(); // the key is not for what has the focus next
    finish(event.key === "Enter", true);
  };
  input.onblur = () => finish(true);
  card.querySelector("h3").replaceChildren(makeSwatch(cluster), input);
  input.focus();
  input.select();
}

window.addEventListener("hashchange", () => cards.follow(location.hash));
// A link to where the address is already changes nothing.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='#cluster-']");
  if (!link || link.hash !== location.hash) return;
  event.preventDefault();
  cards.follow(link.hash);
});
cards.order.onchange = () => cards.layOut();
cards.filter.oninput = () => {
  cards.layOut();
  const n = cards.box.childElementCount;
  byId("cards-status").textContent = `${count(n)} cluster${n === 1 ? "" : "s"}`;
};
