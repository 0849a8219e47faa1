/** What the page does as a whole: keys, theme, and drawing itself anew after edits. */

function refresh() {
  cards.refresh();
  drawSizes();
  drawFacts();
  leftOut.draw();
  map.draw();
}

function drawFacts() {
  const n = edits.clusters.length;
  byId("fact-clusters").textContent = count(n);
  const nNew = edits.clusters.filter((cluster) => cluster >= N_CLUSTERS).length;
  const gone = run.names.length - (n - nNew);
  const nEmpty = edits.clusters.filter((c) => !edits.members(c).length).length;
  const hints = [];
  if (nEmpty) hints.push(`${nEmpty} empty`);
  if (nNew) hints.push(`${nNew} new`);
  if (gone) hints.push(`${run.names.length} found, ${gone} merged`);
  byId("fact-empty").textContent = hints.join(", ") || "groups of similar images";
  drawQuality(!nNew && !gone);
  const undo = byId("undo");
  undo.disabled = !edits.nSteps;
  undo.textContent = edits.nSteps ? `Undo (${edits.nSteps})` : "Undo";
  byId("redo").disabled = !edits.nUndone;
}

/** Show what is known without labels: it is of the clusters as they were found. */
function drawQuality(isKnown) {
  for (const text of document.querySelectorAll("[data-found]")) {
    text.textContent = isKnown ? text.dataset.found : text.dataset.edited;
  }
}

function drawMedian() {
  const known = run.confidence.filter((value) => value >= 0).sort();
  const median = known[Math.floor(known.length / 2)];
  byId("fact-median").textContent = median === undefined ? "–" : percent(median);
}

/** What each kind of step is called, once it is undone or redone. */
const STEP_NAMES = {
  rename: () => "the name",
  merge: () => "the merge",
  group: () => "the number of groups",
  move: ({ rows }) => `the move of ${images(rows.length)}`,
  make: ({ name }) => `the new group ${visible(name)}`,
  leave: ({ rows }) => `leaving out ${images(rows.length)}`,
  restore: ({ rows }) => `putting back ${images(rows.length)}`,
  load: () => "the loaded edits",
};

function undo() {
  const step = edits.undo();
  if (step) announce(`Undone: ${STEP_NAMES[step.kind](step)}.`);
}

function redo() {
  const step = edits.redo();
  if (step) announce(`Done again: ${STEP_NAMES[step.kind](step)}.`);
}

const THEME = "sklearn-scan theme";

/** Use a theme, "light" or "dark". */
function useTheme(theme) {
  byId("dark").media = theme === "dark" ? "screen" : "not all"; // paper is white
  byId("theme").setAttribute("aria-pressed", String(theme === "dark"));
  refresh(); // colours of clusters go with it
  shadeConfusion();
}

const prefersDark = matchMedia("(prefers-color-scheme: dark)");

function chosenTheme() {
  try {
    return localStorage.getItem(THEME);
  } catch {
    return null;
  }
}

byId("theme").onclick = () => {
  const isDark = byId("theme").getAttribute("aria-pressed") === "true";
  const theme = isDark ? "light" : "dark";
  useTheme(theme);
  try {
    localStorage.setItem(THEME, theme);
  } catch {
    // It is kept while the page is open.
  }
};
prefersDark.onchange = () => {
  if (!chosenTheme()) useTheme(prefersDark.matches ? "dark" : "light");
};

byId("undo").onclick = undo;
byId("redo").onclick = redo;
document.addEventListener("keydown", (event) => {
  // which have uses for these
  if (event.target.matches("input:not([type=range]), select")) return;
  if (event.key === "/" && !document.querySelector("dialog[open]")) {
    event.preventDefault();
    search.field.focus();
  }
  if (!event.ctrlKey && !event.metaKey) return;
  // a question on the screen is about the clusters as they are
  if (document.querySelector("dialog.small[open]")) return;
  const act = { z: event.shiftKey ? redo : undo, y: redo }[event.key.toLowerCase()];
  if (!act) return;
  event.preventDefault();
  act();
});

const downloads = byId("downloads");
document.addEventListener("click", (event) => {
  const isChoice = event.target.closest("#downloads button");
  if (isChoice || !downloads.contains(event.target)) downloads.open = false;
});
downloads.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  downloads.open = false;
  downloads.querySelector("summary").focus();
});

edits.addEventListener("change", refresh);
useTheme(chosenTheme() ?? (prefersDark.matches ? "dark" : "light"));
drawMedian();
drawConfidence();
drawCurves();
listUnreadable();
if (edits.nSteps) announce(`Your earlier edits are back: ${edits.nSteps} to undo.`);
cards.follow(location.hash);
document.documentElement.dataset.ready = "true";
