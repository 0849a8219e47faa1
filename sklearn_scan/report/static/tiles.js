/** Thumbnails: tiles of sheets, which are decoded when one of them comes into view. */

const tiles = page.tiles;
const PER_SHEET = tiles.columns ** 2;
const nTiles = run.places.reduce((most, place) => Math.max(most, place), -1) + 1;
const sheetUrls = new Map();
const sheetImages = new Map();

const pageIsWhole = new Promise((resolve) => {
  if (document.readyState !== "loading") resolve();
  else document.addEventListener("DOMContentLoaded", resolve, { once: true });
});

function remembered(results, key, compute) {
  if (!results.has(key)) results.set(key, compute(key));
  return results.get(key);
}

/** The address of a sheet, a promise: the page may still be on its way. */
function sheetUrl(sheet) {
  return remembered(sheetUrls, sheet, async () => {
    const element = () => byId(`sheet-${sheet}`);
    if (!element()?.nextElementSibling) await pageIsWhole;
    const bytes = unpack(element().textContent, Uint8Array);
    element().textContent = ""; // once is enough in memory
    return URL.createObjectURL(new Blob([bytes], { type: "image/webp" }));
  });
}

/** A sheet to draw from, a promise. */
function sheetImage(sheet) {
  return remembered(sheetImages, sheet, async () => {
    const image = new Image();
    image.src = await sheetUrl(sheet);
    await image.decode();
    return image;
  });
}

/** Where a tile is: its sheet, and its column and row there. */
function placeOf(row) {
  const place = run.places[row];
  if (place < 0) return null;
  const sheet = Math.floor(place / PER_SHEET);
  const within = place % PER_SHEET;
  return {
    sheet,
    column: within % tiles.columns,
    row: Math.floor(within / tiles.columns),
    nRows: Math.ceil(Math.min(PER_SHEET, nTiles - sheet * PER_SHEET) / tiles.columns),
  };
}

async function paint(element) {
  const place = placeOf(Number(element.dataset.row));
  const url = await sheetUrl(place.sheet);
  const [width, x] = stretch(place.column, tiles.columns);
  const [height, y] = stretch(place.row, place.nRows);
  Object.assign(element.style, {
    backgroundImage: `url("${url}")`,
    backgroundSize: `${width}% ${height}%`,
    backgroundPosition: `${x}% ${y}%`,
  });
}

/**
 * The size and the position of a background, in percent, of which one tile of n fills
 * the element; less a pixel at its edges, into which its neighbours run.
 */
function stretch(at, n) {
  const inner = Math.max(tiles.side - 2, 1);
  const edge = (tiles.side - inner) / 2;
  const size = (n * tiles.side) / inner; // in elements
  return [100 * size, (100 * (at * tiles.side + edge)) / inner / (size - 1)];
}

const unpainted = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      unpainted.unobserve(target);
      paint(target);
    }
  },
  { rootMargin: "300px" },
);

/** Make an element show an image's thumbnail. */
function showThumbnail(element, row) {
  element.classList.add("thumbnail");
  element.classList.toggle("pixels", tiles.side < 64);
  element.dataset.row = row;
  if (placeOf(row)) unpainted.observe(element);
  else element.classList.add("missing");
  return element;
}

/** What a screen reader, or a pointer that rests, is told of an image. */
function describe(row) {
  const reason = run.unreadable.get(row);
  if (reason !== undefined) return `${nameOf(row)}: cannot be read`;
  const name = clusterName(edits.label(row));
  return `${nameOf(row)}, in ${name}, ${trustIn(row)}`;
}

/** How sure the model is of an image's cluster; or that people chose it, and it not. */
function trustIn(row) {
  const sure = percent(run.confidence[row]);
  if (!edits.isByHand(row)) return `${sure} confident`;
  return `moved by hand; the model says ${clusterName(edits.chosen(row))}, ${sure}`;
}

/** A thumbnail to press, which opens the image. */
function makeTile(row, onclick) {
  const button = makeButton("", onclick, { className: "tile", tabIndex: -1 });
  showThumbnail(button, row);
  return labelTile(button);
}

/** Say on a thumbnail what is known of its image. */
function labelTile(tile) {
  const text = describe(Number(tile.dataset.row));
  tile.title = text;
  tile.setAttribute("aria-label", text);
  return tile;
}

/** A strip of thumbnails, each of which opens as one among more of its kind. */
function makeStrip(rows, label, among = rows) {
  const buttons = rows.map((row) => makeTile(row, () => detail.open(row, among)));
  const strip = make("div", { className: "strip", role: "group", "aria-label": label });
  strip.append(...buttons);
  if (buttons.length) buttons[0].tabIndex = 0;
  rove(strip);
  return strip;
}
