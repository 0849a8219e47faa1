/** A grid of thumbnails, in which several may be chosen. */

const CHUNK = 120; // tiles made at a time
const LONG_PRESS = 500; // milliseconds
const FIRM = 10; // pixels that a finger which presses may slip

/** Images that are chosen, with the range that is being chosen. */
class Selection {
  rows = new Set();
  #anchor = null; // where a range begins
  #before = new Set(); // what was chosen before the range

  get size() {
    return this.rows.size;
  }

  has(row) {
    return this.rows.has(row);
  }

  toggle(row) {
    if (!this.rows.delete(row)) this.rows.add(row);
    this.startAt(row);
  }

  /** Let the next range begin at an image. */
  startAt(row) {
    this.#anchor = row;
    this.#before = new Set(this.rows);
  }

  /** Choose all from where the range begins to an image, in the order of a list. */
  extendTo(row, list) {
    const [from, to] = [list.indexOf(this.#anchor), list.indexOf(row)];
    if (from < 0) {
      this.toggle(row);
      return;
    }
    const range = list.slice(Math.min(from, to), Math.max(from, to) + 1);
    this.rows = new Set([...this.#before, ...range]);
  }

  add(rows) {
    for (const row of rows) this.rows.add(row);
    this.startAt(this.#anchor);
  }

  /** Let go of all that are not in a list. */
  keep(list) {
    const kept = new Set(list);
    for (const row of this.rows) if (!kept.has(row)) this.rows.delete(row);
    this.startAt(null);
  }

  clear() {
    this.rows.clear();
    this.#anchor = null;
    this.#before.clear();
  }
}

/** A grid of thumbnails that grows as it is scrolled. */
class Grid {
  #rows = [];
  #end = make("div", { className: "grid-end" });
  #watcher;
  #onchoose;
  #isLong = false; // whether a finger has pressed long, which is no click

  /** Make a grid; images may be chosen in it if it is said who is told of it. */
  constructor(label, onchoose = null) {
    this.element = make("div", {
      className: "grid",
      role: "group",
      "aria-label": label,
    });
    this.chosen = null; // a Selection while several are being chosen
    this.#onchoose = onchoose;
    this.#watcher = new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting)) this.#grow();
      },
      { rootMargin: "600px" },
    );
    this.element.addEventListener("focusin", (event) => {
      if (event.target.nextElementSibling === this.#end) this.#grow();
    });
    if (onchoose) this.#listen();
    else rove(this.element);
  }

  show(rows) {
    this.#rows = rows;
    this.element.replaceChildren(this.#end);
    this.#grow();
  }

  /** Show other images where as many are shown: what is scrolled stays in its place. */
  replace(rows) {
    const n = this.#nTiles;
    this.show(rows);
    while (this.#nTiles < Math.min(n, rows.length)) this.#grow();
  }

  /** How many of the images that are chosen are not shown. */
  get nHidden() {
    const shown = new Set(this.#rows);
    return [...this.chosen.rows].filter((row) => !shown.has(row)).length;
  }

  /** Say anew what is known of the images that are shown. */
  refresh() {
    for (const tile of this.#tiles()) {
      const badge = labelTile(tile).querySelector(".badge");
      if (badge) badge.textContent = badgeOf(rowOf(tile));
    }
  }

  /** Begin to choose images. */
  choose() {
    this.chosen ??= new Selection();
    this.#tell();
  }

  stopChoosing() {
    this.chosen = null;
    this.#tell();
  }

  /** Choose all images that are shown, those too for which there is no tile yet. */
  chooseAll() {
    this.chosen ??= new Selection();
    this.chosen.add(this.#rows.filter(isReadable));
    this.#tell();
  }

  chooseNone() {
    this.chosen.clear();
    this.#tell();
  }

  #tiles() {
    return this.element.querySelectorAll(".tile");
  }

  get #nTiles() {
    return this.element.childElementCount - 1;
  }

  #grow() {
    const shown = this.#nTiles;
    const more = this.#rows.slice(shown, shown + CHUNK);
    this.#end.before(...more.map((row) => this.#makeTile(row)));
    if (!shown && more.length) this.element.firstElementChild.tabIndex = 0;
    // Watched anew, it tells again if it is still in view.
    this.#watcher.unobserve(this.#end);
    if (shown + more.length < this.#rows.length) this.#watcher.observe(this.#end);
  }

  #makeTile(row) {
    const tile = makeTile(row, (event) => this.#press(row, event));
    if (run.confidence[row] >= 0) {
      tile.append(make("span", { className: "badge" }, badgeOf(row)));
    }
    this.#mark(tile);
    return tile;
  }

  #mark(tile) {
    if (!this.chosen) tile.removeAttribute("aria-pressed");
    else tile.setAttribute("aria-pressed", String(this.chosen.has(rowOf(tile))));
  }

  /** Show what is chosen, and tell of it. */
  #tell() {
    for (const tile of this.#tiles()) this.#mark(tile);
    this.#onchoose();
  }

  #press(row, event) {
    if (this.#isLong) return;
    const begins = event.shiftKey || event.ctrlKey || event.metaKey;
    if (!this.#onchoose || (!this.chosen && !begins)) {
      detail.open(row, this.#rows);
      return;
    }
    if (!isReadable(row)) return;
    this.chosen ??= new Selection();
    if (event.shiftKey) this.chosen.extendTo(row, this.#rows.filter(isReadable));
    else this.chosen.toggle(row);
    this.#tell();
  }

  /** Let keys and long presses choose. */
  #listen() {
    let from = null; // the tile that an arrow key leaves
    this.element.addEventListener("keydown", () => {
      from = document.activeElement;
      this.#isLong = false;
    });
    rove(this.element);
    this.element.addEventListener("keydown", (event) => {
      const tile = document.activeElement;
      if (tile === from || !tile.matches(".tile")) return;
      if (event.shiftKey) this.#stretch(rowOf(from), rowOf(tile));
      else this.chosen?.startAt(rowOf(tile));
    });
    this.#listenToFingers();
  }

  /** Choose from one image to another, which Shift and an arrow key have led to. */
  #stretch(from, to) {
    if (!this.chosen?.size) {
      this.chosen ??= new Selection();
      this.chosen.startAt(from);
    }
    this.chosen.extendTo(to, this.#rows.filter(isReadable));
    this.#tell();
  }

  #listenToFingers() {
    let [timer, at] = [null, null];
    const stop = () => clearTimeout(timer);
    this.element.addEventListener("pointerdown", (event) => {
      this.#isLong = false;
      const tile = event.target.closest(".tile");
      if (event.pointerType !== "touch" || !tile) return;
      at = [event.clientX, event.clientY];
      timer = setTimeout(() => {
        this.#press(rowOf(tile), { ctrlKey: true });
        this.#isLong = true;
      }, LONG_PRESS);
    });
    this.element.addEventListener("pointermove", (event) => {
      if (!at) return;
      const slip = Math.hypot(event.clientX - at[0], event.clientY - at[1]);
      if (slip > FIRM) stop();
    });
    for (const end of ["pointerup", "pointercancel", "pointerleave"]) {
      this.element.addEventListener(end, stop);
    }
    this.element.addEventListener("contextmenu", (event) => {
      if (event.pointerType === "touch") event.preventDefault();
    });
  }
}

function rowOf(tile) {
  return Number(tile.dataset.row);
}

function badgeOf(row) {
  if (edits.isLeftOut(row)) return "left out";
  return edits.isByHand(row) ? "by hand" : percent(run.confidence[row]);
}
