/** What people change: names, merges, new groups, images moved or left out. */

/**
 * The steps taken so far, and what they make of the run. Every change is a step, the
 * state is what replaying them gives, and undoing is leaving out the last.
 */
class Edits extends EventTarget {
  #steps = [];
  #undone = []; // steps, the last of which comes back first
  #names; // of the clusters and, after them, of the new groups
  #byHand; // the cluster that each has been merged into by hand, or itself
  #nMerges; // of the tree, which the slider has made
  #into; // the cluster that each has been merged into in either way, or itself
  #moved; // row to cluster
  #leftOut; // rows
  #clusters; // that are left
  #members;
  #filled; // the clusters that have images, before any merge

  constructor() {
    super();
    this.#readAgain();
    whenStoredElsewhere(() => {
      this.#readAgain();
      this.dispatchEvent(new Event("change"));
    });
  }

  get nSteps() {
    return this.#steps.length;
  }

  get nUndone() {
    return this.#undone.length;
  }

  rename(cluster, name) {
    const before = run.names[cluster] ?? this.#names[cluster];
    this.#add({ kind: "rename", cluster, name: name.trim() || before });
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

  /** Make a new group of images. */
  makeGroup(rows, name) {
    this.#add({ kind: "make", rows, name: name.trim() });
  }

  leaveOut(rows) {
    this.#add({ kind: "leave", rows });
  }

  /** Put images that are left out back where they were. */
  putBack(rows) {
    this.#add({ kind: "restore", rows });
  }

  /** Take edits that were downloaded in place of those made so far. */
  load({ names, merged, moved, groups, left_out }) {
    const step = { kind: "load", names, merged, moved, groups, left_out };
    if (!isStep(step)) return false;
    this.#add(step);
    return true;
  }

  undo() {
    return this.#shift(this.#steps, this.#undone);
  }

  redo() {
    return this.#shift(this.#undone, this.#steps);
  }

  /** The clusters that are left and, after them, the new groups, by number. */
  get clusters() {
    this.#clusters ??= this.#findClusters();
    return [...this.#clusters];
  }

  /** How many groups with images there are. */
  get nGroups() {
    return this.#countGroups(this.#into);
  }

  /** How many there are without the slider. */
  get mostGroups() {
    return this.#countGroups(this.#byHand);
  }

  /** How few the slider can leave: new groups are not on the tree. */
  get fewestGroups() {
    return this.#countGroups([...alongTree(this.#byHand, this.#names)].at(-1));
  }

  /** The name of a cluster; empty if it is a group that an undo has taken back. */
  name(cluster) {
    return this.#names[cluster] ?? "";
  }

  /** Whether the model knows a cluster: it has not learnt new groups. */
  isLearnt(cluster) {
    return allClusters.some((c) => this.#into[c] === cluster && run.isLearnt[c]);
  }

  /** The surviving cluster that a cluster of the run is part of. */
  survivor(cluster) {
    return this.#into[cluster];
  }

  /** The surviving cluster of an image; -1 if it is left out or cannot be read. */
  label(row) {
    const label = this.#placeOf(row);
    return label < 0 ? -1 : this.#into[label];
  }

  isLeftOut(row) {
    return run.confidence[row] >= 0 && this.#placeOf(row) < 0;
  }

  /** The images that are left out. */
  get leftOut() {
    return allRows.filter((row) => this.isLeftOut(row));
  }

  /** The surviving cluster that the model chose for an image. */
  chosen(row) {
    return this.#into[likeliest(row)];
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
    return this.#members[cluster] ?? [];
  }

  /** The clusters nearest to one, as far as they are left. */
  nearest(cluster) {
    const near = run.nearest[cluster] ?? this.#chosenFor(this.members(cluster));
    const survivors = near.map((other) => this.#into[other]);
    return [...new Set(survivors)].filter((other) => other !== cluster);
  }

  /** What `sklearn-scan relabel` reads: the changes only, by the run's own numbers. */
  toJSON() {
    const changed = { names: {}, merged: {}, moved: {}, groups: {}, left_out: [] };
    const numbers = this.#numberGroups();
    for (const [group, number] of numbers) changed.groups[number] = this.#names[group];
    for (const cluster of allClusters) {
      const into = this.#into[cluster];
      if (into !== cluster) changed.merged[cluster] = numbers.get(into) ?? into;
      else if (this.#names[cluster] !== run.names[cluster]) {
        changed.names[cluster] = this.#names[cluster];
      }
    }
    for (const row of allRows) {
      const [label, was] = [this.label(row), run.labels[row]];
      if (label < 0 && was >= 0) changed.left_out.push(row);
      const isMoved = label >= 0 && (was < 0 || label !== this.#into[was]);
      if (isMoved) changed.moved[row] = numbers.get(label) ?? label;
    }
    return { format: "sklearn-scan-edits", version: 2, run: run.id, ...changed };
  }

  /** The new groups that are left, numbered without gaps. */
  #numberGroups() {
    const groups = this.#findClusters().filter((cluster) => cluster >= N_CLUSTERS);
    return new Map(groups.map((group, i) => [group, N_CLUSTERS + i]));
  }

  /** The cluster that an image is in, before any merge; -1 if in none. */
  #placeOf(row) {
    if (this.#leftOut.has(row)) return -1;
    return this.#moved.get(row) ?? run.labels[row];
  }

  #add(step) {
    this.#steps.push(step);
    this.#undone = [];
    this.#settle();
  }

  #readAgain() {
    this.#steps = readStored();
    this.#undone = [];
    this.#replay();
  }

  /** Move the last step of some to others; return it, or null if there is none. */
  #shift(from, to) {
    if (!from.length) return null;
    const step = from.pop();
    to.push(step);
    this.#settle();
    return step;
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
    this.#clusters = null;
  }

  #reset() {
    this.#names = [...run.names];
    this.#byHand = [...allClusters];
    this.#nMerges = 0;
    this.#into = this.#byHand;
    this.#moved = new Map();
    this.#leftOut = new Set();
  }

  /** Take a step; return whether it has changed anything. */
  #take(step) {
    // a group that is not there, in steps that are damaged
    if ([step.cluster, step.into].some((c) => c >= this.#names.length)) return false;
    if (step.kind === "rename") return this.#rename(step.cluster, step.name);
    if (step.kind === "merge") return this.#merge(step.cluster, step.into);
    if (step.kind === "group") return this.#group(step.nMerges);
    if (step.kind === "move") return this.#move(step.rows, step.into);
    if (step.kind === "make") return this.#make(step.rows, step.name);
    if (step.kind === "leave") return this.#leave(step.rows);
    if (step.kind === "restore") return this.#restore(step.rows);
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
    for (const row of movable) {
      this.#moved.set(row, into);
      this.#leftOut.delete(row);
    }
    return movable.length > 0;
  }

  #make(rows, name) {
    const group = this.#names.push(name) - 1;
    this.#byHand = [...this.#byHand, group];
    this.#join();
    return this.#move(rows, group);
  }

  #leave(rows) {
    const inside = rows.filter((row) => this.label(row) >= 0);
    for (const row of inside) this.#leftOut.add(row);
    return inside.length > 0;
  }

  #restore(rows) {
    const outside = rows.filter((row) => this.isLeftOut(row));
    for (const row of outside) {
      this.#leftOut.delete(row);
      // of an earlier correction, where it was is not known
      if (this.#placeOf(row) < 0) this.#moved.set(row, likeliest(row));
    }
    return outside.length > 0;
  }

  #load({ names, merged, moved, groups = {}, left_out = [] }) {
    const before = JSON.stringify(this);
    this.#reset();
    for (const name of Object.values(groups)) this.#make([], name.trim());
    for (const [cluster, name] of numbered(names)) this.#rename(cluster, name.trim());
    for (const [cluster, into] of numbered(merged)) this.#merge(cluster, into);
    for (const [row, into] of numbered(moved)) this.#move([row], into);
    this.#leave(left_out);
    return JSON.stringify(this) !== before;
  }

  #countGroups(into) {
    this.#filled ??= this.#findFilled();
    return new Set(this.#filled.map((cluster) => into[cluster])).size;
  }

  #findFilled() {
    const places = new Set(allRows.map((row) => this.#placeOf(row)));
    return [...places].filter((place) => place >= 0);
  }

  /** A new group goes when it has lost its last image, unless clusters are in it. */
  #findClusters() {
    const filled = new Set([...allClusters, ...this.#findFilled()]);
    const left = new Set([...filled].map((cluster) => this.#into[cluster]));
    return [...left].sort((a, b) => a - b);
  }

  #sortMembers() {
    const members = this.#names.map(() => []);
    for (const row of allRows) {
      const label = this.label(row);
      if (label >= 0) members[label].push(row);
    }
    return members.map((rows) => this.sortSure(rows));
  }

  /** The clusters that the model chose for images, the most frequent first. */
  #chosenFor(rows) {
    const counts = new Map();
    for (const row of rows) {
      const cluster = likeliest(row);
      counts.set(cluster, (counts.get(cluster) ?? 0) + 1);
    }
    const byCount = [...counts].sort((a, b) => b[1] - a[1]);
    return byCount.map(([cluster]) => cluster);
  }
}

const edits = new Edits();
