/** Thumbnails: pictures in the page, each read when it comes into view. */

const TINY = 64; // pixels of a side; of smaller pictures, the pixels are shown
const packs = new Map(); // of pictures, in base64

const pageIsWhole = new Promise((resolve) => {
  if (document.readyState !== "loading") resolve();
  else document.addEventListener("DOMContentLoaded", resolve, { once: true });
});

function packOf(row) {
  return Math.floor(run.places[row] / run.perPack);
}

/** Whether an image has a thumbnail that has arrived: the page may be on its way. */
function hasArrived(row) {
  return (
    packs.has(packOf(row)) || Boolean(byId(`pack-${packOf(row)}`)?.nextElementSibling)
  );
}

/**
 * The address of an image's thumbnail, which has arrived. It holds the picture itself:
 * browsers show it at once, also when they are about to print.
 */
function addressOf(row) {
  const pack = packOf(row);
  if (!packs.has(pack)) {
    const element = byId(`pack-${pack}`);
    packs.set(pack, element.textContent.split(" "));
    element.textContent = ""; // once is enough in memory
  }
  return `data:image/webp;base64,${packs.get(pack)[run.places[row] % run.perPack]}`;
}

/** Give an <img> its picture: at once, if that has arrived. */
async function paint(img) {
  const row = Number(img.parentElement.dataset.row);
  if (!hasArrived(row)) await pageIsWhole;
  img.src = addressOf(row);
}

function markTiny({ target: img }) {
  const { naturalWidth: width, naturalHeight: height } = img;
  img.classList.toggle("pixels", width * height < TINY ** 2);
}

const unpainted = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      unpainted.unobserve(target);
      paint(target.firstElementChild);
    }
  },
  { rootMargin: "300px" },
);

/** Make an element show an image's thumbnail, cut to a square by its style. */
function showThumbnail(element, row) {
  element.classList.add("thumbnail");
  element.dataset.row = row;
  if (run.places[row] < 0) {
    element.classList.add("missing");
    return element;
  }
  const img = make("img", { alt: "", draggable: false, onload: markTiny });
  element.prepend(img);
  unpainted.observe(element);
  return element;
}

/** Paint all thumbnails in an element, in view or not. */
function paintAll(element) {
  for (const img of element.querySelectorAll(".thumbnail > img:not([src])")) {
    unpainted.unobserve(img.parentElement);
    paint(img);
  }
}

/** What a screen reader, or a pointer that rests, is told of an image. */
function describe(row) {
  const reason = run.unreadable.get(row);
  if (reason !== undefined) return `${nameOf(row)}: cannot be read`;
  const label = edits.label(row);
  const place = label < 0 ? "left out" : `in ${clusterName(label)}`;
  return `${nameOf(row)}, ${place}, ${trustIn(row)}`;
}

/** How sure the model is of an image's cluster; or that people chose it, and it not. */
function trustIn(row) {
  const sure = percent(run.confidence[row]);
  const said = `the model says ${clusterName(edits.chosen(row))}, ${sure}`;
  if (edits.isLeftOut(row)) return said;
  return edits.isByHand(row) ? `moved by hand; ${said}` : `${sure} confident`;
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
