/** The images that are left out: a list of them, and the way back. */

const LEFT_OUT_TILES = 12; // on the page itself; all are in the gallery

const leftOut = {
  section: byId("left-out"),

  draw() {
    const rows = edits.leftOut;
    this.section.hidden = !rows.length;
    byId("left-out-title").textContent = `Left out: ${images(rows.length)}`;
    const strip = makeStrip(rows.slice(0, LEFT_OUT_TILES), "Left out", rows);
    byId("left-out-images").replaceChildren(strip);
  },
};

byId("left-out-all").onclick = () => gallery.openRows("Left out", () => edits.leftOut);
byId("left-out-back").onclick = () => {
  putBack(edits.leftOut);
  byId("undo").focus();
};
