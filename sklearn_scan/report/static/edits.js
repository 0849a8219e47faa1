/** What people change: names, clusters merged, images moved. */

const STORE = `sklearn-scan ${run.id}`;

/**
 * The steps taken so far, and what they make of the run. Every change is a step, the
 * state is what replaying them gives, and undoing is leaving out the last.
 */
class Edits extends EventTarget {
  #steps = [];
  #names;
  #byHand; // the cluster that each has been merged into by hand, or itself
  #nMerges; // of the tree, which the slider has made
  #into; // the cluster that each has been merged into in either way, or itself
  #moved; // row to cluster
  #members;
  #filled; // the clusters that have images, before any merge

  constructor() {
    super();
    this.#steps = readStored();
    this.#replay();
  }

  get nSteps() {
    return this.#steps.length;
  }

  rename(cluster, name) {
    this.#add({ kind: "rename", cluster, name: name.trim() || run.names[cluster] });
  }

  merge(cluster, into) {
    this.#add({ kind: "merge", cluster, into });
  }

  /** Merge along the tree, or split, until so many groups with images are left. */
  group(nGroups) {
    if (nGroups === this.nGroups) return;
    let nMerges = 0;
    for (const into of alongTree(this.#byHand, this.#names)) {
      if (this.#countGroups(into) <= nGroups) break;
      nMerges++;
    }
    // The slider is one edit, however often it is moved.
    if (this.#steps.at(-1)?.kind === "group") this.#steps.pop();
    this.#add({ kind: "group", nMerges });
  }

  move(rows, into) {
    this.#add({ kind: "move", rows, into });
  }

  /** Take edits that were downloaded in place of those made so far. */
  load({ names, merged, moved }) {
    const step = { kind: "load", names, merged, moved };
    if (!isStep(step)) return false;
    this.#add(step);
    return true;
  }

  undo() {
    if (!this.#steps.length) return null;
    const undone = this.#steps.pop();
    this.#settle();
    return undone;
  }

  /** The clusters that are left, by number. */
  get clusters() {
    return allClusters.filter((cluster) => this.#into[cluster] === cluster);
  }

  /** How many groups with images there are. */
  get nGroups() {
    return this.#countGroups(this.#into);
  }

  /** How many there are without the slider. */
  get mostGroups() {
    return this.#countGroups(this.#byHand);
  }

  name(cluster) {
    return this.#names[cluster];
  }

  /** The surviving cluster that a cluster of the run is part of. */
  survivor(cluster) {
    return this.#into[cluster];
  }

  /** The surviving cluster of an image; -1 if it cannot be read. */
  label(row) {
    const label = this.#moved.get(row) ?? run.labels[row];
    return label < 0 ? -1 : this.#into[label];
  }

  /** The surviving cluster that the model chose for an image. */
  chosen(row) {
    return this.#into[run.likely.clusters[row * run.likely.each]];
  }

  /** Whether an image is where people have put it, and the model would not. */
  isByHand(row) {
    const label = this.label(row);
    return label >= 0 && label !== this.chosen(row);
  }

  /** An image's most probable clusters that are left, with their probabilities. */
  likely(row) {
    const { each, clusters, probabilities } = run.likely;
    const likely = new Map();
    for (let i = row * each; i < (row + 1) * each; i++) {
      const cluster = this.#into[clusters[i]];
      likely.set(cluster, (likely.get(cluster) ?? 0) + probabilities[i]);
    }
    return likely;
  }

  /** How sure the model is of the cluster that an image is in, in ten-thousandths. */
  certainty(row) {
    if (!this.isByHand(row)) return run.confidence[row];
    return this.likely(row).get(this.label(row)) ?? 0; // too small to be listed
  }

  /** Sort images, the surest of their cluster first. */
  sortSure(rows) {
    const certainty = new Map(rows.map((row) => [row, this.certainty(row)]));
    return rows.sort(
      (a, b) => certainty.get(b) - certainty.get(a) || run.rank[a] - run.rank[b],
    );
  }

  /** The images of a cluster, the most confident first. */
  members(cluster) {
    this.#members ??= this.#sortMembers();
    return this.#members[cluster];
  }

  /** The clusters nearest to one, as far as they are left. */
  nearest(cluster) {
    const survivors = run.nearest[cluster].map((other) => this.#into[other]);
    return [...new Set(survivors)].filter((other) => other !== cluster);
  }

  /** What `sklearn-scan relabel` reads: the changes only, by the run's own numbers. */
  toJSON() {
    const changed = { names: {}, merged: {}, moved: {} };
    for (const cluster of allClusters) {
      const into = this.#into[cluster];
      if (into !== cluster) changed.merged[cluster] = into;
      else if (this.#names[cluster] !== run.names[cluster]) {
        changed.names[cluster] = this.#names[cluster];
      }
    }
    for (const row of [...this.#moved.keys()].sort((a, b) => a - b)) {
      const label = this.label(row);
      if (label !== this.#into[run.labels[row]]) changed.moved[row] = label;
    }
    return { format: "sklearn-scan-edits", version: 1, run: run.id, ...changed };
  }

  #add(step) {
    this.#steps.push(step);
    this.#settle();
  }

  #settle() {
    this.#replay();
    store(this.#steps);
    this.dispatchEvent(new Event("change"));
  }

  /** Take all steps; those without an effect are not kept, nor counted. */
  #replay() {
    this.#reset();
    this.#steps = this.#steps.filter((step) => this.#take(step));
    this.#members = null;
    this.#filled = null;
  }

  #reset() {
    this.#names = [...run.names];
    this.#byHand = [...allClusters];
    this.#nMerges = 0;
    this.#into = this.#byHand;
    this.#moved = new Map();
  }

  /** Take a step; return whether it has changed anything. */
  #take(step) {
    if (step.kind === "rename") return this.#rename(step.cluster, step.name);
    if (step.kind === "merge") return this.#merge(step.cluster, step.into);
    if (step.kind === "group") return this.#group(step.nMerges);
    if (step.kind === "move") return this.#move(step.rows, step.into);
    return this.#load(step);
  }

  #rename(cluster, name) {
    if (this.#names[cluster] === name) return false;
    this.#names[cluster] = name;
    this.#join();
    return true;
  }

  #merge(cluster, into) {
    const [from, to] = [this.#into[cluster], this.#into[into]];
    if (from === to) return false;
    // What the slider has merged into either of them stays there.
    this.#byHand = this.#into.map((c, i) =>
      c === from || c === to ? to : this.#byHand[i],
    );
    this.#join();
    return true;
  }

  #group(nMerges) {
    const before = String(this.#into);
    this.#nMerges = nMerges;
    this.#join();
    return String(this.#into) !== before;
  }

  /** Merge along the tree what is merged by hand. */
  #join() {
    let left = this.#nMerges;
    for (const into of alongTree(this.#byHand, this.#names)) {
      this.#into = into;
      if (!left--) return;
    }
  }

  #move(rows, into) {
    const movable = rows.filter((row) => this.label(row) !== this.#into[into]);
    for (const row of movable) this.#moved.set(row, into);
    return movable.length > 0;
  }

  #load({ names, merged, moved }) {
    const before = JSON.stringify(this);
    this.#reset();
    for (const [cluster, name] of numbered(names)) this.#rename(cluster, name.trim());
    for (const [cluster, into] of numbered(merged)) this.#merge(cluster, into);
    for (const [row, into] of numbered(moved)) this.#move([row], into);
    return JSON.stringify(this) !== before;
  }

  #countGroups(into) {
    this.#filled ??= this.#findFilled();
    return new Set(this.#filled.map((cluster) => into[cluster])).size;
  }

  #findFilled() {
    const labels = allRows.map((row) => this.#moved.get(row) ?? run.labels[row]);
    return [...new Set(labels)].filter((label) => label >= 0);
  }

  #sortMembers() {
    const members = allClusters.map(() => []);
    for (const row of allRows) {
      const label = this.label(row);
      if (label >= 0) members[label].push(row);
    }
    return members.map((rows) => this.sortSure(rows));
  }
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

function readStored() {
  try {
    const steps = JSON.parse(localStorage.getItem(STORE)) ?? [];
    return steps.every(isStep) ? steps : [];
  } catch {
    return [];
  }
}

const isCluster = (value) => Number.isInteger(value) && value in run.names;
const isText = (value) => typeof value === "string";
const isReadable = (row) => run.labels[row] >= 0;

const STEP_CHECKS = {
  rename: ({ cluster, name }) => isCluster(cluster) && isText(name),
  merge: ({ cluster, into }) => isCluster(cluster) && isCluster(into),
  group: ({ nMerges }) => Number.isInteger(nMerges) && nMerges >= 0,
  move: ({ rows, into }) => rows.every(isReadable) && isCluster(into),
  load: ({ names, merged, moved }) =>
    hasOnly(names, isCluster, (name) => isText(name) && name.trim()) &&
    hasOnly(merged, isCluster, isCluster) &&
    hasOnly(moved, isReadable, isCluster),
};

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

const edits = new Edits();
