/** The embedding drawn flat, on a canvas. */

const NOWHERE = 65535;
const MARGIN = 14; // pixels around the points
const REACH = 14; // pixels from a pointer to what it points at
const MOST_ZOOM = 40;
const MOST_STRETCH = 1.6; // of the width against the height
const THUMBNAIL = 36; // pixels
const GAP = 3;

const map = {
  canvas: byId("map"),
  preview: byId("map-preview"),
  // The surest come first, of their thumbnails too.
  placed: allRows
    .filter((row) => run.points[2 * row] !== NOWHERE)
    .sort((a, b) => run.rank[a] - run.rank[b]),
  zoom: 1,
  center: [0.5, 0.5], // of the view, in shares of the map
  current: -1, // the image pointed at
  cluster: null, // the cluster to be found
  found: null, // the images that a search has found
  thumbnails: null, // what is drawn at each place, where thumbnails are

  get size() {
    return [this.canvas.clientWidth, this.canvas.clientHeight];
  },

  /** The pixels that the map's width and height take. */
  get sides() {
    const [width, height] = this.size.map((side) => Math.max(side - 2 * MARGIN, 1));
    const side = Math.min(width, height);
    const most = side * MOST_STRETCH;
    return [Math.min(width, most) * this.zoom, Math.min(height, most) * this.zoom];
  },

  /** What tells where on the canvas an image is, in CSS pixels. */
  view() {
    const { size, sides, center } = this;
    const [scaleX, scaleY] = sides.map((side) => side / (NOWHERE - 1));
    const left = size[0] / 2 - center[0] * sides[0];
    const bottom = size[1] / 2 + center[1] * sides[1];
    return (row) => [
      left + run.points[2 * row] * scaleX,
      bottom - run.points[2 * row + 1] * scaleY,
    ];
  },

  /** Draw soon; many wishes of one moment are one drawing. */
  draw() {
    this.asked ??= requestAnimationFrame(() => {
      this.asked = null;
      this.drawNow();
    });
  },

  drawNow() {
    const [width, height] = this.size;
    const scale = window.devicePixelRatio;
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(height * scale);
    const context = this.canvas.getContext("2d");
    context.scale(scale, scale);
    this.drawDots(context);
    if (this.thumbnails) this.drawThumbnails(context);
    if (this.current >= 0) this.drawRing(context);
    lasso.draw(context);
  },

  drawDots(context) {
    const view = this.view();
    const size = Math.max(1.7, Math.min(4.5, 120 / Math.sqrt(this.placed.length)));
    const radius = size * Math.min(2, Math.sqrt(this.zoom));
    const colors = new Map([-1, ...edits.clusters].map((each) => [each, colorOf(each)]));
    const alphas = { faint: 0.13, plain: this.thumbnails ? 0.35 : 0.8 };
    // What is meant is drawn last, over the rest.
    for (const isMeant of [false, true]) {
      context.globalAlpha = isMeant ? alphas.plain : alphas.faint;
      for (const row of this.placed) {
        if (this.isMeant(row) !== isMeant) continue;
        const [x, y] = view(row);
        context.fillStyle = colors.get(edits.label(row));
        context.beginPath();
        context.arc(x, y, radius, 0, 2 * Math.PI);
        context.fill();
      }
    }
    context.globalAlpha = 1;
  },

  /** Whether an image is what is being looked for, as all are where nothing is. */
  isMeant(row) {
    if (this.cluster !== null) return edits.label(row) === this.cluster;
    return this.found === null || this.found.has(row);
  },

  /** Draw as many thumbnails as fit beside each other. */
  drawThumbnails(context) {
    const view = this.view();
    const counts = this.size.map((side) => Math.floor(side / (THUMBNAIL + GAP)));
    this.thumbnails = new Map();
    for (const row of this.placed) {
      const cell = this.cellAt(...view(row));
      const isInside = cell.every((at, axis) => at >= 0 && at < counts[axis]);
      if (run.places[row] < 0 || !isInside || !this.isMeant(row)) continue;
      if (this.thumbnails.has(String(cell))) continue;
      this.thumbnails.set(String(cell), row);
      this.drawThumbnail(context, row, cell);
    }
  },

  /** The column and row of the thumbnail at a place on the canvas. */
  cellAt(...at) {
    const pitch = THUMBNAIL + GAP;
    return at.map((value, axis) =>
      Math.floor((value - (this.size[axis] % pitch) / 2) / pitch),
    );
  },

  drawThumbnail(context, row, cell) {
    const image = readyPicture(row);
    if (!image) return;
    const pitch = THUMBNAIL + GAP;
    const [x, y] = cell.map(
      (at, axis) => at * pitch + ((this.size[axis] % pitch) + GAP) / 2,
    );
    const { naturalWidth: width, naturalHeight: height } = image;
    const side = Math.min(width, height);
    const from = [(width - side) / 2, (height - side) / 2, side, side];
    context.drawImage(image, ...from, x, y, THUMBNAIL, THUMBNAIL);
    context.strokeStyle = colorOf(edits.label(row));
    context.lineWidth = 2;
    context.strokeRect(x, y, THUMBNAIL, THUMBNAIL);
  },

  drawRing(context) {
    const [x, y] = this.view()(this.current);
    context.lineWidth = 2;
    context.strokeStyle = getComputedStyle(this.canvas).color;
    context.beginPath();
    context.arc(x, y, 8, 0, 2 * Math.PI);
    context.stroke();
  },

  highlight(cluster) {
    this.cluster = cluster;
    this.draw();
  },

  /** Point at an image: a ring, and its thumbnail beside it. */
  point(row) {
    if (row === this.current) return;
    this.current = row;
    this.draw();
    this.preview.hidden = row < 0;
    if (row < 0) return;
    const label = edits.label(row);
    this.preview.replaceChildren(
      showThumbnail(make("div", { className: "preview-picture" }), row),
      make("b", {}, splitName(nameOf(row))[1]),
      make("span", {}, makeSwatch(label), clusterName(label)),
      make("span", { className: "hint" }, trustIn(row)),
    );
    this.placePreview(...this.view()(row));
  },

  /** Put the preview beside a place, within the map. */
  placePreview(x, y) {
    const [width, height] = this.size;
    const { offsetWidth, offsetHeight } = this.preview;
    const left = x + 16 + offsetWidth > width ? x - 16 - offsetWidth : x + 16;
    const top = Math.min(y - offsetHeight / 2, height - offsetHeight - 4);
    this.preview.style.transform = `translate(${Math.max(left, 4)}px, ${Math.max(top, 4)}px)`;
  },

  /** The image at a place on the canvas: its thumbnail, or the nearest within reach. */
  nearest(x, y, reach = REACH) {
    const drawn = this.thumbnails?.get(String(this.cellAt(x, y)));
    if (drawn !== undefined) return drawn;
    const view = this.view();
    let [best, least] = [-1, reach ** 2];
    for (const row of this.placed) {
      if (!this.isMeant(row)) continue;
      const [a, b] = view(row);
      const distance = (a - x) ** 2 + (b - y) ** 2;
      if (distance < least) [best, least] = [row, distance];
    }
    return best;
  },

  /** The image next to the current one in a direction: near, and not much aside. */
  nextTowards(dx, dy) {
    const view = this.view();
    const [x, y] = view(this.current);
    let [best, least] = [this.current, Infinity];
    for (const row of this.placed) {
      const [a, b] = view(row);
      const ahead = (a - x) * dx + (b - y) * dy;
      const aside = Math.abs((a - x) * dy) + Math.abs((b - y) * dx);
      if (ahead <= 0.5 || aside > ahead) continue;
      const cost = ahead + 2 * aside;
      if (cost < least) [best, least] = [row, cost];
    }
    return best;
  },

  /** Zoom about a place on the canvas, which stays where it is. */
  zoomBy(factor, x = this.size[0] / 2, y = this.size[1] / 2) {
    const before = this.sides;
    this.zoom = Math.min(Math.max(this.zoom * factor, 1), MOST_ZOOM);
    const after = this.sides;
    this.center[0] += (x - this.size[0] / 2) * (1 / before[0] - 1 / after[0]);
    this.center[1] -= (y - this.size[1] / 2) * (1 / before[1] - 1 / after[1]);
    this.settleView();
  },

  panBy(dx, dy) {
    this.center[0] -= dx / this.sides[0];
    this.center[1] += dy / this.sides[1];
    this.settleView();
  },

  settleView() {
    if (this.zoom === 1) this.center = [0.5, 0.5];
    this.center = this.center.map((share) => Math.min(Math.max(share, 0), 1));
    this.point(-1);
    this.draw();
  },

  /** Move the map until an image is in view. */
  reveal(row) {
    const at = this.view()(row);
    const [dx, dy] = this.size.map(
      (side, axis) => Math.min(Math.max(at[axis], MARGIN), side - MARGIN) - at[axis],
    );
    if (dx || dy) this.panBy(dx, dy);
  },

  reset() {
    this.zoom = 1;
    this.settleView();
  },

  open(row) {
    const label = edits.label(row);
    detail.open(row, label < 0 ? edits.leftOut : edits.members(label));
  },
};

const readyPictures = new Map();

/** A thumbnail if it is decoded; if not, the map is drawn again when it is. */
function readyPicture(row) {
  if (!readyPictures.has(row)) {
    readyPictures.set(row, null);
    const image = new Image();
    image.onload = () => {
      readyPictures.set(row, image);
      map.draw();
    };
    pageIsWhole.then(() => (image.src = addressOf(row)));
  }
  return readyPictures.get(row);
}

new ResizeObserver(() => map.draw()).observe(map.canvas);
