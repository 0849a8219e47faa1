/** Many images: all of a cluster, or all that a search has found. */

const CHUNK = 120; // tiles made at a time

/** A grid of thumbnails that grows as it is scrolled. */
class Grid {
  #rows = [];
  #end = make("div", { className: "grid-end" });
  #watcher;

  constructor(label) {
    this.element = make("div", {
      className: "grid",
      role: "group",
      "aria-label": label,
    });
    this.chosen = null; // a Set while several are being chosen
    this.onchoose = () => {};
    this.#watcher = new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting)) this.#grow();
      },
      { rootMargin: "600px" },
    );
    this.element.addEventListener("focusin", (event) => {
      if (event.target.nextElementSibling === this.#end) this.#grow();
    });
    rove(this.element);
  }

  show(rows) {
    this.#rows = rows;
    this.element.replaceChildren(this.#end);
    this.#grow();
  }

  /** Say anew what is known of the images that are shown. */
  refresh() {
    for (const tile of this.element.querySelectorAll(".tile")) {
      const badge = labelTile(tile).querySelector(".badge");
      if (badge) badge.textContent = badgeOf(Number(tile.dataset.row));
    }
  }

  #grow() {
    const shown = this.element.childElementCount - 1;
    const more = this.#rows.slice(shown, shown + CHUNK);
    this.#end.before(...more.map((row) => this.#makeTile(row)));
    if (!shown && more.length) this.element.firstElementChild.tabIndex = 0;
    // Watched anew, it tells again if it is still in view.
    this.#watcher.unobserve(this.#end);
    if (shown + more.length < this.#rows.length) this.#watcher.observe(this.#end);
  }

  #makeTile(row) {
    const tile = makeTile(row, () => this.#press(tile, row));
    if (run.confidence[row] >= 0) {
      tile.append(make("span", { className: "badge" }, badgeOf(row)));
    }
    if (this.chosen) tile.setAttribute("aria-pressed", String(this.chosen.has(row)));
    return tile;
  }

  #press(tile, row) {
    if (!this.chosen) {
      detail.open(row, this.#rows);
      return;
    }
    const isChosen = !this.chosen.delete(row);
    if (isChosen) this.chosen.add(row);
    tile.setAttribute("aria-pressed", String(isChosen));
    this.onchoose();
  }
}

function badgeOf(row) {
  return edits.isByHand(row) ? "by hand" : percent(run.confidence[row]);
}

const compareNames = new Intl.Collator("en", { numeric: true }).compare;

/** How the images of a cluster, which come surest first, may be put in order. */
const IMAGE_ORDERS = {
  sure: ["Most confident first", (rows) => rows],
  unsure: ["Least confident first", (rows) => rows.reverse()],
  name: [
    "By file name",
    (rows) => rows.sort((a, b) => compareNames(nameOf(a), nameOf(b))),
  ],
};

const gallery = {
  dialog: byId("gallery"),
  cluster: -1,

  open(cluster) {
    this.cluster = cluster;
    this.grid = new Grid("Images of the cluster");
    this.grid.onchoose = () => this.showMoving();
    this.order = this.makeOrder();
    this.filter = make("input", {
      type: "search",
      placeholder: "Filter by file name",
      "aria-label": "Filter by file name",
      oninput: () => this.fill(),
    });
    this.several = makeButton("Choose several", () => this.toggleSeveral(), {
      "aria-pressed": "false",
    });
    this.shown = make("span", { className: "hint", role: "status" });
    this.moving = make("div", { className: "buttons moving", hidden: true });
    const tools = [this.filter, this.order, this.several, this.shown];
    openDialog(
      this.dialog,
      make("h2", { id: "gallery-title" }, makeSwatch(cluster), clusterName(cluster)),
      make("div", { className: "buttons toolbar" }, ...tools),
      this.grid.element,
      this.moving,
    );
    this.fill();
  },

  makeOrder() {
    const options = Object.entries(IMAGE_ORDERS).map(([value, [text]]) =>
      make("option", { value }, text),
    );
    const settings = { "aria-label": "Order", onchange: () => this.fill() };
    return make("select", settings, ...options);
  },

  /** Show the images asked for, in the order asked for. */
  fill() {
    const wanted = this.filter.value.toLowerCase();
    const members = edits.members(this.cluster);
    const found = members.filter((row) => nameOf(row).toLowerCase().includes(wanted));
    const rows = IMAGE_ORDERS[this.order.value][1](found);
    this.shown.textContent = wanted
      ? `${count(rows.length)} of ${images(members.length)}`
      : images(members.length);
    this.grid.show(rows);
  },

  toggleSeveral() {
    this.grid.chosen = this.grid.chosen ? null : new Set();
    this.several.setAttribute("aria-pressed", String(this.grid.chosen !== null));
    this.showMoving();
    this.fill();
  },

  /** Show where to the images chosen may be moved. */
  showMoving() {
    const { chosen } = this.grid;
    const others = edits.clusters.filter((cluster) => cluster !== this.cluster);
    this.moving.hidden = !chosen || !others.length;
    if (this.moving.hidden) return;
    const into = this.moving.querySelector("select")?.value;
    const select = makeClusterSelect(others, "Move to");
    if (into !== undefined) select.value = into;
    const move = () => {
      const rows = [...chosen];
      chosen.clear();
      moveRows(rows, Number(select.value));
      this.showMoving();
      this.several.focus();
    };
    this.moving.replaceChildren(
      make("span", { role: "status" }, `${images(chosen.size)} chosen`),
      select,
      makeButton("Move", move, { className: "primary", disabled: !chosen.size }),
    );
  },
};

edits.addEventListener("change", () => {
  if (gallery.dialog.open) gallery.fill();
});
