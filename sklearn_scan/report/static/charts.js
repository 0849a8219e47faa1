/** The charts: sizes, confidence, training, and the shades of the confusion matrix. */

const N_BINS = 20;
const UNSURE = 9000; // ten-thousandths
const TERMS = { n_confident: "confident images" };

/** A bar for each cluster; pointing at one finds it on the map. */
function drawSizes() {
  const clusters = [...edits.clusters].sort(CARD_ORDERS.size);
  const sizes = clusters.map((cluster) => edits.members(cluster).length);
  const most = Math.max(...sizes, 1);
  const bars = clusters.map((cluster, i) => {
    const row = makeButton("", () => cards.focus(cluster), {
      className: "size-row",
      title: clusterName(cluster),
      onpointerenter: () => map.highlight(cluster),
      onpointerleave: () => map.highlight(null),
      onfocus: () => map.highlight(cluster),
      onblur: () => map.highlight(null),
    });
    row.append(
      make("span", { className: "size-name" }, clusterName(cluster)),
      makeBar(sizes[i] / most, cluster),
      make("span", { className: "size-count" }, count(sizes[i])),
    );
    return row;
  });
  byId("sizes").replaceChildren(...bars);
}

/** How many images are how confident; each bar opens its images. */
function drawConfidence() {
  const bins = Array.from({ length: N_BINS }, () => []);
  for (const row of rowsBetween(0, 10_000)) {
    const bin = Math.floor((run.confidence[row] * N_BINS) / 10_000);
    bins[Math.min(bin, N_BINS - 1)].push(row);
  }
  const ticks = ["0\u00a0%", "50\u00a0%", "100\u00a0%"];
  byId("confidence").replaceChildren(
    makeHistogram(bins),
    make("div", { className: "ticks" }, ...ticks.map((tick) => make("span", {}, tick))),
    makeUnsure(),
  );
}

/** The images of a confidence, in ten-thousandths; the least confident first. */
function rowsBetween(low, high) {
  const isWithin = (row) => run.confidence[row] >= low && run.confidence[row] <= high;
  return allRows.filter(isWithin).sort((a, b) => run.rank[b] - run.rank[a]);
}

function makeHistogram(bins) {
  const most = Math.max(...bins.map((rows) => rows.length), 1);
  const histogram = make("div", {
    className: "histogram",
    role: "group",
    "aria-label": "Histogram of confidence: each bar opens its images",
  });
  const bars = bins.map((rows, i) => makeBin(rows, i, most));
  histogram.append(...bars);
  const first = bars.find((bar) => !bar.disabled);
  if (first) first.tabIndex = 0;
  rove(histogram);
  return histogram;
}

function makeBin(rows, i, most) {
  const width = 100 / N_BINS;
  const range = `${i * width} to ${(i + 1) * width}\u00a0%`;
  const text = `${range}: ${images(rows.length)}`;
  const open = () => gallery.openRows(`Images with a confidence of ${range}`, rows);
  const bin = makeButton("", open, {
    className: "bin",
    title: text,
    "aria-label": text,
    tabIndex: -1,
    disabled: !rows.length,
  });
  const fill = make("span", { className: "bin-fill" });
  fill.style.setProperty("--share", rows.length / most);
  bin.append(fill);
  return bin;
}

/** How many images the model is unsure of: a button that opens them. */
function makeUnsure() {
  const rows = rowsBetween(0, UNSURE - 1);
  const below = `below ${percent(UNSURE)}`;
  const text = `${images(rows.length)} ${below}`;
  if (!rows.length) return make("p", { className: "hint" }, text);
  const open = () => gallery.openRows(`Images with a confidence ${below}`, rows);
  return makeButton(text, open, {
    className: "link",
    "aria-label": `${text}: see them`,
  });
}

/** One small chart for each term of each stage. */
function drawCurves() {
  byId("curves").replaceChildren(...page.curves.map(makeCurve));
}

function makeCurve({ stage, term, values }) {
  const name = TERMS[term] ?? term.replaceAll("_", " ");
  const known = values.filter((value) => value !== null);
  const [first, last] = [known[0], known.at(-1)].map(short);
  const text = `${first} → ${last}, ${count(values.length)} epochs`;
  return make(
    "figure",
    { className: "curve" },
    make("figcaption", {}, make("b", {}, name), ` ${visible(stage)}`),
    drawLine(values, `${name}: ${text}`),
    make("p", { className: "hint" }, text),
  );
}

/** Draw values from left to right, from their least to their largest. */
function drawLine(values, label) {
  const [width, height] = [220, 64];
  const known = values.filter((value) => value !== null);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const points = values.map((value, i) => {
    if (value === null) return "";
    const x = (width * i) / Math.max(values.length - 1, 1);
    const y = 3 + (height - 6) * ((high - value) / (high - low || 1));
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  });
  return draw(
    "svg",
    {
      viewBox: `0 0 ${width} ${height}`,
      preserveAspectRatio: "none",
      role: "img",
      "aria-label": label,
    },
    draw("polyline", { points: points.join(" ") }),
  );
}

function short(value) {
  if (value === undefined) return "–";
  return Number.isInteger(value) ? count(value) : String(Number(value.toPrecision(3)));
}

/** The number alone of a cluster that nobody has named; of a long name, its start. */
function shortName(name) {
  if (isUnnamed(name)) return name.split(" ")[1];
  const letters = [...visible(name)];
  return letters.length > 16 ? `${letters.slice(0, 15).join("")}…` : letters.join("");
}

/** Shade the cells of the confusion matrix by their share of the class. */
function shadeConfusion() {
  for (const cell of document.querySelectorAll("#confusion td[data-share]")) {
    cell.style.setProperty("--share", cell.dataset.share);
  }
  for (const head of document.querySelectorAll("#confusion th[data-cluster]")) {
    const { cluster } = head.dataset;
    head.title = visible(run.names[cluster]);
    head.replaceChildren(makeSwatch(Number(cluster)), shortName(run.names[cluster]));
  }
}

function listUnreadable() {
  const lines = page.unreadable.map(([row, reason]) =>
    make(
      "tr",
      {},
      make("th", { scope: "row" }, nameOf(row)),
      make("td", {}, visible(reason)),
    ),
  );
  document.querySelector("#unreadable-list tbody")?.append(...lines);
}
