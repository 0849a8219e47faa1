/** Edits that were downloaded before, read back. */

/** Take the edits of a file; return what is to be said of it. */
function loadEdits(text) {
  const content = parseEdits(text);
  if (!content) return "This is not the edits.json of a report.";
  if (content.run !== run.id) return "These edits are of another run: nothing changed.";
  if (content.version > 2) return "These edits are of a newer page: nothing changed.";
  if (![1, 2].includes(content.version) || !edits.load(content)) {
    return "These edits are not as a report writes them: nothing changed.";
  }
  return "Loaded the edits, in place of those made so far.";
}

function parseEdits(text) {
  try {
    const content = JSON.parse(text);
    return content.format === "sklearn-scan-edits" ? content : null;
  } catch {
    return null;
  }
}

byId("load-edits").onclick = () => byId("edits-file").click();
byId("edits-file").onchange = async ({ target }) => {
  const text = await target.files[0].text();
  target.value = ""; // the same file may be chosen again
  announce(loadEdits(text));
};
