/** What pointers, keys and buttons do to the map. */

/** The middle of what touches the map, and how far that is spread. */
function measure(pointers) {
  const places = [...pointers.values()];
  const [x, y] = [0, 1].map(
    (axis) => places.reduce((sum, place) => sum + place[axis], 0) / places.length,
  );
  return { x, y, spread: Math.hypot(places[0][0] - x, places[0][1] - y) };
}

/** One pointer moves the map or presses an image; two move and zoom it. */
function listenToPointers({ canvas }) {
  const pointers = new Map(); // those that are down, and where
  let last = null; // how they were when the map was last moved
  let isPress = false;
  const begin = () => (last = pointers.size ? measure(pointers) : null);

  canvas.onpointerdown = (event) => {
    pointers.set(event.pointerId, [event.offsetX, event.offsetY]);
    canvas.setPointerCapture(event.pointerId);
    isPress = pointers.size === 1;
    begin();
  };
  canvas.onpointermove = (event) => {
    const at = [event.offsetX, event.offsetY];
    if (!pointers.has(event.pointerId)) {
      map.point(map.nearest(...at));
      return;
    }
    pointers.set(event.pointerId, at);
    const now = measure(pointers);
    if (isPress && Math.hypot(now.x - last.x, now.y - last.y) <= 4) return;
    isPress = false;
    map.panBy(now.x - last.x, now.y - last.y);
    if (last.spread) map.zoomBy(now.spread / last.spread, now.x, now.y);
    last = now;
  };
  const end = (event) => {
    pointers.delete(event.pointerId);
    begin();
  };
  canvas.onpointerup = (event) => {
    const row = isPress ? map.nearest(event.offsetX, event.offsetY) : -1;
    end(event);
    if (row >= 0) map.open(row);
  };
  canvas.onpointercancel = end;
  canvas.onpointerleave = () => map.point(-1);
}

/** Keep fingers and wheels from scrolling the page where they move or zoom the map. */
function keepGestures({ canvas }) {
  const settings = { passive: false };
  const keep = (event) => {
    // One finger scrolls the page, unless there is more of the map to see.
    if (event.touches.length > 1 || map.zoom > 1) event.preventDefault();
  };
  canvas.addEventListener("touchstart", keep, settings);
  canvas.addEventListener("touchmove", keep, settings);
  const zoom = (event) => {
    if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
    event.preventDefault();
    map.zoomBy(Math.exp(-event.deltaY / 200), event.offsetX, event.offsetY);
  };
  canvas.addEventListener("wheel", zoom, settings);
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
  if (next >= 0) map.reveal(next);
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
listenToPointers(map);
keepGestures(map);
byId("map-in").onclick = () => map.zoomBy(1.6);
byId("map-out").onclick = () => map.zoomBy(1 / 1.6);
byId("map-reset").onclick = () => map.reset();
byId("map-thumbnails").onclick = ({ currentTarget }) => {
  map.thumbnails = map.thumbnails ? null : new Map();
  currentTarget.setAttribute("aria-pressed", String(map.thumbnails !== null));
  map.draw();
};
