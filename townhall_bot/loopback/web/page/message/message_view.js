// One message: who, when, what, and what can be done with it.

import { componentsView } from "./components.js";
import { avatar, el, icon, iconButton } from "../dom.js";
import { embedView } from "./embeds.js";
import { fileView } from "./files.js";
import { markdown } from "./markdown.js";
import { openMessageMenu } from "./message_menu.js";
import { state, tell, user } from "../state.js";
import { locale, parts, words } from "../words.js";

const EPHEMERAL = 64;
const LOADING = 128;

/** Tells whether the bot has only said that it thinks. */
export const thinks = (message) => Boolean(message.flags & LOADING);

/** Tells whether only one person sees it. */
export const isEphemeral = (message) => Boolean(message.flags & EPHEMERAL);

/** Returns the time of day, with the day where it is not today. */
function when(ms, { brief = false } = {}) {
  const date = new Date(ms);
  const time = date.toLocaleTimeString(locale(), { hour: "2-digit", minute: "2-digit" });
  const today = new Date().toDateString() === date.toDateString();
  if (today) return brief ? time : words("message.today", { time });
  return `${date.toLocaleDateString(locale())} ${time}`;
}

/** A message in the list. `update` changes what has changed and leaves the rest, so that nobody loses their place. */
export class MessageView {
  constructor(message) {
    this.parts = new Map();
    this.trouble = el("div", { class: "trouble", role: "alert" });
    this.body = el("div", { class: "message-body" });
    this.gutter = el("div", { class: "gutter" });
    this.node = el("li", { class: "message", id: `m-${message.id}`, tabindex: "-1", data: { id: message.id } }, this.gutter, this.body);
    this.node.addEventListener("contextmenu", (event) => {
      if (event.target.closest("a, input, textarea") || getSelection()?.toString()) return;
      event.preventDefault();
      const at = event.clientX || event.clientY ? { left: event.clientX, top: event.clientY, bottom: event.clientY } : undefined;
      openMessageMenu(this.message, this.node, at);
    });
    this.update(message);
  }

  update(message) {
    this.message = message;
    const author = user(message.author.id);
    this.node.classList.toggle("ephemeral", isEphemeral(message));
    this.node.classList.toggle("pings-me", message.pings_me && message.author.id !== state.you.id);
    this.part("used", [message.used, message.reply], () => origin(message));
    this.part("head", [author.name, message.at], () => head(author, message));
    this.part("content", [thinks(message), message.content, message.edited], () => content(message, author));
    this.part("embeds", message.embeds, () => stack("embeds", message.embeds.map(embedView)));
    const files = layout(message) ? [] : message.attachments.filter((file) => !inCard(file, message));
    this.part("files", files, () => stack("files", files.map(fileView)));
    this.part("components", message.components, () => message.components.length > 0 && componentsView(message, (text) => this.complain(text)));
    this.part("reactions", message.reactions, () => stack("reactions", (message.reactions ?? []).map(reaction)));
    this.part("private", isEphemeral(message), () => isEphemeral(message) && privacy(message));
    if (!this.trouble.isConnected) this.body.append(this.trouble);
    if (!this.actions) {
      this.actions = actions(this);
      this.node.append(this.actions);
    }
    if (!this.gutter.hasChildNodes()) {
      this.gutter.append(avatar(author), el("time", { class: "side-time", "aria-hidden": "true", text: when(message.at, { brief: true }) }));
    }
  }

  /** Rebuilds one part where what it shows has changed. */
  part(name, shown, build) {
    const key = JSON.stringify(shown ?? null);
    const old = this.parts.get(name);
    if (old?.key === key) return;
    const node = build() || document.createComment(name);
    if (old) {
      const held = old.node.contains?.(document.activeElement) ? document.activeElement.dataset.customId : null;
      old.node.replaceWith(node);
      // Whoever stood on a button stands on its successor.
      if (held) [...(node.querySelectorAll?.("[data-custom-id]") ?? [])].find((each) => each.dataset.customId === held)?.focus();
    } else {
      this.body.append(node);
    }
    this.parts.set(name, { key, node });
  }

  complain(text) {
    this.trouble.textContent = text;
  }
}

function layout(message) {
  return Boolean(message.flags & (1 << 15));
}

/** Tells whether a file is the picture of one of the message's cards, which show it. */
function inCard(file, message) {
  return message.embeds.some((embed) => [embed.image?.url, embed.thumbnail?.url].includes(file.url));
}

function stack(name, nodes) {
  return nodes.length > 0 && el("div", { class: name }, ...nodes);
}

function head(author, message) {
  return el(
    "h3",
    { class: "message-head" },
    el("span", { class: author.bot ? "name bot" : "name", text: author.name }),
    author.bot && el("span", { class: "tag", text: "APP" }),
    el("time", { datetime: new Date(message.at).toISOString(), text: when(message.at) }),
  );
}

function origin(message) {
  if (message.used) {
    const by = user(message.used.user);
    return el(
      "div",
      { class: "origin" },
      avatar(by, "tiny"),
      ...parts("message.used", {
        name: el("span", { class: "origin-name", text: by.name }),
        command: el("span", { class: "origin-command", title: message.used.typed, text: message.used.name }),
      }),
    );
  }
  if (!message.reply) return null;
  const to = user(message.reply.author);
  return el(
    "button",
    { type: "button", class: "origin", "aria-label": words("message.go_to", { name: to.name }), onclick: () => tell("jump", message.reply.id) },
    avatar(to, "tiny"),
    el("span", { class: "origin-name", text: to.name }),
    el("span", { class: "origin-text", text: inALine(message.reply.text) || words("message.see") }),
  );
}

/** Returns a message's text in one line and without its marks, those included whose other half was cut off. */
function inALine(text) {
  const lines = text.split("\n").map((line) => el("span", {}, markdown(line)).textContent);
  return lines.join(" ").replaceAll("**", "").trim();
}

function content(message, author) {
  if (thinks(message)) {
    return el("div", { class: "content thinking" }, el("span", { class: "dots", "aria-hidden": "true" }, el("i"), el("i"), el("i")), words("message.thinking", { name: author.name }));
  }
  if (!message.content) return null;
  const node = el("div", { class: "content" }, markdown(message.content));
  if (message.edited) {
    const last = node.lastElementChild;
    (last?.matches(".lines, .small-print") ? last : node).append(el("span", { class: "edited", text: ` ${words("message.edited")}` }));
  }
  return node;
}

function reaction({ emoji, count }) {
  return el("span", { class: "reaction" }, el("span", { class: "emoji", text: emoji.name }), el("span", { text: String(count) }));
}

function privacy(message) {
  return el(
    "div",
    { class: "privacy" },
    icon("eye"),
    `${words("message.private")} • `,
    el("button", { type: "button", class: "text-button", text: words("message.dismiss"), onclick: () => tell("dismiss", message.id) }),
  );
}

function actions(view) {
  const more = iconButton("more", words("message.more"), () => openMessageMenu(view.message, more), { "aria-haspopup": "menu", "aria-expanded": "false" });
  return el(
    "div",
    { class: "actions", role: "group", "aria-label": words("message.actions") },
    iconButton("reply", words("message.reply"), () => tell("reply", view.message)),
    iconButton("inspect", words("message.inspect"), () => tell("inspect", view.message)),
    more,
  );
}
