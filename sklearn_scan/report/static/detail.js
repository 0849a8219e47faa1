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
    const at = this.rows.indexOf(row);
    const picture = make("div", { className: "large", role: "img", "aria-label": describe(row) });
    showThumbnail(picture, row);
    const [folder, file] = splitName(nameOf(row));
    const heading = make("h2", { id: "detail-title", className: "file-name" },
      make("span", { className: "folder" }, folder), file);
    const steps = make("div", { className: "buttons steps" },
      makeButton("‹ Previous", () => this.step(-1), { disabled: at <= 0, "data-step": "-1" }),
      make("span", { className: "hint" }, `${count(at + 1)} of ${count(this.rows.length)}`),
      makeButton("Next ›", () => this.step(1), { disabled: at >= this.rows.length - 1, "data-step": "1" }),
    );
    const facts = make("div", { className: "detail-facts" }, ...this.facts());
    openDialog(this.dialog, heading,
      make("div", { className: "detail-body" }, make("div", {}, picture, steps), facts));
  },

  step(by) {
    const next = this.rows[this.rows.indexOf(this.row) + by];
    if (next === undefined) return;
    this.row = next;
    this.show();
    const again = this.dialog.querySelector(`[data-step="${by}"]:not(:disabled)`);
    (again ?? this.dialog.querySelector(".cross")).focus();
  },

  facts() {
    const { row } = this;
    const reason = run.unreadable.get(row);
    const parts = [];
    if (reason !== undefined) {
      parts.push(make("p", { className: "notice" }, `Cannot be read: ${visible(reason)}`));
    }
    const label = edits.label(row);
    if (label < 0) return parts;
    parts.push(make("p", {}, "In ", makeChip(label)));
    if (run.classes) {
      const name = visible(run.classes.names[run.classes.of[row]]);
      parts.push(make("p", {}, `Labelled ${name}`));
    }
    parts.push(makeLikely(row), makeMove(row), ...makeNeighbors(row));
    return parts;
  },
};

function splitName(name) {
  const cut = Math.max(name.lastIndexOf("/"), name.lastIndexOf("\\")) + 1;
  return [name.slice(0, cut), name.slice(cut)];
}

/** The most probable clusters of the run, as bars. */
function makeLikely(row) {
  const { each, clusters, probabilities } = run.likely;
  const bars = make("dl", { className: "likely" });
  for (let i = row * each; i < (row + 1) * each; i++) {
    const bar = make("span", { className: "bar-fill" });
    bar.style.setProperty("--share", probabilities[i] / 10000);
    bar.style.setProperty("--color", colorOf(clusters[i]));
    bars.append(
      make("div", {},
        make("dt", {}, visible(run.names[clusters[i]])),
        make("dd", {}, make("span", { className: "bar-track" }, bar), percent(probabilities[i])),
      ),
    );
  }
  return make("section", {},
    make("h3", {}, "What the model thinks"),
    make("p", { className: "hint" }, "Its own probability of the likeliest clusters, as they were found."),
    bars);
}

function makeMove(row) {
  const label = edits.label(row);
  const { each, clusters } = run.likely;
  const likely = Array.from(clusters.subarray(row * each, (row + 1) * each), (c) => edits.survivor(c));
  const order = [...new Set([...likely, ...edits.clusters])].filter((c) => c !== label);
  if (!order.length) return make("span");
  const select = makeClusterSelect(order, "Move to");
  const move = () => {
    moveRows([row], Number(select.value));
    detail.show();
    detail.dialog.querySelector(".cross").focus();
  };
  return make("section", {},
    make("h3", {}, "Not right?"),
    make("div", { className: "buttons" }, select, makeButton("Move", move, { className: "primary" })));
}

function moveRows(rows, into) {
  edits.move(rows, into);
  announce(`Moved ${images(rows.length)} to ${visible(edits.name(into))}.`);
}

function makeNeighbors(row) {
  const { each, rows } = run.neighbors;
  const nearest = Array.from(rows.subarray(row * each, (row + 1) * each)).filter((r) => r >= 0);
  if (!nearest.length) return [];
  return [
    make("section", {},
      make("h3", {}, "Nearest images"),
      make("p", { className: "hint" }, "Most alike to the encoder. Training draws them into one cluster."),
      makeStrip(nearest, "Nearest images")),
  ];
}

detail.dialog.addEventListener("keydown", (event) => {
  if (event.target.closest(".strip, select")) return;
  if (event.key === "ArrowRight") detail.step(1);
  if (event.key === "ArrowLeft") detail.step(-1);
});
