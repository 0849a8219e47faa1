/** Colours, chips, and the charts that have no interaction of their own. */

/** A colour for each cluster: hues far apart, legible on light and on dark. */
function colorOf(cluster) {
  const hue = (255 + cluster * 137.508) % 360;
  const isDark = getComputedStyle(document.documentElement).colorScheme === "dark";
  const ring = Math.floor(cluster / 9) % 3; // beyond nine hues, lightness helps
  const lightness = (isDark ? 0.74 : 0.6) + [0, 0.09, -0.1][ring];
  return `oklch(${lightness} 0.145 ${hue.toFixed(0)})`;
}

function makeSwatch(cluster) {
  const swatch = make("span", { className: "swatch", "aria-hidden": "true" });
  swatch.style.setProperty("--color", colorOf(cluster));
  return swatch;
}

/** A cluster's name that leads to its card. */
function makeChip(cluster) {
  const chip = makeButton("", () => {
    for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
    cards.focus(cluster);
  }, { className: "chip" });
  chip.append(makeSwatch(cluster), visible(edits.name(cluster)));
  return chip;
}

const N_BINS = 20;

/** How many images are how confident, and how many of them that is. */
function drawConfidence() {
  const bins = new Array(N_BINS).fill(0);
  for (const value of run.confidence) {
    if (value >= 0) bins[Math.min(N_BINS - 1, Math.floor((value * N_BINS) / 10000))]++;
  }
  const most = Math.max(...bins, 1);
  const [width, height] = [400, 120];
  const step = width / N_BINS;
  const bars = bins.map((n, i) => {
    const tall = n && Math.max(1.5, (height * n) / most);
    const box = { x: i * step + 1, y: height - tall, width: step - 2, height: tall, rx: 1.5 };
    const from = (100 * i) / N_BINS;
    return draw("rect", { ...box, class: "fill" },
      draw("title", {}, `${from} to ${from + 100 / N_BINS} %: ${images(n)}`));
  });
  const base = draw("line", { x1: 0, x2: width, y1: height, y2: height, class: "axis" });
  const unsure = run.confidence.filter((value) => value >= 0 && value < 9000).length;
  const label = `Histogram of confidence; ${images(unsure)} below 90 %.`;
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height + 1}`, class: "histogram", role: "img", "aria-label": label }, ...bars, base);
  const ticks = make("div", { className: "ticks" }, ...["0 %", "50 %", "100 %"].map((text) => make("span", {}, text)));
  byId("confidence").replaceChildren(svg, ticks, make("p", { className: "hint" }, `${images(unsure)} below 90 %`));
}

const TERMS = { n_confident: "confident images" };

/** One small chart for each term of each stage. */
function drawCurves() {
  const charts = page.curves.map(({ stage, term, values }) => {
    const known = values.filter((value) => value !== null);
    if (!known.length) return "";
    const [low, high] = [Math.min(...known), Math.max(...known)];
    const [width, height] = [220, 64];
    const x = (i) => (values.length > 1 ? (width * i) / (values.length - 1) : width / 2);
    const y = (value) => 3 + (height - 6) * (high > low ? (high - value) / (high - low) : 0.5);
    const path = values.map((value, i) => (value === null ? "" : `${x(i).toFixed(1)},${y(value).toFixed(1)}`));
    const first = known[0];
    const last = known[known.length - 1];
    const label = `${term}: ${short(first)} to ${short(last)} in ${values.length} epochs`;
    return make("figure", { className: "curve" },
      make("figcaption", {}, make("b", {}, TERMS[term] ?? term.replaceAll("_", " ")), ` ${visible(stage)}`),
      draw("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": label },
        draw("polyline", { points: path.join(" "), class: "line" })),
      make("p", { className: "hint" }, `${short(first)} → ${short(last)}, ${values.length} epochs`));
  });
  byId("curves").replaceChildren(...charts);
}

function short(value) {
  return Number.isInteger(value) ? count(value) : value.toPrecision(3);
}

/** The cells of the confusion matrix, shaded by their share of the class. */
function shadeConfusion() {
  const table = byId("confusion");
  if (!table) return;
  for (const cell of table.querySelectorAll("td[data-share]")) {
    cell.style.setProperty("--share", cell.dataset.share);
  }
  for (const head of table.querySelectorAll("th[data-cluster]")) {
    const cluster = Number(head.dataset.cluster);
    head.title = visible(run.names[cluster]);
    head.replaceChildren(makeSwatch(cluster), head.dataset.cluster);
  }
}

function listUnreadable() {
  const body = document.querySelector("#unreadable-list tbody");
  const lines = page.unreadable.map(([row, reason]) =>
    make("tr", {}, make("th", { scope: "row" }, nameOf(row)), make("td", {}, visible(reason))));
  body?.append(...lines);
}
