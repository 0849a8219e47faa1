/** How clusters are called and coloured, and what stands for them. */

/** A cluster's name as it may be looked at. */
function clusterName(cluster) {
  return visible(edits.name(cluster));
}

/** A colour for each cluster: hues far apart, legible on light and on dark. */
function colorOf(cluster) {
  const hue = (255 + cluster * 137.508) % 360;
  const isDark = document.documentElement.style.colorScheme === "dark";
  const ring = Math.floor(cluster / 9) % 3; // beyond nine hues, lightness helps
  const lightness = (isDark ? 0.74 : 0.6) + [0, 0.09, -0.1][ring];
  return `oklch(${lightness} 0.145 ${hue.toFixed(0)})`;
}

function makeSwatch(cluster) {
  const swatch = make("span", { className: "swatch", "aria-hidden": "true" });
  swatch.style.setProperty("--color", colorOf(cluster));
  return swatch;
}

/** A bar that is filled to a share, in a cluster's colour. */
function makeBar(share, cluster) {
  const fill = make("span", { className: "bar-fill" });
  fill.style.setProperty("--share", share);
  fill.style.setProperty("--color", colorOf(cluster));
  return make("span", { className: "bar-track" }, fill);
}

/** A cluster's name that leads to its card. */
function makeChip(cluster) {
  const lead = () => {
    for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
    cards.focus(cluster);
  };
  const chip = makeButton("", lead, { className: "chip" });
  chip.append(makeSwatch(cluster), clusterName(cluster));
  return chip;
}

/** A select of clusters, in the order given. */
function makeClusterSelect(clusters, label) {
  const options = clusters.map((cluster) =>
    make("option", { value: String(cluster), textContent: clusterName(cluster) }),
  );
  return make("select", { "aria-label": label }, ...options);
}

/** The image that stands for a cluster: its prototype, or its surest if that left. */
function standsFor(cluster) {
  const prototype = run.prototypes[cluster];
  if (prototype >= 0 && edits.label(prototype) === cluster) return prototype;
  return edits.members(cluster)[0] ?? -1;
}
