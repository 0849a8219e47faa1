/** What the page does as a whole: keys, theme, and drawing itself anew after edits. */

function refresh() {
  cards.refresh();
  drawSizes();
  drawFacts();
  map.draw();
}

function drawFacts() {
  const n = edits.clusters.length;
  byId("fact-clusters").textContent = count(n);
  const gone = run.names.length - n;
  const nEmpty = edits.clusters.filter((c) => !edits.members(c).length).length;
  const hints = [];
  if (nEmpty) hints.push(`${nEmpty} empty`);
  if (gone) hints.push(`${run.names.length} found, ${gone} merged`);
  byId("fact-empty").textContent = hints.join(", ") || "groups of like images";
  const undo = byId("undo");
  undo.disabled = !edits.nSteps;
  undo.textContent = edits.nSteps ? `Undo (${edits.nSteps})` : "Undo";
}

function drawMedian() {
  const known = run.confidence.filter((value) => value >= 0).sort();
  const median = known[Math.floor(known.length / 2)];
  byId("fact-median").textContent = median === undefined ? "–" : percent(median);
}

const UNDONE = {
  rename: () => "Took the name back.",
  merge: () => "Took the merge back.",
  group: () => "Took the number of groups back.",
  move: (step) => `Moved ${images(step.rows.length)} back.`,
  load: () => "Took the loaded edits back.",
};

function undo() {
  const step = edits.undo();
  if (step) announce(UNDONE[step.kind](step));
}

const THEME = "sklearn-scan theme";

/** Use a theme, "light" or "dark". */
function useTheme(theme) {
  byId("dark").media = theme === "dark" ? "all" : "not all";
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
document.addEventListener("keydown", (event) => {
  // which have uses for these
  if (event.target.matches("input:not([type=range]), select")) return;
  if (event.key === "/" && !document.querySelector("dialog[open]")) {
    event.preventDefault();
    search.field.focus();
  }
  if ((event.ctrlKey || event.metaKey) && event.key === "z") {
    event.preventDefault();
    undo();
  }
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
if (edits.nSteps) announce(`Edits of before are back: ${edits.nSteps} to undo.`);
document.documentElement.dataset.ready = "true";
