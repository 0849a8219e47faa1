/** Elements made from names, properties and texts; never from markup. */

/**
 * Make an element. Properties are those of the DOM ("className", "onclick"), or
 * attributes where they hold a hyphen ("aria-label", "data-key").
 */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

function makeButton(text, onclick, properties = {}) {
  return make("button", { type: "button", onclick, ...properties }, text);
}

/** Make an SVG element, of attributes only. */
function draw(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) {
    element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function byId(id) {
  return document.getElementById(id);
}

/**
 * Let arrow keys go through the children of an element, which is one stop of the
 * Tab key. Up and down keep to the column.
 */
function rove(container) {
  const items = () => Array.from(container.querySelectorAll(":scope > button:enabled"));
  const settle = (chosen) => {
    for (const item of items()) item.tabIndex = item === chosen ? 0 : -1;
  };
  container.addEventListener("focusin", (event) => settle(event.target));
  container.addEventListener("keydown", (event) => {
    const all = items();
    const at = all.indexOf(document.activeElement);
    if (at < 0) return;
    const next = all[at + stepOf(event.key, all, at)];
    if (!next) return;
    if (next !== all[at]) event.preventDefault();
    next.focus();
  });
}

function stepOf(key, items, at) {
  const columns = items.findIndex((item) => item.offsetTop > items[0].offsetTop);
  const width = columns < 0 ? items.length : columns;
  const steps = {
    ArrowRight: 1,
    ArrowLeft: -1,
    ArrowDown: width,
    ArrowUp: -width,
    Home: -at,
    End: items.length - 1 - at,
  };
  return steps[key] ?? 0;
}

/**
 * Say in a few words what has happened, to eyes and to screen readers: in the dialog on
 * top, since what is outside of it is out of reach.
 */
function announce(text) {
  const dialogs = Array.from(document.querySelectorAll("dialog[open]"));
  (dialogs.at(-1) ?? document.body).append(status);
  status.textContent = text;
  status.classList.add("shown");
  clearTimeout(announce.timer);
  announce.timer = setTimeout(() => status.classList.remove("shown"), 5000);
}

const status = byId("status"); // kept, since a dialog that closes is emptied
