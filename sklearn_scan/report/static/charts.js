/** The charts: sizes, confidence, training, and the shades of the confusion matrix. */

const N_BINS = 20;
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

/** How many images are how confident, and how many of them are less than that. */
function drawConfidence() {
  const bins = new Array(N_BINS).fill(0);
  for (const value of run.confidence) {
    const bin = Math.min(N_BINS - 1, Math.floor((value * N_BINS) / 10000));
    if (value >= 0) bins[bin]++;
  }
  const unsure = run.confidence.filter((value) => value >= 0 && value < 9000).length;
  const text = `${images(unsure)} below 90\u00a0%`;
  const ticks = ["0\u00a0%", "50\u00a0%", "100\u00a0%"];
  byId("confidence").replaceChildren(
    drawBins(bins, `Histogram of confidence: ${text}`),
    make("div", { className: "ticks" }, ...ticks.map((tick) => make("span", {}, tick))),
    make("p", { className: "hint" }, text),
  );
}

function drawBins(bins, label) {
  const [width, height] = [400, 120];
  const step = width / N_BINS;
  const most = Math.max(...bins, 1);
  const bars = bins.map((n, i) => {
    const tall = n && Math.max(1.5, (height * n) / most);
    const from = (100 * i) / N_BINS;
    const text = `${from} to ${from + 100 / N_BINS}\u00a0%: ${images(n)}`;
    return draw(
      "rect",
      { x: i * step + 1, y: height - tall, width: step - 2, height: tall, rx: 1.5 },
      draw("title", {}, text),
    );
  });
  return draw(
    "svg",
    {
      viewBox: `0 0 ${width} ${height + 1}`,
      class: "histogram",
      role: "img",
      "aria-label": label,
    },
    ...bars,
    draw("line", { x1: 0, x2: width, y1: height, y2: height }),
  );
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

/** Shade the cells of the confusion matrix by their share of the class. */
function shadeConfusion() {
  for (const cell of document.querySelectorAll("#confusion td[data-share]")) {
    cell.style.setProperty("--share", cell.dataset.share);
  }
  for (const head of document.querySelectorAll("#confusion th[data-cluster]")) {
    const { cluster } = head.dataset;
    head.title = visible(run.names[cluster]);
    head.replaceChildren(makeSwatch(Number(cluster)), cluster);
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
