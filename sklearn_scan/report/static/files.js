/** The files of images: their paths, and their addresses. */

/** The path of an image's file as Python had it; null if it has none. */
function filePathOf(row) {
  if (!page.files || withoutFile.has(row)) return null;
  return page.names.folder + page.names.rest[row];
}

const withoutFile = new Set(page.files?.missing);

/** The address of an image's file; relative to the page, if it can be. */
function fileAddressOf(row) {
  const parts = page.names.rest[row].split(page.files.separator);
  return page.files.folder + parts.map(escapeName).join("/");
}

/**
 * Escape a file name for an address. Python stands lone surrogates from U+DC80 for the
 * bytes of a name that is not UTF-8.
 */
function escapeName(name) {
  const parts = name.split(/([\udc80-\udcff])/u);
  return parts
    .map((part, i) => {
      if (i % 2 === 0)
        return encodeURIComponent(part.replace(/[\ud800-\udfff]/gu, "?"));
      return `%${(part.charCodeAt(0) - 0xdc00).toString(16)}`;
    })
    .join("");
}

/** A link to an image's file, and its path to copy; nothing where it has no file. */
function makeFileLinks(row) {
  const path = filePathOf(row);
  if (path === null) return [];
  const link = make(
    "a",
    { href: fileAddressOf(row), target: "_blank", rel: "noopener" },
    "Open the file",
  );
  const copy = makeButton("Copy path", () => copyText(path), { title: visible(path) });
  const text = "Opens only on a computer that has the file.";
  return [
    make(
      "div",
      { className: "file-links" },
      make("div", { className: "buttons" }, link, copy),
      make("p", { className: "hint" }, text),
    ),
  ];
}

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    announce("Copied the path.");
  } catch {
    announce(`This browser does not let a page copy. The path is: ${visible(text)}`);
  }
}
