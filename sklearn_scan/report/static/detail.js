/** One image: larger, with what the model thinks of it, its neighbours, and a move. */

const detail = {
  dialog: byId("detail"),
  row: -1,
  rows: [],

  /** Show an image; arrow keys go through the rows it was chosen from. */
  open(row, rows = [row]) {
    this.row = row;
    this.rows = rows;
    this.show();
  },

  show() {
    const { row } = this;
    const [folder, file] = splitName(nameOf(row));
    const heading = make(
      "h2",
      { id: "detail-title", className: "file-name" },
      make("span", { className: "folder" }, folder),
      file,
    );
    const picture = make("div", {
      className: "large",
      role: "img",
      "aria-label": describe(row),
    });
    showThumbnail(picture, row);
    const facts = make("div", { className: "detail-facts" }, ...makeFacts(row));
    const left = make(
      "div",
      { className: "detail-picture" },
      picture,
      this.makeSteps(),
      ...makeFileLinks(row),
    );
    openDialog(
      this.dialog,
      heading,
      make("div", { className: "detail-body" }, left, facts),
    );
  },

  makeSteps() {
    const at = this.rows.indexOf(this.row);
    const place = `${count(at + 1)} of ${count(this.rows.length)}`;
    const makeStep = (text, by) =>
      makeButton(text, () => this.step(by), {
        disabled: this.rows[at + by] === undefined,
        "data-step": String(by),
      });
    return make(
      "div",
      { className: "buttons steps" },
      makeStep("‹ Previous", -1),
      make("span", { className: "hint" }, place),
      makeStep("Next ›", 1),
    );
  },

  /** Go to the next image, or the one before; the focus stays on the button for it. */
  step(by) {
    const next = this.rows[this.rows.indexOf(this.row) + by];
    if (next === undefined) return;
    this.row = next;
    this.show();
    this.focus(`[data-step="${by}"]:not(:disabled)`);
  },

  focus(selector) {
    const wanted = this.dialog.querySelector(selector);
    (wanted ?? this.dialog.querySelector(".cross")).focus();
  },
};

/** The folder and the name of a file. */
function splitName(name) {
  const cut = Math.max(name.lastIndexOf("/"), name.lastIndexOf("\\")) + 1;
  return [name.slice(0, cut), name.slice(cut)];
}

/** What is known of an image. */
function makeFacts(row) {
  const label = edits.label(row);
  const reason = run.unreadable.get(row);
  const parts = [];
  if (reason !== undefined) {
    const text = `Cannot be read: ${visible(reason)}`;
    parts.push(make("p", { className: "notice" }, text));
  }
  if (label >= 0) parts.push(make("p", {}, "In ", makeChip(label)));
  if (edits.isLeftOut(row)) {
    parts.push(make("p", { className: "notice" }, "Left out: it is in no cluster."));
  }
  if (edits.isByHand(row)) {
    const text = trustIn(row);
    const sentence = `${text[0].toUpperCase()}${text.slice(1)}.`;
    parts.push(make("p", { className: "hint" }, sentence));
  }
  if (run.classes) {
    const name = visible(run.classes.names[run.classes.of[row]]);
    parts.push(make("p", {}, `Labelled ${name}`));
  }
  if (run.confidence[row] >= 0) {
    parts.push(makeLikely(row), makeMove(row), ...makeNeighbors(row));
  }
  return parts;
}

function makeLikely(row) {
  const bars = Array.from(edits.likely(row), ([cluster, probability]) => {
    const bar = makeBar(probability / 10000, cluster);
    return make(
      "div",
      {},
      make("dt", {}, clusterName(cluster)),
      make("dd", {}, bar, percent(probability)),
    );
  });
  return make(
    "section",
    {},
    make("h3", {}, "What the model thinks"),
    make("p", { className: "hint" }, "Its probabilities of the most likely clusters."),
    make("dl", { className: "likely" }, ...bars),
  );
}

/** A choice of clusters to move an image to, the likeliest first. */
function makeMove(row) {
  const clusters = new Set([...edits.likely(row).keys(), ...edits.clusters]);
  clusters.delete(edits.label(row));
  const controls = makeMoveControls(
    [...clusters],
    () => [row],
    () => detail.focus(".cross"),
  );
  return make(
    "section",
    {},
    make("h3", {}, "Not right?"),
    make("div", { className: "buttons" }, ...controls),
  );
}

function makeNeighbors(row) {
  const { each, rows } = run.neighbors;
  const nearest = Array.from(rows.subarray(row * each, (row + 1) * each));
  const known = nearest.filter((other) => other >= 0);
  if (!known.length) return [];
  return [
    make(
      "section",
      {},
      make("h3", {}, "Nearest images"),
      make(
        "p",
        { className: "hint" },
        "The images most similar to it. Training pulls them into the same cluster.",
      ),
      makeStrip(known, "Nearest images"),
    ),
  ];
}

detail.dialog.addEventListener("keydown", (event) => {
  if (event.target.closest(".strip, select")) return;
  if (event.key === "ArrowRight") detail.step(1);
  if (event.key === "ArrowLeft") detail.step(-1);
});
edits.addEventListener("change", () => {
  if (!detail.dialog.open) return;
  detail.show();
  detail.focus(".cross");
});
