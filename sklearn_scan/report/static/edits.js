/** What people change: names, clusters merged, images moved. */

const STORE = `sklearn-scan ${run.id}`;

/**
 * The steps taken so far, and what they make of the run. Every change is a step, the
 * state is what replaying them gives, and undoing is leaving out the last.
 */
class Edits extends EventTarget {
  #steps = [];
  #names;
  #into; // the cluster that each has been merged into, or itself
  #moved; // row to cluster
  #members;

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

  move(rows, into) {
    this.#add({ kind: "move", rows, into });
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

  #replay() {
    this.#names = [...run.names];
    this.#into = [...allClusters];
    this.#moved = new Map();
    this.#members = null;
    for (const step of this.#steps) this.#take(step);
  }

  #take(step) {
    if (step.kind === "rename") this.#names[step.cluster] = step.name;
    if (step.kind === "move") {
      for (const row of step.rows) this.#moved.set(row, step.into);
    }
    if (step.kind === "merge") {
      this.#into = this.#into.map((c) => (c === step.cluster ? step.into : c));
    }
  }

  #sortMembers() {
    const members = allClusters.map(() => []);
    for (const row of allRows) {
      const label = this.label(row);
      if (label >= 0) members[label].push(row);
    }
    for (const rows of members) rows.sort((a, b) => run.rank[a] - run.rank[b]);
    return members;
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

function isStep(step) {
  const isCluster = (value) => Number.isInteger(value) && value in run.names;
  if (step.kind === "rename") {
    return isCluster(step.cluster) && typeof step.name === "string";
  }
  if (step.kind === "merge") return isCluster(step.cluster) && isCluster(step.into);
  return (
    step.kind === "move" &&
    isCluster(step.into) &&
    step.rows.every((row) => run.labels[row] >= 0)
  );
}

const edits = new Edits();
