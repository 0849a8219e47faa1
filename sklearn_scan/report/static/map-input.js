/** What pointers, keys and buttons do to the map. */

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
    if (row >= 0) map.open(row);
  };
  canvas.onpointercancel = () => (drag = null);
  canvas.onpointerleave = () => map.point(-1);
  canvas.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
      event.preventDefault();
      map.zoomBy(Math.exp(-event.deltaY / 200), event.offsetX, event.offsetY);
    },
    { passive: false },
  );
}

const MAP_KEYS = {
  ArrowLeft: () => stepOnMap(-1, 0),
  ArrowRight: () => stepOnMap(1, 0),
  ArrowUp: () => stepOnMap(0, -1),
  ArrowDown: () => stepOnMap(0, 1),
  Enter: () => map.current >= 0 && map.open(map.current),
  Escape: () => map.point(-1),
  "+": () => map.zoomBy(1.5),
  "=": () => map.zoomBy(1.5),
  "-": () => map.zoomBy(1 / 1.5),
  0: () => map.reset(),
};

/** Go to the next image in a direction; from none, to the one in the middle. */
function stepOnMap(dx, dy) {
  const [width, height] = map.size;
  const next =
    map.current < 0
      ? map.nearest(width / 2, height / 2, Infinity)
      : map.nextTowards(dx, dy);
  map.point(next);
  if (next >= 0) byId("map-current").textContent = describe(next);
}

map.canvas.onkeydown = (event) => {
  const act = MAP_KEYS[event.key];
  if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  act();
};
map.canvas.onblur = () => map.point(-1);
listenToPointer(map);
byId("map-in").onclick = () => map.zoomBy(1.6);
byId("map-out").onclick = () => map.zoomBy(1 / 1.6);
byId("map-reset").onclick = () => map.reset();
byId("map-thumbnails").onclick = ({ currentTarget }) => {
  map.thumbnails = map.thumbnails ? null : new Map();
  currentTarget.setAttribute("aria-pressed", String(map.thumbnails !== null));
  map.draw();
};
