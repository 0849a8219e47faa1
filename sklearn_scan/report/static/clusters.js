/** How clusters are called and coloured, and what stands for them. */

/** A cluster's name as it may be looked at; -1 is of images that are left out. */
function clusterName(cluster) {
  return cluster < 0 ? "left out" : visible(edits.name(cluster));
}

// The number that each cluster's colour comes from.
const colorNumbers = run.names.map((name, cluster) => {
  const isFirst = run.names.indexOf(name) === cluster;
  return isUnnamed(name) && isFirst ? Number(name.split(" ")[1]) : null;
});

/**
 * The number of a cluster's colour: the one in its name, which stays where others are
 * merged, or else the first that no cluster has.
 */
function colorNumber(cluster) {
  for (let each = 0; each <= cluster; each++) {
    if (Number.isInteger(colorNumbers[each])) continue;
    let free = 0;
    while (colorNumbers.includes(free)) free++;
    colorNumbers[each] = free;
  }
  return colorNumbers[cluster];
}

/** A colour for each cluster: hues far apart, legible on light and on dark. */
function colorOf(cluster) {
  if (cluster < 0) return "rgb(128, 128, 128)"; // left out
  const number = colorNumber(cluster);
  const hue = (255 + number * 137.508) % 360;
  const isDark = byId("dark").media === "screen";
  const ring = Math.floor(number / 9) % 3; // beyond nine hues, lightness helps
  const lightness = (isDark ? 0.74 : 0.6) + [0, 0.09, -0.1][ring];
  return fromOklch(lightness, 0.145, (hue * Math.PI) / 180);
}

/** CSS has oklch() itself, but browsers have it only since 2023. */
function fromOklch(lightness, chroma, hue) {
  const [a, b] = [chroma * Math.cos(hue), chroma * Math.sin(hue)];
  const [l, m, s] = [
    lightness + 0.3963377774 * a + 0.2158037573 * b,
    lightness - 0.1055613458 * a - 0.0638541728 * b,
    lightness - 0.0894841775 * a - 1.291485548 * b,
  ].map((cone) => cone ** 3);
  const linear = [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
  return `rgb(${linear.map(fromLinear).join(", ")})`;
}

/** A share of light as a number of sRGB, 0 to 255. */
function fromLinear(light) {
  const share = Math.min(Math.max(light, 0), 1);
  const bent = share <= 0.0031308 ? 12.92 * share : 1.055 * share ** (1 / 2.4) - 0.055;
  return Math.round(255 * bent);
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
  chip.append(makeSwatch(cluster), makeChipName(cluster));
  return chip;
}

function makeChipName(cluster) {
  return make("span", { className: "chip-name" }, clusterName(cluster));
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
