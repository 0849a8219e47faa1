/** The embedding drawn flat, on a canvas. */

const NOWHERE = 65535;
const MARGIN = 14; // pixels around the points
const REACH = 14; // pixels from a pointer to what it points at
const MOST_ZOOM = 40;

const map = {
  canvas: byId("map"),
  preview: byId("map-preview"),
  placed: allRows.filter((row) => run.points[2 * row] !== NOWHERE),
  zoom: 1,
  center: [0.5, 0.5], // of the view, in shares of the map
  current: -1, // the image pointed at
  cluster: null, // the cluster to be found
  found: null, // the images that a search has found
  withThumbnails: false,

  /** Where an image is on the canvas, in CSS pixels. */
  at(row) {
    const side = this.side * this.zoom;
    return [0, 1].map((axis) => {
      const share = run.points[2 * row + axis] / (NOWHERE - 1) - this.center[axis];
      return this.size[axis] / 2 + (axis ? -share : share) * side;
    });
  },

  get size() {
    return [this.canvas.clientWidth, this.canvas.clientHeight];
  },

  get side() {
    return Math.max(Math.min(...this.size) - 2 * MARGIN, 1);
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
    if (this.withThumbnails) this.drawThumbnails(context);
    if (this.current >= 0) this.drawRing(context);
  },

  drawDots(context) {
    const radius = Math.max(1.6, Math.min(4.5, 110 / Math.sqrt(this.placed.length))) * Math.min(2, Math.sqrt(this.zoom));
    const colors = new Map(edits.clusters.map((cluster) => [cluster, colorOf(cluster)]));
    const [faint, plain] = [[], []];
    for (const row of this.placed) (this.isMeant(row) ? plain : faint).push(row);
    for (const [rows, alpha] of [[faint, 0.13], [plain, this.withThumbnails ? 0.35 : 0.8]]) {
      context.globalAlpha = alpha;
      for (const row of rows) {
        const [x, y] = this.at(row);
        context.fillStyle = colors.get(edits.label(row)) ?? "gray";
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
    const side = 34;
    const taken = new Set();
    const cell = (value) => Math.floor(value / (side + 3));
    const [width, height] = this.size;
    for (const row of this.placed) {
      const place = placeOf(row);
      const [x, y] = this.at(row);
      const key = `${cell(x)} ${cell(y)}`;
      const isInside = x > 0 && y > 0 && x < width && y < height;
      if (!place || !isInside || !this.isMeant(row) || taken.has(key)) continue;
      taken.add(key);
      this.drawThumbnail(context, row, place, (cell(x) + 0.5) * (side + 3), (cell(y) + 0.5) * (side + 3), side);
    }
  },

  drawThumbnail(context, row, place, x, y, side) {
    const image = readySheet(place.sheet);
    if (!image) return;
    const from = [place.column * tiles.side, place.row * tiles.side, tiles.side, tiles.side];
    context.drawImage(image, ...from, x - side / 2, y - side / 2, side, side);
    context.strokeStyle = colorOf(edits.label(row));
    context.lineWidth = 2;
    context.strokeRect(x - side / 2, y - side / 2, side, side);
  },

  drawRing(context) {
    const [x, y] = this.at(this.current);
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
    const picture = showThumbnail(make("div", { className: "preview-picture" }), row);
    const label = edits.label(row);
    this.preview.replaceChildren(picture,
      make("b", {}, splitName(nameOf(row))[1]),
      make("span", {}, makeSwatch(label), visible(edits.name(label))),
      make("span", { className: "hint" }, `${percent(run.confidence[row])} confident`));
    const [x, y] = this.at(row);
    const [width, height] = this.size;
    const { offsetWidth, offsetHeight } = this.preview;
    const left = x + 16 + offsetWidth > width ? x - 16 - offsetWidth : x + 16;
    const top = Math.min(Math.max(y - offsetHeight / 2, 4), height - offsetHeight - 4);
    this.preview.style.translate = `${Math.max(left, 4)}px ${Math.max(top, 4)}px`;
  },

  /** The image nearest to a place on the canvas, within reach. */
  nearest(x, y, reach = REACH) {
    let [best, least] = [-1, reach ** 2];
    for (const row of this.placed) {
      if (!this.isMeant(row)) continue;
      const [a, b] = this.at(row);
      const distance = (a - x) ** 2 + (b - y) ** 2;
      if (distance < least) [best, least] = [row, distance];
    }
    return best;
  },

  /** The image next to the current one in a direction: near, and not much aside. */
  nextTowards(dx, dy) {
    const [x, y] = this.at(this.current);
    let [best, least] = [this.current, Infinity];
    for (const row of this.placed) {
      const [a, b] = this.at(row);
      const ahead = (a - x) * dx + (b - y) * dy;
      const aside = Math.abs((a - x) * dy) + Math.abs((b - y) * dx);
      if (ahead <= 0.5 || aside > ahead) continue;
      const cost = ahead + 2 * aside;
      if (cost < least) [best, least] = [row, cost];
    }
    return best;
  },

  zoomBy(factor, x = this.size[0] / 2, y = this.size[1] / 2) {
    const zoom = Math.min(Math.max(this.zoom * factor, 1), MOST_ZOOM);
    const move = 1 / (this.side * this.zoom) - 1 / (this.side * zoom);
    this.center[0] += (x - this.size[0] / 2) * move;
    this.center[1] -= (y - this.size[1] / 2) * move;
    this.zoom = zoom;
    this.settleView();
  },

  panBy(dx, dy) {
    this.center[0] -= dx / (this.side * this.zoom);
    this.center[1] += dy / (this.side * this.zoom);
    this.settleView();
  },

  settleView() {
    if (this.zoom === 1) this.center = [0.5, 0.5];
    this.center = this.center.map((share) => Math.min(Math.max(share, 0), 1));
    this.point(-1);
    this.draw();
  },

  reset() {
    this.zoom = 1;
    this.settleView();
  },
};

const readySheets = new Map();

/** A sheet if it is decoded; if not, it is drawn when it is. */
function readySheet(sheet) {
  if (!readySheets.has(sheet)) {
    readySheets.set(sheet, null);
    sheetImage(sheet).then((image) => {
      readySheets.set(sheet, image);
      map.draw();
    });
  }
  return readySheets.get(sheet);
}

function listenToPointer({ canvas }) {
  let drag = null;
  canvas.onpointerdown = (event) => {
    drag = { x: event.offsetX, y: event.offsetY, isMove: false };
    canvas.setPointerCapture(event.pointerId);
  };
  canvas.onpointermove = (event) => {
    const { offsetX: x, offsetY: y } = event;
    if (!drag) {
      map.point(map.nearest(x, y));
      return;
    }
    drag.isMove ||= Math.hypot(x - drag.x, y - drag.y) > 4;
    if (!drag.isMove) return;
    map.panBy(x - drag.x, y - drag.y);
    Object.assign(drag, { x, y });
  };
  canvas.onpointerup = (event) => {
    const row = drag?.isMove ? -1 : map.nearest(event.offsetX, event.offsetY);
    drag = null;
    if (row >= 0) detail.open(row, edits.members(edits.label(row)));
  };
  canvas.onpointercancel = () => (drag = null);
  canvas.onpointerleave = () => map.point(-1);
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
    event.preventDefault();
    map.zoomBy(Math.exp(-event.deltaY / 200), event.offsetX, event.offsetY);
  }, { passive: false });
}

function listenToKeys({ canvas }) {
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  canvas.onkeydown = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in arrows && map.placed.length) {
      const start = map.nearest(map.size[0] / 2, map.size[1] / 2, Infinity);
      const next = map.current < 0 ? start : map.nextTowards(...arrows[event.key]);
      map.point(next);
      if (next >= 0) byId("map-current").textContent = describe(next);
    } else if (event.key === "Enter" && map.current >= 0) {
      detail.open(map.current, edits.members(edits.label(map.current)));
    } else if (event.key === "+" || event.key === "=") map.zoomBy(1.5);
    else if (event.key === "-") map.zoomBy(1 / 1.5);
    else if (event.key === "0") map.reset();
    else if (event.key === "Escape") map.point(-1);
    else return;
    event.preventDefault();
  };
  canvas.onblur = () => map.point(-1);
}

listenToPointer(map);
listenToKeys(map);
byId("map-in").onclick = () => map.zoomBy(1.6);
byId("map-out").onclick = () => map.zoomBy(1 / 1.6);
byId("map-reset").onclick = () => map.reset();
byId("map-thumbnails").onclick = ({ currentTarget }) => {
  map.withThumbnails = !map.withThumbnails;
  currentTarget.setAttribute("aria-pressed", String(map.withThumbnails));
  map.draw();
};
new ResizeObserver(() => map.draw()).observe(map.canvas);
