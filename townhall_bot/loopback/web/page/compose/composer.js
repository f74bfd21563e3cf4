// The message box. A text is a message; a slash begins a command.

import { announce } from "../announce.js";
import { CommandForm } from "./command_form.js";
import { send } from "../connection.js";
import { el, icon, iconButton } from "../dom.js";
import { suggested, withIds, withNames } from "./mentions.js";
import { tellPending } from "../message/message_menu.js";
import { on, state, user } from "../state.js";
import { Suggestions } from "./suggestions.js";

const CHAT = 1;
const TYPING_MS = 10_000;
const narrow = matchMedia("(max-width: 900px)");
const place = document.getElementById("composer");
const suggestions = new Suggestions();
const trouble = el("div", { class: "composer-trouble", role: "alert" });
const context = el("div", { class: "composer-context" });
const box = el("textarea", {
  id: "message-box", rows: "1", role: "combobox", "aria-expanded": "false", "aria-controls": "suggestions",
  "aria-autocomplete": "list", autocomplete: "off",
});
const field = el("div", { class: "composer-field" }, box);
const picker = el("input", { type: "file", class: "unseen", multiple: true, tabindex: "-1", "aria-label": "Files to send" });
const sendButton = iconButton("send", "Send", () => submit(), { class: "icon-button send" });
let form = null;
let replyTo = null;
let rewording = null;
/** What was sent from this tab, the oldest first; the arrow keys bring it back into an empty box. */
const sent = [];
let recalled = 0;

const typing = el("div", { class: "typing", "aria-hidden": "true" });
let typingEnds = 0;

place.append(
  el("div", { class: "composer-frame" }, suggestions.node, trouble, context,
    el("div", { class: "composer-box" }, iconButton("plus", "Send a file", () => picker.click()), picker, field,
      iconButton("slash", "Use a command", () => start("/")), sendButton), typing),
);

/** Puts `text` into the box as if it were typed: a command's name opens its form. */
export function start(text) {
  leave("");
  box.value = text;
  box.focus();
  typed();
}

on("server", label);
on("channel", () => {
  leave("");
  label();
  box.focus({ preventScroll: true });
});
on("typing", ({ channel }) => {
  if (channel !== state.channel?.id) return;
  const bot = state.server.members.find((member) => member.bot);
  typing.replaceChildren(el("span", { class: "dots" }, el("i"), el("i"), el("i")), el("strong", { text: bot?.name ?? "" }), " is typing…");
  clearTimeout(typingEnds);
  typingEnds = setTimeout(() => typing.replaceChildren(), TYPING_MS);
});
on("message", ({ message, isNew }) => isNew && user(message.author.id).bot && typing.replaceChildren());
on("insert", (text) => {
  if (!form) box.value += text;
  box.focus();
});
on("reply", (message) => {
  endReply();
  replyTo = message;
  about("Replying to ", el("strong", { text: user(message.author.id).name }), "Cancel the reply");
});
on("reword", (message) => {
  endReply();
  rewording = message;
  if (form) leave("");
  box.value = withNames(message.content);
  about("Changing your message", "", "Leave the message as it is");
});

function about(text, what, cancel) {
  context.replaceChildren(el("span", {}, text, what), iconButton("close", cancel, () => endReply()));
  box.focus();
}

function label() {
  if (!state.channel) return;
  const name = state.channel.with_bot ? "Townhall" : state.channel.parent || state.channel.direct ? state.channel.name : `#${state.channel.name}`;
  box.placeholder = narrow.matches ? `Message ${name}` : `Message ${name}, or type / for commands`;
  box.setAttribute("aria-label", `Message ${name}. Type a slash for commands.`);
}

function endReply() {
  if (rewording) box.value = "";
  replyTo = rewording = null;
  context.replaceChildren();
}

function complain(text) {
  trouble.textContent = text;
}

function commands() {
  return state.channel.commands.filter((command) => command.type === CHAT);
}

box.addEventListener("input", typed);
box.addEventListener("blur", () => !form && suggestions.hide());
box.addEventListener("keydown", (event) => {
  if (event.isComposing || suggestions.key(event)) return;
  if (event.key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    submit();
  } else if ((event.key === "ArrowUp" || event.key === "ArrowDown") && !rewording) recall(event);
  else if (event.key === "Escape" && (replyTo || rewording)) endReply();
});
picker.addEventListener("change", async () => {
  const files = await Promise.all([...picker.files].map(encode));
  picker.value = "";
  say(box.value, files);
});

/** Brings back what was sent before, or after; leaves the keys alone in a text that was typed or changed. */
function recall(event) {
  const showing = box.value && box.value === sent[recalled];
  const next = (showing ? recalled : sent.length) + (event.key === "ArrowUp" ? -1 : 1);
  if ((box.value && !showing) || next < 0 || next > sent.length || (!showing && event.key === "ArrowDown")) return;
  event.preventDefault();
  recalled = next;
  box.value = sent[next] ?? "";
  box.setSelectionRange(box.value.length, box.value.length);
}

function typed() {
  complain("");
  box.style.height = "auto";
  box.style.height = `${Math.min(box.scrollHeight, 240)}px`;
  if (!box.value.startsWith("/")) {
    const names = suggested(box, () => suggestions.hide());
    if (names.length) suggestions.show(box, names, { title: "People", active: 0 });
    else suggestions.hide();
    return;
  }
  const text = box.value.slice(1);
  const whole = commands()
    .filter((command) => new RegExp(`^${command.path.map(escape).join("\\s+")}\\s`, "i").test(`${text}`))
    .sort((a, b) => b.path.length - a.path.length)[0];
  if (whole && !whole.refused) {
    enter(whole, text.slice(text.match(new RegExp(`^${whole.path.map(escape).join("\\s+")}\\s`, "i"))[0].length));
    return;
  }
  suggestCommands(text.trim().toLowerCase());
}

function escape(text) {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

function suggestCommands(query) {
  const name = (command) => command.path.join(" ");
  const fitting = commands().filter((command) => name(command).toLowerCase().includes(query));
  fitting.sort((a, b) => Number(b.refused === "") - Number(a.refused === "") || Number(name(b).startsWith(query)) - Number(name(a).startsWith(query)) || name(a).localeCompare(name(b)));
  const items = fitting.map((command) => ({
    label: `/${name(command)}`,
    detail: command.refused || command.description,
    hints: command.options.slice(0, 6).map((option) => option.name),
    user: { bot: true },
    disabled: Boolean(command.refused),
    pick: () => (command.refused ? refuse(command) : enter(command, "")),
  }));
  const none = state.server.members.find((member) => member.bot)?.online ? "No command matches" : "The bot is not connected yet";
  suggestions.show(box, items, { title: items.length ? "Commands" : none, active: items.length ? 0 : -1 });
}

function refuse(command) {
  complain(command.refused);
  suggestions.hide();
}

function enter(command, rest) {
  complain("");
  endReply();
  form = new CommandForm(command, suggestions, {
    onsend: use,
    onleave: leave,
    ontrouble: (text) => announce("trouble", text, { now: true }),
  });
  box.value = "";
  field.replaceChildren(form.node);
  announce("command", `${form.name}: ${command.description}`, { now: true });
  form.begin(rest);
}

function leave(text) {
  form = null;
  suggestions.hide();
  complain("");
  field.replaceChildren(box);
  box.value = text;
  box.style.height = "auto";
  box.focus({ preventScroll: true });
  if (text) typed();
}

function submit() {
  if (form) {
    form.send();
    return;
  }
  const text = box.value.trim();
  if (text.startsWith("/") && text.length > 1) {
    const command = commands().find((each) => `/${each.path.join(" ")}` === text.split(/\s/)[0]);
    complain(command?.refused || `There is no command ${text.split(/\s/)[0]} here. Type / to see those there are.`);
    return;
  }
  if (text) say(text, []);
}

function say(text, files) {
  if (text.trim()) sent.push(text.trim());
  const fields = { channel: state.channel.id, text: withIds(text.trim()), files, reply_to: replyTo?.id };
  const what = rewording ? "reword" : "say";
  if (rewording) fields.message = rewording.id;
  box.value = "";
  endReply();
  typed();
  send(what, fields, {
    refused: (reason) => {
      // What was refused is not lost: it stands in the box again, unless something else does by now.
      if (!form && !box.value) box.value = text;
      complain(reason);
    },
  });
}

async function use(command, values, files) {
  const channel = state.channel.id;
  const encoded = Object.fromEntries(await Promise.all(files.map(async ([name, file]) => [name, await encode(file)])));
  leave("");
  send("use", { channel, path: command.path, values, files: encoded }, tellPending(`/${command.path.join(" ")}`));
}

function encode(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve({ name: file.name, data: reader.result.slice(reader.result.indexOf(",") + 1) });
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}

// A slash anywhere on the page begins a command, as long as nothing else takes text.
document.addEventListener("keydown", (event) => {
  const target = event.target;
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (target.closest("input, textarea, select, dialog, [role=menu], [role=listbox]")) return;
  event.preventDefault();
  start("/");
});
