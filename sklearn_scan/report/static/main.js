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
  const nEmpty = edits.clusters.filter((cluster) => !edits.members(cluster).length).length;
  const gone = run.names.length - n;
  const hints = [nEmpty && `${nEmpty} empty`, gone && `${run.names.length} found, ${gone} merged`];
  byId("fact-empty").textContent = hints.filter(Boolean).join(", ") || "groups of like images";
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
  move: (step) => `Moved ${images(step.rows.length)} back.`,
};

function undo() {
  const step = edits.undo();
  if (step) announce(UNDONE[step.kind](step));
}

const THEME = "sklearn-scan theme";

/** Use a theme, "light" or "dark". */
function useTheme(theme) {
  document.documentElement.style.colorScheme = theme;
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
  const theme = byId("theme").getAttribute("aria-pressed") === "true" ? "light" : "dark";
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
  const isTyping = event.target.matches("input, select, textarea");
  if (isTyping) return;
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
  if (!downloads.contains(event.target) || event.target.closest("button")) downloads.open = false;
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
if (edits.nSteps) announce(`Your ${edits.nSteps} edits are back. Undo takes them away.`);
document.documentElement.dataset.ready = "true";
