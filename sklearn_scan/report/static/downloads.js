/** The corrected table and the list of edits, as files. */

/** The rows of labels.csv: clusters that are left are numbered anew, in their order. */
function csvText() {
  const numbers = new Map(edits.clusters.map((cluster, number) => [cluster, number]));
  const lines = allRows.map((row) => {
    const label = edits.label(row);
    const ofNone = edits.isLeftOut(row) ? "left out" : "";
    const fields =
      label < 0 ? ["-1", ofNone] : [String(numbers.get(label)), edits.name(label)];
    return [pathOf(row), ...fields, confidenceText(row)].map(quoted).join(",");
  });
  return ["path,label,name,confidence", ...lines, ""].join("\r\n");
}

/** Quote a field only where it must be, as Python's csv module does. */
function quoted(field) {
  return /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}

/**
 * Encode as UTF-8. Python stands lone surrogates from U+DC80 for the bytes of a file
 * name that is not UTF-8: these become the bytes again.
 */
function encode(text) {
  const encoder = new TextEncoder();
  const parts = text.split(/([\udc80-\udcff])/u);
  return new Blob(
    parts.map((part, i) =>
      i % 2 ? Uint8Array.of(part.charCodeAt(0) - 0xdc00) : encoder.encode(part),
    ),
  );
}

function download(name, text) {
  const url = URL.createObjectURL(encode(text));
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
  announce(`Downloaded ${name}.`);
}

byId("download-csv").onclick = () => download("labels.csv", csvText());
byId("download-json").onclick = () =>
  download("edits.json", `${JSON.stringify(edits, null, 2)}\n`);
