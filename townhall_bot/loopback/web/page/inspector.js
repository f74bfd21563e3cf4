// The gateway events and REST requests behind one message, for those who write plugins.

import { send } from "./connection.js";
import { el, iconButton } from "./dom.js";
import { on, state, user } from "./state.js";
import { locale, words } from "./words.js";

const AGAIN_MS = 700;
const panel = document.getElementById("inspector");
let message = null;
let timer = null;
let anchor = null;

on("inspect", (chosen) => {
  message = chosen;
  anchor = document.activeElement;
  panel.hidden = false;
  document.body.classList.add("inspecting");
  show([]);
  ask();
  panel.querySelector("button").focus();
  // The messages are narrower now; the one that is looked at stays in sight.
  requestAnimationFrame(() => document.getElementById(`m-${chosen.id}`)?.scrollIntoView({ block: "nearest" }));
});
on("message", ({ message: changed }) => {
  if (message?.id !== changed.id || timer) return;
  timer = setTimeout(ask, AGAIN_MS);
});
on("traffic", ({ message: id, entries }) => message?.id === id && show(entries));
on("language", () => {
  if (!message) return;
  panel.replaceChildren();
  show([]);
  ask();
});
on("close-inspector", close);
on("channel", close);

function ask() {
  timer = null;
  if (message) send("inspect", { channel: message.channel_id, message: message.id });
}

function close() {
  if (!message) return;
  message = null;
  panel.hidden = true;
  document.body.classList.remove("inspecting");
  if (anchor?.isConnected) anchor.focus();
}
panel.addEventListener("keydown", (event) => event.key === "Escape" && close());

function show(entries) {
  const opened = new Set([...panel.querySelectorAll("details[open]")].map((each) => each.dataset.key));
  const held = document.activeElement?.closest?.("#inspector details")?.dataset.key;
  const start = entries[0]?.at ?? 0;
  const rows = entries.map((entry) => row(entry, start, opened));
  const title = el("div", { class: "inspector-head" }, el("h2", { text: words("inspector.title") }), iconButton("close", words("inspector.close"), close));
  const about = words("inspector.count", { count: entries.length, name: user(message.author.id).name, channel: state.channel.name });
  const told = el("p", { class: "inspector-about", text: rows.length ? about : words("inspector.empty") });
  if (panel.querySelector("ol") && panel.querySelector(".inspector-head")) {
    panel.querySelector(".inspector-about").replaceWith(told);
    panel.querySelector("ol").replaceChildren(...rows);
  } else {
    panel.replaceChildren(title, told, el("ol", {}, ...rows));
  }
  if (held) panel.querySelector(`details[data-key="${CSS.escape(held)}"] summary`)?.focus();
}

function row(entry, start, opened) {
  const key = `${entry.by} ${entry.at} ${entry.title} ${entry.seq ?? ""}`;
  const gateway = entry.by === "gateway";
  const failed = !gateway && entry.status >= 400;
  const body = el("div", { class: "exchange-body" });
  const details = el(
    "details",
    { class: failed || entry.faults?.length ? "exchange failed" : "exchange", data: { key }, open: opened.has(key) },
    el(
      "summary",
      {},
      el("span", { class: `way ${entry.by}`, text: gateway ? "gateway" : "rest" }),
      el("span", { class: "exchange-title" }, entry.title.split(/(?=\/)/).flatMap((piece) => [piece, el("wbr")])),
      el("span", { class: "exchange-facts", text: facts(entry, start) }),
    ),
    body,
  );
  const fill = () => {
    if (!details.open || body.hasChildNodes()) return;
    body.append(...part(words(gateway ? "inspector.to_bot" : "inspector.from_bot"), entry.sent), ...part(words("inspector.answer"), entry.answer));
    for (const fault of entry.faults ?? []) body.append(el("p", { class: "fault", text: fault }));
  };
  details.addEventListener("toggle", fill);
  fill();
  return el("li", {}, details);
}

function seconds(ms) {
  return (ms / 1000).toLocaleString(locale(), { minimumFractionDigits: 2, maximumFractionDigits: 2 });
}

function facts(entry, start) {
  const offset = `+${seconds(entry.at - start)} s`;
  if (entry.by === "gateway") return `${offset} · seq ${entry.seq}`;
  const code = entry.code ? ` (${entry.code})` : "";
  return `${offset} · ${entry.status}${code} · ${entry.ms.toFixed(0)} ms`;
}

function part(title, value) {
  if (value === null || value === undefined) return [];
  const text = JSON.stringify(value, null, 2);
  const copy = iconButton("file", words("inspector.copy", { title }), () => navigator.clipboard?.writeText(text));
  return [el("div", { class: "json-head" }, el("h3", { text: title }), copy), el("pre", { class: "json", tabindex: "0", "aria-label": title }, ...coloured(text))];
}

function coloured(text) {
  const nodes = [];
  let from = 0;
  for (const match of text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?|\b(?:true|false|null)\b|-?\b\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\b/g)) {
    nodes.push(text.slice(from, match.index));
    const kind = match[1] ? "key" : match[0].startsWith('"') ? "string" : "value";
    nodes.push(el("span", { class: `json-${kind}`, text: match[0] }));
    from = match.index + match[0].length;
  }
  nodes.push(text.slice(from));
  return nodes;
}

