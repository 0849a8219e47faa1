/** The steps that people take on the page: which there are, and where they are kept. */

const STORE = `sklearn-scan ${run.id}`;
const N_CLUSTERS = run.names.length; // new groups are numbered on from here

const isCluster = (value) => Number.isInteger(value) && value in run.names;
const isGroup = (value) => Number.isInteger(value) && value >= 0; // or a cluster
const isText = (value) => typeof value === "string";
const isName = (value) => isText(value) && value.trim() !== "";
const isReadable = (row) => Number.isInteger(row) && run.confidence[row] >= 0;
const isRows = (rows) => Array.isArray(rows) && rows.every(isReadable);

// Steps are kept as texts, which may be damaged or someone else's.
const STEP_CHECKS = {
  rename: ({ cluster, name }) => isGroup(cluster) && isText(name),
  merge: ({ cluster, into }) => isGroup(cluster) && isGroup(into),
  group: ({ nMerges }) => Number.isInteger(nMerges) && nMerges >= 0,
  move: ({ rows, into }) => isRows(rows) && isGroup(into),
  make: ({ rows, name }) => isRows(rows) && isName(name),
  leave: ({ rows }) => isRows(rows),
  restore: ({ rows }) => isRows(rows),
  load: isLoadable,
};

/** Whether what was in an edits.json fits this run, and does not contradict itself. */
function isLoadable({ names, merged, moved, groups = {}, left_out = [] }) {
  if (!(groups instanceof Object)) return false;
  const last = N_CLUSTERS + Object.keys(groups).length - 1;
  const isThere = (value) => isGroup(value) && value <= last;
  return (
    Object.keys(groups).every((key, i) => key === String(N_CLUSTERS + i)) &&
    hasOnly(groups, isThere, isName) &&
    hasOnly(names, isCluster, isName) &&
    hasOnly(merged, isThere, isThere) &&
    hasOnly(moved, isReadable, isThere) &&
    isRows(left_out) &&
    Object.keys(merged).every((cluster) => hasEnd(merged, cluster)) &&
    !left_out.some((row) => row in moved)
  );
}

/** Whether a cluster is not merged into itself in the end. */
function hasEnd(merged, cluster) {
  let [into, nSteps] = [cluster, 0];
  while (into in merged && nSteps <= Object.keys(merged).length) {
    into = merged[into];
    nSteps++;
  }
  return !(into in merged);
}

/** The entries of an object of JSON whose keys are numbers. */
function numbered(object) {
  return Object.entries(object).map(([key, value]) => [Number(key), value]);
}

function hasOnly(object, isKey, isValue) {
  if (!(object instanceof Object)) return false;
  return numbered(object).every(([key, value]) => isKey(key) && isValue(value));
}

function isStep(step) {
  return STEP_CHECKS[step.kind](step);
}

/** Keep the steps for when the page is opened again; a browser may refuse to. */
function store(steps) {
  try {
    if (steps.length) localStorage.setItem(STORE, JSON.stringify(steps));
    else localStorage.removeItem(STORE);
  } catch {
    // They are kept while the page is open.
  }
}

/** Tell when another tab with this page has stored steps. */
function whenStoredElsewhere(listener) {
  window.addEventListener("storage", ({ key }) => {
    if (key === STORE) listener();
  });
}

function readStored() {
  try {
    const steps = JSON.parse(localStorage.getItem(STORE)) ?? [];
    return steps.every(isStep) ? steps : [];
  } catch {
    return [];
  }
}
