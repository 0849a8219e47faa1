/** The lasso: images on the map are chosen by a line around them, or by a frame. */

const LEAST_DRAG = 4; // pixels; less is a click
const FRAME_STEP = 20; // pixels that an arrow key moves the frame, or makes it larger
const FRAME_SIDE = 120;

const lasso = {
  button: byId("map-lasso"),
  isOn: false,
  line: null, // the places that a pointer has come by
  frame: null, // the middle, width and height of what keys move

  toggle(isOn) {
    this.isOn = isOn;
    this.line = this.frame = null;
    this.button.setAttribute("aria-pressed", String(isOn));
    map.canvas.classList.toggle("lasso", isOn);
    byId("lasso-hint").hidden = !isOn;
    map.point(-1);
    map.draw();
  },

  /** The corners of the line or of the frame. */
  get corners() {
    if (!this.frame) return this.line ?? [];
    const { x, y, width, height } = this.frame;
    const sides = [
      [-1, -1],
      [1, -1],
      [1, 1],
      [-1, 1],
    ];
    return sides.map(([a, b]) => [x + (a * width) / 2, y + (b * height) / 2]);
  },

  /** The images within the corners, of those that are looked for. */
  get rows() {
    const { corners } = this;
    const view = map.view();
    return map.placed.filter((row) => map.isMeant(row) && isWithin(view(row), corners));
  },

  /** Show the images inside, chosen; if there are any. */
  take() {
    const { rows } = this;
    if (!rows.length) {
      announce("No image is in there.");
      this.line = null;
      map.draw();
      return;
    }
    this.toggle(false);
    gallery.openChosen("Chosen on the map", rows);
  },

  draw(context) {
    const { corners } = this;
    if (corners.length < 2) return;
    const style = getComputedStyle(map.canvas);
    context.beginPath();
    for (const [x, y] of corners) context.lineTo(x, y);
    context.closePath();
    context.fillStyle = context.strokeStyle = style.getPropertyValue("--accent");
    context.globalAlpha = 0.15;
    context.fill();
    context.globalAlpha = 1;
    context.lineWidth = 2;
    context.stroke();
  },

  /** Move the frame, or size it; the first key only shows it. */
  moveFrame(dx, dy, isSizing) {
    const [width, height] = map.size;
    if (!this.frame) {
      const side = Math.min(FRAME_SIDE, height / 2);
      this.frame = { x: width / 2, y: height / 2, width: side, height: side };
    } else if (isSizing) {
      this.frame.width = clamp(this.frame.width + dx * FRAME_STEP, FRAME_STEP, width);
      this.frame.height = clamp(this.frame.height - dy * FRAME_STEP, FRAME_STEP, height);
    } else {
      this.frame.x = clamp(this.frame.x + dx * FRAME_STEP, 0, width);
      this.frame.y = clamp(this.frame.y + dy * FRAME_STEP, 0, height);
    }
    map.draw();
    byId("map-current").textContent = `${images(this.rows.length)} in the frame`;
  },
};

function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}

/** Whether a place is within a line that is closed: it is crossed an odd number of times. */
function isWithin([x, y], corners) {
  let isInside = false;
  corners.forEach(([x1, y1], i) => {
    const [x2, y2] = corners.at(i - 1);
    if (y1 > y === y2 > y) return;
    if (x < x1 + ((y - y1) / (y2 - y1)) * (x2 - x1)) isInside = !isInside;
  });
  return isInside;
}

const FRAME_KEYS = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** Take events of the map before the map does, while the lasso is at work. */
function listenFirst(type, listener) {
  const listen = (event) => {
    if (!listener(event)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  };
  map.canvas.addEventListener(type, listen, { capture: true });
}

listenFirst("pointerdown", (event) => {
  if (!lasso.isOn && !event.shiftKey) return false;
  if (!event.isPrimary || event.button) return false;
  map.point(-1);
  map.canvas.focus({ preventScroll: true });
  lasso.frame = null;
  lasso.line = [[event.offsetX, event.offsetY]];
  map.canvas.setPointerCapture(event.pointerId);
  return true;
});
listenFirst("pointermove", (event) => {
  if (lasso.line && event.isPrimary) lasso.line.push([event.offsetX, event.offsetY]);
  if (lasso.line) map.draw();
  return lasso.isOn || lasso.line !== null;
});
listenFirst("pointerup", (event) => {
  if (!lasso.line || !event.isPrimary) return false;
  const [[x, y]] = lasso.line;
  const isDrag = lasso.line.some(([a, b]) => Math.hypot(a - x, b - y) > LEAST_DRAG);
  if (isDrag) lasso.take();
  else lasso.line = null;
  return true;
});
listenFirst("pointercancel", () => {
  lasso.line = null;
  map.draw();
  return false;
});
listenFirst("keydown", (event) => {
  if (!lasso.isOn || event.ctrlKey || event.metaKey || event.altKey) return false;
  const step = FRAME_KEYS[event.key];
  if (step) lasso.moveFrame(...step, event.shiftKey);
  else if (event.key === "Enter" && lasso.frame) lasso.take();
  else if (event.key === "Escape") lasso.toggle(false);
  else return false;
  return true;
});
lasso.button.onclick = (event) => {
  lasso.toggle(!lasso.isOn);
  const isByKey = event.detail === 0;
  if (!lasso.isOn || !isByKey) return;
  map.canvas.focus();
  lasso.moveFrame(0, 0, false);
};
