/** The search by file name, whose results stand above the overview. */

const search = {
  field: byId("search"),
  section: byId("results"),
  status: byId("search-status"), // outside of it: what was hidden is not read out
  grid: new Grid("Images found"),

  find() {
    const wanted = this.field.value.trim().toLowerCase();
    const isNew = wanted && this.section.hidden;
    this.section.hidden = !wanted;
    if (!wanted) {
      this.status.textContent = "";
      map.found = null;
      map.draw();
      return;
    }
    const rows = allRows.filter((row) => nameOf(row).toLowerCase().includes(wanted));
    const text = `${images(rows.length)} found`;
    byId("results-title").textContent = text;
    this.status.textContent = text;
    this.grid.show(rows);
    if (isNew) this.section.scrollIntoView();
    map.found = new Set(rows);
    map.draw();
  },

  clear() {
    this.field.value = "";
    this.find();
    this.field.focus();
  },
};

byId("results-grid").append(search.grid.element);
search.field.oninput = () => search.find();
search.field.onkeydown = (event) => {
  if (event.key === "Escape") search.clear();
};
byId("results-close").onclick = () => search.clear();
edits.addEventListener("change", () => search.grid.refresh());
