/** Many images: all of a cluster, or any list of them. */

const compareNames = new Intl.Collator("en", { numeric: true }).compare;

/** How images may be put in order. */
const IMAGE_ORDERS = {
  listed: ["As listed", (rows) => rows],
  sure: ["Most confident first", (rows) => edits.sortSure(rows)],
  unsure: ["Least confident first", (rows) => edits.sortSure(rows).reverse()],
  name: [
    "By file name",
    (rows) => rows.sort((a, b) => compareNames(nameOf(a), nameOf(b))),
  ],
};

// The style sheet shows the first, or on a touch screen the second.
const HOW_TO_CHOOSE = {
  "by-mouse":
    "To choose one image: Ctrl and a click. A range: Shift and a click, or Shift and an " +
    "arrow key. All: Ctrl+A. None: Esc.",
  "by-touch": "To choose images, press one long, then tap others.",
};

const gallery = {
  dialog: byId("gallery"),

  /** Show all images of a cluster, the surest first; after a merge, of all merged. */
  open(cluster) {
    const title = () => {
      const survivor = edits.survivor(cluster);
      return [makeSwatch(survivor), clusterName(survivor)];
    };
    this.show(title, () => edits.members(edits.survivor(cluster)), cluster);
  },

  /**
   * Show any images under a title, as listed at first. Rows may be a function, which
   * is asked again after each edit.
   */
  openRows(title, rows) {
    this.show(() => [title], rows instanceof Function ? rows : () => rows);
  },

  /** Show images that are all chosen. */
  openChosen(title, rows) {
    this.openRows(title, rows);
    this.grid.chooseAll();
  },

  show(makeTitle, listRows, cluster = null) {
    Object.assign(this, { makeTitle, listRows, cluster });
    this.grid = new Grid("Images", () => this.showChosen());
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
    this.title = make("h2", { id: "gallery-title" }, ...makeTitle());
    openDialog(
      this.dialog,
      this.title,
      make("div", { className: "buttons toolbar" }, ...tools),
      ...Object.entries(HOW_TO_CHOOSE).map(([way, text]) =>
        make("p", { className: `hint how-to-choose ${way}` }, text),
      ),
      this.grid.element,
      this.moving,
    );
    this.grid.show(this.found());
  },

  /** The orders to choose from: a cluster has none of its own. */
  makeOrder() {
    const orders = Object.entries(IMAGE_ORDERS);
    const options = orders.slice(this.cluster === null ? 0 : 1);
    return make(
      "select",
      { "aria-label": "Order", onchange: () => this.fill() },
      ...options.map(([value, [text]]) => make("option", { value }, text)),
    );
  },

  /** Show the images asked for. */
  fill() {
    this.grid.show(this.found());
    this.showChosen();
  },

  /** Show them after an edit. */
  refresh() {
    // its cluster may be a new group that an undo has taken back
    if (this.cluster !== null && edits.survivor(this.cluster) === undefined) {
      this.dialog.close();
      return;
    }
    this.title.replaceChildren(...this.makeTitle());
    this.grid.chosen?.keep(this.listRows());
    this.grid.replace(this.found());
    this.showChosen();
    if (document.activeElement === document.body) this.focus();
  },

  focus() {
    this.several.focus({ preventScroll: true });
  },

  /** The images asked for, in the order asked for. */
  found() {
    const wanted = this.filter.value.toLowerCase();
    const all = this.listRows();
    const found = all.filter((row) => nameOf(row).toLowerCase().includes(wanted));
    this.shown.textContent = wanted
      ? `${count(found.length)} of ${images(all.length)}`
      : images(all.length);
    return IMAGE_ORDERS[this.order.value][1](found);
  },

  toggleSeveral() {
    if (this.grid.chosen) this.grid.stopChoosing();
    else this.grid.choose();
  },

  /** Show how many images are chosen, and where they may go. */
  showChosen() {
    const { chosen } = this.grid;
    this.several.setAttribute("aria-pressed", String(chosen !== null));
    this.moving.hidden = !chosen;
    if (!chosen) return;
    const before = this.moving.querySelector("select")?.value;
    const own = edits.survivor(this.cluster);
    const others = edits.clusters.filter((cluster) => cluster !== own);
    const listRows = () => [...chosen.rows];
    const [select, ...buttons] = makeMoveControls(others, listRows, () => {
      this.grid.chooseNone();
      this.focus();
    });
    if (before !== undefined) select.value = before;
    for (const button of buttons) button.disabled = !chosen.size;
    const { nHidden } = this.grid;
    const hidden = nHidden ? `, ${count(nHidden)} not shown` : "";
    this.moving.replaceChildren(
      make("span", { role: "status" }, `${images(chosen.size)} chosen${hidden}`),
      makeButton("All", () => this.grid.chooseAll()),
      makeButton("None", () => this.grid.chooseNone(), { disabled: !chosen.size }),
      select,
      ...buttons,
    );
  },
};

gallery.dialog.addEventListener("keydown", (event) => {
  const { chosen } = gallery.grid;
  if (event.target.matches("input, select")) return;
  if ((event.ctrlKey || event.metaKey) && event.key === "a") {
    event.preventDefault();
    gallery.grid.chooseAll();
  }
  if (event.key === "Escape" && chosen?.size) {
    event.preventDefault(); // the next one closes
    gallery.grid.chooseNone();
  }
});
edits.addEventListener("change", () => {
  if (gallery.dialog.open) gallery.refresh();
});
