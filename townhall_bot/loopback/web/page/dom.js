// Builds DOM nodes. Text only ever becomes text here: there is no way in for markup.

/** Returns an element; `properties` are attributes, `on…` handlers, `class`, `data`; children are nodes or strings. */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(node.dataset, value);
    else if (name === "text") node.textContent = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter(shown));
  return node;
}

/** Puts children into a node in place of those it has. Whoever stood on one of its buttons stands on its successor. */
export function fill(node, ...children) {
  const buttons = () => [...node.querySelectorAll("button")];
  const at = buttons().indexOf(document.activeElement);
  node.replaceChildren(...children.flat().filter(shown));
  if (at >= 0) (buttons()[at] ?? buttons().at(-1))?.focus();
}

const shown = (child) => child !== null && child !== undefined && child !== false;

const PATHS = {
  hash: "M10 3 8 21M16 3l-2 18M4 8h17M3 16h17",
  at: "M16 12a4 4 0 1 1-1.2-2.8M16 8v5.5a2.5 2.5 0 0 0 5 0V12a9 9 0 1 0-3.6 7.2",
  menu: "M4 6h16M4 12h16M4 18h16",
  people: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20a6.5 6.5 0 0 1 13 0M16 4.5a3.5 3.5 0 0 1 0 6.5M17.5 14a6.5 6.5 0 0 1 4 6",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 2v2M12 20v2M4.9 4.9l1.4 1.4M17.7 17.7l1.4 1.4M2 12h2M20 12h2M4.9 19.1l1.4-1.4M17.7 6.3l1.4-1.4",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z",
  auto: "M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18",
  plus: "M12 5v14M5 12h14",
  send: "M4 12 20 4l-5 16-3.5-6.5z",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  reply: "M9 5 4 10l5 5M4 10h9a7 7 0 0 1 7 7v2",
  inspect: "M8 7l-5 5 5 5M16 7l5 5-5 5M13.5 5l-3 14",
  close: "M6 6l12 12M18 6 6 18",
  slash: "M17 4 7 20",
  file: "M7 3h7l5 5v13H7zM14 3v5h5",
  download: "M12 4v11M7 10.5l5 5 5-5M5 20h14",
  eye: "M2 12s3.5-6.5 10-6.5S22 12 22 12s-3.5 6.5-10 6.5S2 12 2 12zM12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6z",
  down: "M6 9l6 6 6-6",
  crown: "M4 18h16M4 15 3 7l5 4 4-6 4 6 5-4-1 8z",
  edit: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10 11v5M14 11v5",
  voice: "M4 9v6h4l5 4V5L8 9zM16 9a4 4 0 0 1 0 6M18 6a8 8 0 0 1 0 12",
  news: "M4 10v4l10 4V6zM14 9a3 3 0 0 1 0 6M7 15v5h3v-4",
  forum: "M3 5h13v9H9l-4 4v-4H3zM19 9h2v9h-2v3l-4-3h-3",
  thread: "M5 4h14v11H10l-5 5zM9 8h6M9 11h4",
  check: "M5 13l4 4L19 7",
};

/** Returns a line icon; it is decoration, so what it stands for must be said beside it or in a label. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

/** Returns a round avatar: the bot's sign, or a person's first letter on a colour of their own. */
export function avatar(user, extra = "") {
  if (user.bot) return el("img", { class: `avatar ${extra}`, src: "/static/logo.svg", alt: "" });
  const hue = [...user.name].reduce((sum, letter) => sum * 5 + letter.codePointAt(0), 2) % 6;
  const letter = [...user.name][0] ?? "?";
  return el("span", { class: `avatar hue-${hue} ${extra}`, "aria-hidden": "true", text: letter.toUpperCase() });
}

/** Returns a button that shows an icon; `label` is its name for everyone. */
export function iconButton(name, label, onclick, extra = {}) {
  return el("button", { type: "button", class: "icon-button", "aria-label": label, title: label, onclick, ...extra }, icon(name));
}

/** Returns the address where it is one that a link may lead to, else null. */
export function safeAddress(address) {
  try {
    const url = new URL(address);
    return ["http:", "https:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/** Returns a path on this server for a picture or file, null for any other address: nothing comes from the network. */
export function localPath(address) {
  return typeof address === "string" && address.startsWith("/attachments/") ? address : null;
}
