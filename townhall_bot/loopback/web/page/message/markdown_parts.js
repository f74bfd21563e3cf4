// The pieces of Discord's markdown that stand for something: links, mentions, times, spoilers.

import { el, safeAddress } from "../dom.js";
import { openChannel, state } from "../state.js";
import { locale, words } from "../words.js";

const POINTED = /<(?:(@!?|@&|#)(\d{1,20})|(a?):(\w{2,32}):\d{1,20}|t:(-?\d{1,13})(?::([tTdDfFR]))?|\/([^:<>\n]{1,100}):\d{1,20}|(https?:\/\/[^\s<>]+))>/iy;

/** Returns a link that opens beside the page and tells its target nothing. */
export function link(target, ...children) {
  return el("a", { href: target, target: "_blank", rel: "noopener noreferrer nofollow" }, ...children);
}

/** Returns a name that is shown as a mention; nobody is pinged by it. */
export function mention(text) {
  return el("span", { class: "mention", text });
}

/** Returns the name of a channel; a thread's opens it. */
function place(channel) {
  if (!channel?.parent) return mention(`#${channel?.name ?? words("channels.unknown")}`);
  return el("button", { type: "button", class: "mention", text: channel.name, onclick: () => openChannel(channel.id) });
}

/** Reads what stands between angle brackets at `at`: a mention, an emoji, a time, a command, an address; else null. */
export function pointed(text, at) {
  POINTED.lastIndex = at;
  const match = POINTED.exec(text);
  if (!match) return null;
  const [whole, sign, id, , emoji, time, style, command, target] = match;
  const end = at + whole.length;
  const { users, roles, channels } = state.names;
  if (sign === "#") return { node: place(channels.get(id)), end };
  if (sign === "@&") return { node: mention(`@${roles.get(id) ?? words("members.unknown_role")}`), end };
  if (sign) return { node: mention(`@${users.get(id)?.name ?? words("members.unknown_user")}`), end };
  if (emoji) return { node: el("span", { class: "custom-emoji", text: `:${emoji}:` }), end };
  if (time) return { node: timestamp(Number(time), style ?? "f"), end };
  if (command) return { node: mention(`/${command}`), end };
  const safe = safeAddress(target);
  return safe ? { node: link(safe, target), end } : null;
}

const STYLES = {
  t: { timeStyle: "short" },
  T: { timeStyle: "medium" },
  d: { dateStyle: "short" },
  D: { dateStyle: "long" },
  f: { dateStyle: "long", timeStyle: "short" },
  F: { dateStyle: "full", timeStyle: "short" },
};

function timestamp(seconds, style) {
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) return document.createTextNode(words("message.bad_date"));
  const full = date.toLocaleString(locale(), STYLES.F);
  const shown = style === "R" ? relative(seconds - Date.now() / 1000) : date.toLocaleString(locale(), STYLES[style]);
  return el("time", { class: "timestamp", datetime: date.toISOString(), title: full, text: shown });
}

function relative(seconds) {
  const units = [["year", 31536000], ["month", 2592000], ["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
  const [unit, size] = units.find(([, each]) => Math.abs(seconds) >= each) ?? units.at(-1);
  return new Intl.RelativeTimeFormat(locale(), { numeric: "auto" }).format(Math.round(seconds / size), unit);
}

/** Returns what is hidden until somebody asks to see it. */
export function spoiler(inner) {
  const content = el("span", { inert: true }, inner);
  const node = el("span", { class: "spoiler", role: "button", tabindex: "0", "aria-label": words("message.spoiler") }, content);
  const reveal = (event) => {
    if (event.type === "keydown" && !["Enter", " "].includes(event.key)) return;
    event.preventDefault();
    node.classList.add("shown");
    for (const name of ["role", "tabindex", "aria-label"]) node.removeAttribute(name);
    content.inert = false;
    node.removeEventListener("click", reveal);
    node.removeEventListener("keydown", reveal);
  };
  node.addEventListener("click", reveal);
  node.addEventListener("keydown", reveal);
  return node;
}
