/** Where images may go: into a cluster, into a new group, or out of all. */

const NEW_GROUP = "new"; // among the numbers of clusters

/**
 * Make a choice of clusters and buttons for images: to move them there, to leave them
 * out, and to put back those that are. The images are asked for when one is pressed.
 */
function makeMoveControls(clusters, listRows, afterwards = () => {}) {
  const select = makeClusterSelect(clusters, "Move to");
  select.append(make("option", { value: NEW_GROUP, textContent: "New group…" }));
  const act = (change) => () => {
    change(listRows());
    afterwards();
  };
  const move = () => {
    if (select.value === NEW_GROUP) askNewGroup(listRows(), afterwards);
    else act((rows) => moveRows(rows, Number(select.value)))();
  };
  const rows = listRows();
  const controls = [select, makeButton("Move", move, { className: "primary" })];
  const isOut = rows.map((row) => edits.isLeftOut(row));
  if (!rows.length || isOut.includes(false)) {
    controls.push(makeButton("Leave out", act(leaveOut)));
  }
  if (isOut.includes(true)) controls.push(makeButton("Put back", act(putBack)));
  return controls;
}

function moveRows(rows, into) {
  edits.move(rows, into);
  announce(`Moved ${images(rows.length)} to ${clusterName(into)}.`);
}

function leaveOut(rows) {
  edits.leaveOut(rows);
  announce(`Left ${images(rows.length)} out of all clusters.`);
}

function putBack(rows) {
  edits.putBack(rows);
  announce(`Put ${images(rows.length)} back.`);
}

/** Ask for the name of a new group, and move images there. */
function askNewGroup(rows, afterwards) {
  const dialog = byId("ask");
  const name = make("input", { maxLength: 120, "aria-label": "Name of the new group" });
  const same = make("p", { className: "notice", role: "status", hidden: true });
  const confirm = makeButton("Make group", () => finish());
  const other = makeButton("Move there", () => moveThere(), { className: "primary" });
  const close = (said) => {
    dialog.close();
    afterwards();
    announce(said);
  };
  const finish = () => {
    if (!name.value.trim()) return;
    edits.makeGroup(rows, name.value);
    close(`Made ${visible(name.value.trim())} of ${images(rows.length)}.`);
  };
  const moveThere = () => {
    const into = findNamed(name.value);
    edits.move(rows, into);
    close(`Moved ${images(rows.length)} to ${clusterName(into)}.`);
  };
  const check = () => {
    const found = findNamed(name.value);
    same.hidden = other.hidden = found === undefined;
    same.textContent = same.hidden ? "" : `There is a ${clusterName(found)} already.`;
    confirm.disabled = !name.value.trim();
    confirm.textContent = same.hidden ? "Make group" : "Make another";
    confirm.classList.toggle("primary", same.hidden); // what Enter does
  };
  name.oninput = check;
  name.onkeydown = (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault(); // the key is not for what has the focus next
    (same.hidden ? finish : moveThere)();
  };
  check();
  openDialog(
    dialog,
    make("h2", { id: "ask-title" }, `A new group of ${images(rows.length)}`),
    make(
      "p",
      { className: "hint" },
      "The model has not learnt this group, and never predicts it for other images.",
    ),
    name,
    same,
    make(
      "div",
      { className: "buttons end" },
      makeButton("Cancel", () => dialog.close()),
      confirm,
      other,
    ),
  );
  name.focus();
}
