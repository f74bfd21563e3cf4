// The message box. A text is a message; a slash begins a command.

import { announce } from "../announce.js";
import { CommandForm } from "./command_form.js";
import { commandAt, named, offered } from "./command_list.js";
import { send } from "../connection.js";
import { el, icon, iconButton } from "../dom.js";
import { encode } from "./encode.js";
import { suggested, withIds, withNames } from "./mentions.js";
import { recalled, remember } from "./recall.js";
import { tellPending } from "../message/message_menu.js";
import { on, state, user } from "../state.js";
import { Suggestions } from "./suggestions.js";
import { typing } from "./typing.js";
import { parts, words } from "../words.js";

/** Characters of a message. */
const LONGEST = 2000;
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
const picker = el("input", { type: "file", class: "unseen", multiple: true, tabindex: "-1", ...labelled("composer.files") });
const sendButton = button("send", "composer.send", () => submit(), "send");
let form = null;
let replyTo = null;
let rewording = null;

place.append(
  el("div", { class: "composer-frame" }, suggestions.node, trouble, context,
    el("div", { class: "composer-box" }, button("plus", "composer.file", () => picker.click()), picker, field,
      button("slash", "composer.command", () => start("/"), "use-command"), sendButton), typing),
);

/** Returns the attributes of something whose label follows the language. */
function labelled(name) {
  return { "aria-label": words(name), data: { label: name } };
}

function button(sign, name, onclick, kind = "") {
  return iconButton(sign, words(name), onclick, { ...labelled(name), class: `icon-button ${kind}` });
}

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
on("insert", (text) => {
  if (!form) box.value += text;
  box.focus();
});
on("reply", (message) => {
  endReply();
  replyTo = message;
  tellContext();
  box.focus();
});
on("reword", (message) => {
  endReply();
  rewording = message;
  if (form) leave("");
  box.value = withNames(message.content);
  tellContext();
  box.focus();
});
on("language", () => {
  tellContext();
  if (!form) return;
  // What is being filled in is described anew; the focus stays where the language was chosen.
  const held = document.activeElement;
  bringBack(form.filled);
  held.focus();
});

function tellContext() {
  const about = (text, cancel) => [el("span", {}, ...text), iconButton("close", words(cancel), () => endReply())];
  const replying = () => parts("composer.replying", { name: el("strong", { text: user(replyTo.author.id).name }) });
  if (replyTo) context.replaceChildren(...about(replying(), "composer.end_reply"));
  else if (rewording) context.replaceChildren(...about(parts("composer.rewording"), "composer.end_rewording"));
  else context.replaceChildren();
}

function label() {
  if (!state.channel) return;
  const channel = state.channel.with_bot ? "Townhall" : state.channel.parent || state.channel.direct ? state.channel.name : `#${state.channel.name}`;
  box.placeholder = words(narrow.matches ? "composer.placeholder_narrow" : "composer.placeholder", { channel });
  box.setAttribute("aria-label", words("composer.label", { channel }));
}

function endReply() {
  if (rewording) box.value = "";
  replyTo = rewording = null;
  tellContext();
}

function complain(text) {
  trouble.textContent = text;
}

box.addEventListener("input", typed);
box.addEventListener("blur", () => !form && suggestions.hide());
box.addEventListener("keydown", (event) => {
  if (event.isComposing || suggestions.key(event)) return;
  if (event.key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    submit();
  } else if ((event.key === "ArrowUp" || event.key === "ArrowDown") && !rewording) {
    if (recall(event.key, box.value)) event.preventDefault();
  } else if (event.key === "Escape" && (replyTo || rewording)) endReply();
});
picker.addEventListener("change", async () => {
  const files = await Promise.all([...picker.files].map(encode));
  picker.value = "";
  say(box.value, files);
});

/** Brings back what was sent before, or after; tells whether there was any in the place of what is shown. */
function recall(key, shown) {
  const entry = recalled(key, shown);
  if (entry) bringBack(entry);
  return Boolean(entry);
}

/** Puts in what was sent: a command into its form, where it can be used here. */
function bringBack({ text, path, given }) {
  const command = path && commandAt(path);
  if (command && !command.refused) {
    openForm(command);
    form.refill(given);
    announce("command", text, { now: true });
  } else {
    closeForm(text);
    box.setSelectionRange(text.length, text.length);
  }
}

function grow() {
  box.style.height = "auto";
  box.style.height = `${Math.min(box.scrollHeight, 240)}px`;
}

function typed() {
  complain("");
  grow();
  if (!box.value.startsWith("/")) {
    const names = suggested(box, () => suggestions.hide());
    if (names.length) suggestions.show(box, names, { title: words("composer.people"), active: 0 });
    else suggestions.hide();
    return;
  }
  const text = box.value.slice(1);
  const whole = named(text);
  if (whole && !whole.command.refused) {
    enter(whole.command, whole.rest);
    return;
  }
  const { items, title } = offered(text.trim().toLowerCase(), (command) => (command.refused ? refuse(command) : enter(command, "")));
  suggestions.show(box, items, { title, active: items.length ? 0 : -1 });
}

function refuse(command) {
  complain(command.refused);
  suggestions.hide();
}

function enter(command, rest) {
  openForm(command);
  announce("command", `${form.name}: ${command.description}`, { now: true });
  form.begin(rest);
}

function openForm(command) {
  complain("");
  endReply();
  form = new CommandForm(command, suggestions, {
    onsend: use,
    onleave: leave,
    onrecall: (key) => recall(key, form.filled.text),
    ontrouble: (text) => announce("trouble", text, { now: true }),
  });
  box.value = "";
  field.replaceChildren(form.node);
}

function leave(text) {
  closeForm(text);
  if (text) typed();
}

function closeForm(text) {
  form = null;
  suggestions.hide();
  complain("");
  field.replaceChildren(box);
  box.value = text;
  grow();
  box.focus({ preventScroll: true });
}

function submit() {
  if (form) {
    form.send();
    return;
  }
  const text = box.value.trim();
  if (text.startsWith("/") && text.length > 1) {
    const [command] = text.split(/\s/);
    complain(commandAt([command.slice(1)])?.refused || words("composer.no_command", { command }));
    return;
  }
  const size = [...withIds(text)].length;
  if (size > LONGEST) complain(words("composer.long", { most: LONGEST, size }));
  else if (text) say(text, []);
}

function say(text, files) {
  remember({ text: text.trim() });
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
  remember(form.filled);
  const encoded = Object.fromEntries(await Promise.all(files.map(async ([name, file]) => [name, await encode(file)])));
  leave("");
  send("use", { channel, path: command.path, values, files: encoded }, tellPending(`/${command.path.join(" ")}`));
}

// A slash anywhere on the page begins a command, as long as nothing else takes text.
document.addEventListener("keydown", (event) => {
  const target = event.target;
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (target.closest("input, textarea, select, dialog, [role=menu], [role=listbox]")) return;
  event.preventDefault();
  start("/");
});
