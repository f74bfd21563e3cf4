// The messages of the open channel, grouped by author, following the newest unless somebody reads above.

import { announce } from "../announce.js";
import { el, icon } from "../dom.js";
import { isEphemeral, MessageView, thinks } from "./message_view.js";
import { on, state, user } from "../state.js";
import { locale, words } from "../words.js";

const GROUP_MS = 7 * 60 * 1000;
const NEAR_END = 80;
const list = document.getElementById("messages");
const scroller = document.getElementById("scroller");
const views = new Map();
const dismissed = new Set();
const pendings = new Map();
let following = true;

scroller.addEventListener("scroll", () => {
  following = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_END;
});
const growing = new ResizeObserver(() => follow());
for (const node of [list, scroller, document.getElementById("welcome")]) growing.observe(node);

function follow() {
  if (following) scroller.scrollTop = scroller.scrollHeight;
}

on("server", show);
on("channel", show);
on("message", ({ message, isNew, before }) => {
  if (dismissed.has(message.id)) return;
  if (isNew) {
    const view = new MessageView(message);
    views.set(message.id, view);
    view.node.classList.add("arriving");
    list.insertBefore(view.node, list.querySelector(".pending:not(.failed)"));
    group();
  } else {
    views.get(message.id)?.update(message);
  }
  if (message.author.id === state.you.id) following = true;
  follow();
  say(message, isNew, before);
});
on("gone", remove);
on("dismiss", (id) => {
  dismissed.add(id);
  remove(id);
});
on("jump", (id) => {
  const node = views.get(id)?.node;
  node?.scrollIntoView({ block: "center" });
  node?.focus();
});
on("pending", (pending) => {
  pendings.get(pending)?.remove();
  const node = pending.text ? failure(pending) : el("li", { class: "pending", text: words("message.sending", { name: pending.name }) });
  pendings.set(pending, node);
  list.append(node);
  following = true;
  follow();
});
on("settled", (pending) => {
  pendings.get(pending)?.remove();
  pendings.delete(pending);
});

function failure(pending) {
  announce(`failed ${pending.name}`, `${pending.name}: ${pending.text}`, { now: true });
  const dismiss = el("button", { type: "button", class: "text-button", text: words("message.dismiss_failed"), onclick: () => pendings.get(pending)?.remove() });
  return el("li", { class: "pending failed" }, el("strong", { text: pending.text }), el("span", { class: "privacy" }, icon("eye"), `${pending.name} • ${words("message.private")} • `, dismiss));
}

function remove(id) {
  views.get(id)?.node.remove();
  views.delete(id);
  group();
}

function show() {
  views.clear();
  pendings.clear();
  list.replaceChildren();
  for (const message of state.channel?.messages ?? []) {
    if (dismissed.has(message.id)) continue;
    const view = new MessageView(message);
    views.set(message.id, view);
    list.append(view.node);
  }
  group();
  following = true;
  follow();
}

/** Marks where a new author, a pause or a new day begins. */
function group() {
  for (const divider of list.querySelectorAll(".day")) divider.remove();
  let last = null;
  for (const view of views.values()) {
    const { message, node } = view;
    const newDay = last && new Date(last.at).toDateString() !== new Date(message.at).toDateString();
    if (newDay) {
      const day = new Date(message.at).toLocaleDateString(locale(), { dateStyle: "long" });
      list.insertBefore(el("li", { class: "day", role: "separator", "aria-label": day }, el("span", { text: day })), node);
    }
    const first =
      !last || newDay || message.used || message.reply || last.author.id !== message.author.id || message.at - last.at > GROUP_MS || isEphemeral(last) !== isEphemeral(message);
    node.classList.toggle("first", Boolean(first));
    last = message;
  }
}

function say(message, isNew, before) {
  if (message.author.id === state.you.id && isNew) return;
  const author = user(message.author.id).name;
  if (thinks(message)) announce(`thinks ${message.id}`, words("message.thinking", { name: author }), { now: true });
  else if (isNew || before?.content !== message.content) {
    const files = message.attachments.map((file) => words("message.file", { name: file.filename }));
    const titles = message.embeds.map((embed) => [embed.title, embed.description].filter(Boolean).join(": "));
    announce(message.id, [`${author}:`, message.content, ...titles, ...files].join(" "));
  }
}

list.addEventListener("keydown", (event) => {
  const nodes = [...list.querySelectorAll(".message")];
  const at = nodes.indexOf(event.target.closest(".message"));
  const own = event.target === list || nodes[at] === event.target;
  if (!own) return;
  const next = { ArrowUp: at < 0 ? nodes.length - 1 : at - 1, ArrowDown: at + 1, Home: 0, End: nodes.length - 1 }[event.key];
  if (next !== undefined && nodes[next]) {
    event.preventDefault();
    nodes[next].focus();
    nodes[next].scrollIntoView({ block: "nearest" });
  } else if (event.key === "Enter" && at >= 0) {
    nodes[at].querySelector("button, a, [tabindex='0']")?.focus();
  }
});
// One stop for the tab key: the list takes the focus, arrows go through the messages.
list.tabIndex = 0;
