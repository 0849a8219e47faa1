/** What Python left in the page, in a form to work with. */

const page = JSON.parse(document.getElementById("data").textContent);

/** Read base64 of little-endian numbers. */
function unpack(text, Numbers) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return new Numbers(bytes.buffer);
}

/** The clustering as it was found, before any edit. */
const run = {
  id: page.run,
  labels: unpack(page.labels, Int32Array),
  confidence: unpack(page.confidence, Int16Array), // ten-thousandths; -1 for none
  rank: unpack(page.rank, Int32Array), // 0 is the surest of all
  likely: {
    each: page.likely.each,
    clusters: unpack(page.likely.clusters, Int32Array),
    probabilities: unpack(page.likely.probabilities, Int16Array),
  },
  neighbors: {
    each: page.neighbors.each,
    rows: unpack(page.neighbors.rows, Int32Array),
  },
  points: unpack(page.points, Uint16Array), // x and y in turn
  names: page.clusters.names,
  prototypes: page.clusters.prototypes,
  nearest: page.clusters.nearest,
  isLearnt: page.clusters.learnt,
  merges: page.clusters.merges, // pairs of nodes: clusters, then the merges so far
  places: unpack(page.pictures.places, Int32Array), // of thumbnails; -1 for none
  perPack: page.pictures.each,
  classes: page.classes && {
    names: page.classes.names,
    of: unpack(page.classes.of, Int32Array),
  },
  unreadable: new Map(page.unreadable),
};

const allRows = Array.from(run.labels.keys());
const allClusters = Array.from(run.names.keys());

run.sizes = allClusters.map(() => 0); // in images
for (const label of run.labels) if (label >= 0) run.sizes[label]++;

/** The cluster of the run that the model chose for an image. */
function likeliest(row) {
  return run.likely.clusters[row * run.likely.each];
}

/** Whether a name is that of a cluster which nobody has named. */
function isUnnamed(name) {
  return /^cluster \d+$/.test(name);
}

/** The path of an image as the run has it, character by character. */
function pathOf(row) {
  return page.paths.folder + page.paths.rest[row];
}

// Control characters, marks that turn the writing around, and bytes of no known script.
const UNSEEN = new RegExp(
  "[\\u0000-\\u001f\\u007f-\\u009f\\u200b\\u200e\\u200f\\u2028-\\u202e" +
    "\\u2060-\\u2069\\ufeff\\ud800-\\udfff]",
  "gu",
);

/** Make a text safe to look at: what cannot be seen is shown as a sign. */
function visible(text) {
  return text.replace(UNSEEN, (character) => {
    const code = character.charCodeAt(0);
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : "\ufffd";
  });
}

const shownNames = page.names.rest.map(visible);

/** What an image is called on the page: its path within the folder of all. */
function nameOf(row) {
  return shownNames[row];
}

/** The confidence as it stands in labels.csv. */
function confidenceText(row) {
  const value = run.confidence[row];
  return value < 0 ? "" : (value / 10000).toFixed(4);
}

/** Ten-thousandths as a percentage to read; 100 % only where it is nothing less. */
function percent(value) {
  const share = value / 100;
  if (share === 100 || share < 99.5) return `${share.toFixed(0)}\u00a0%`;
  return `${(Math.floor(share * 10) / 10).toFixed(1)}\u00a0%`;
}

const count = new Intl.NumberFormat("en").format;

function images(n) {
  return n === 1 ? "1 image" : `${count(n)} images`;
}
