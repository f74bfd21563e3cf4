// What stands around the messages: channels, members, who one is, the bar above, day and night.

import { avatar, el, fill, icon, iconButton } from "./dom.js";
import { start } from "./compose/composer.js";
import { openMemberMenu, openPeopleMenu } from "./message/message_menu.js";
import { on, openChannel, state, tell } from "./state.js";
import { words } from "./words.js";

const THEMES = { system: "auto", light: "sun", dark: "moon" };
const root = document.documentElement;
const part = (id) => document.getElementById(id);
const narrow = matchMedia("(max-width: 900px)");

on("server", () => {
  part("server-name").textContent = state.server.name;
  channels();
  members();
  me();
  topbar();
  welcome();
});
on("channel", () => {
  drawer("");
  channels();
  topbar();
  welcome();
});
on("unread", channels);
on("connection", (trouble) => {
  part("connection").textContent = trouble;
  part("connection").classList.toggle("lost", Boolean(trouble));
});
on("inspect", () => drawer(""));

function channels() {
  const entry = (channel) =>
    el(
      "li",
      {},
      el(
        "button",
        { type: "button", class: `channel${channel.unread ? " unread" : ""}${channel.parent ? " below" : ""}`, "aria-current": channel === state.channel ? "page" : null, onclick: () => openChannel(channel.id) },
        icon(sign(channel)),
        el("span", { text: channel.with_bot ? "Townhall" : channel.name }),
        channel.locked && el("span", { class: "unseen", text: words("channels.locked") }),
        channel.unread && el("span", { class: "unseen", text: words("channels.unread") }),
      ),
    );
  const group = (title, list) => list.length > 0 && el("section", {}, el("h2", { text: title }), el("ul", {}, ...list.map(entry)));
  const all = state.server.channels;
  const below = (channel) => [channel, ...all.filter((each) => each.parent === channel.id && !each.archived)];
  fill(part("channels"), group(words("channels.title"), all.filter((each) => !each.direct && !each.parent).flatMap(below)), group(words("channels.direct"), all.filter((each) => each.direct)));
}

function sign(channel) {
  return channel.with_bot ? "at" : channel.direct ? "people" : channel.kind;
}

function members() {
  const row = (member) => {
    const node = el(
      "button",
      { type: "button", class: `member${member.online ? "" : " offline"}`, "aria-haspopup": "menu", "aria-expanded": "false", onclick: () => openMemberMenu(member, node) },
      el("span", { class: "member-face" }, avatar(member), el("span", { class: "presence", "aria-hidden": "true" })),
      el("span", { class: "member-name", text: member.name }),
      member.id === state.you.id && el("span", { class: "you", text: words("members.you") }),
      member.manages && !member.bot && el("span", { class: "crown", title: words("members.manages") }, icon("crown")),
      member.bot && el("span", { class: "tag", text: "APP" }),
      el("span", { class: "unseen", text: words(member.online ? "members.online" : "members.offline") }),
    );
    return el("li", {}, node);
  };
  const group = (title, list) => list.length > 0 && el("section", {}, el("h2", { text: `${title} — ${list.length}` }), el("ul", {}, ...list.map(row)));
  const all = state.server.members;
  fill(
    part("members"),
    group(words("members.apps"), all.filter((each) => each.bot)),
    group(words("members.managing"), all.filter((each) => !each.bot && each.manages)),
    group(words("members.members"), all.filter((each) => !each.bot && !each.manages)),
  );
}

function me() {
  const button = el(
    "button",
    { type: "button", id: "act-as", class: "me", "aria-haspopup": "menu", "aria-expanded": "false" },
    el("span", { class: "member-face" }, avatar(state.you), el("span", { class: "presence" })),
    el("span", { class: "me-text" }, el("strong", {}, el("span", { class: "unseen", text: `${words("me.you_are")} ` }), state.you.name), el("span", { text: words("me.act_as") })),
    icon("down"),
  );
  button.addEventListener("click", () => openPeopleMenu(button));
  fill(part("me"), button, themeButton());
}

function themeButton() {
  const theme = localStorage.getItem("theme") ?? "system";
  const names = Object.keys(THEMES);
  return iconButton(THEMES[theme], words(`theme.${theme}`), () => {
    const next = names[(names.indexOf(theme) + 1) % names.length];
    localStorage.setItem("theme", next);
    applyTheme();
    const button = themeButton();
    part("me").lastElementChild.replaceWith(button);
    button.focus();
  }, { id: "theme" });
}

/** Shows the theme that was chosen, or the system's. */
export function applyTheme() {
  const theme = localStorage.getItem("theme") ?? "system";
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
}

function topbar() {
  const { channel } = state;
  if (!channel) return;
  const membersButton = iconButton("people", words("bar.members"), () => toggleMembers(membersButton), { "aria-expanded": String(membersShown()), "aria-controls": "members" });
  fill(
    part("topbar"),
    iconButton("menu", words("bar.channels"), () => drawer("sidebar"), { class: "icon-button narrow-only", "aria-controls": "sidebar" }),
    icon(sign(channel)),
    el("h1", { text: channel.with_bot ? "Townhall" : channel.name }),
    el("span", { class: "topic", text: channel.topic ?? "" }),
    membersButton,
  );
  document.title = `${channel.with_bot ? "@Townhall" : channel.direct ? channel.name : `#${channel.name}`} | ${state.server.name}`;
}

function membersShown() {
  return narrow.matches ? document.body.dataset.drawer === "members" : !document.body.classList.contains("no-members");
}

function toggleMembers(button) {
  if (narrow.matches) drawer(document.body.dataset.drawer === "members" ? "" : "members");
  else document.body.classList.toggle("no-members");
  button.setAttribute("aria-expanded", String(membersShown()));
  tell("close-inspector");
}

/** Slides in the channels or the members on a narrow window; "" slides them out. */
function drawer(name) {
  document.body.dataset.drawer = name;
  part("veil").hidden = !name;
  if (name) part(name).querySelector("button")?.focus();
}
part("veil").addEventListener("click", () => drawer(""));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && document.body.dataset.drawer && !event.defaultPrevented) drawer("");
});

function welcome() {
  const { channel, you } = state;
  if (!channel) return;
  const title = channel.with_bot ? "Townhall" : channel.parent || channel.direct ? channel.name : words("welcome.channel", { channel: channel.name });
  const text = channel.direct && !channel.with_bot
    ? words("welcome.between_people")
    : channel.direct
    ? words("welcome.with_bot")
    : channel.parent
    ? words("welcome.start_thread")
    : words("welcome.start", { channel: channel.name });
  const cards = channel.commands.filter((command) => command.type === 1 && !command.refused)
    .sort((a, b) => needs(b) - needs(a)).slice(0, 4);
  fill(
    part("welcome"),
    el("span", { class: "welcome-sign" }, icon(sign(channel))),
    el("h2", { text: title }),
    el("p", { text }),
    el("div", { class: "cards" }, ...cards.map(card)),
    cards.length ? null : el("p", { class: "welcome-wait", text: channel.commands.length ? words("welcome.may_not", { name: you.name }) : words("welcome.wait") }),
  );
}

/** Commands that take something come first: they show what the bot is for. */
function needs(command) {
  return Number(command.options.some((option) => option.required));
}

function card(command) {
  const name = `/${command.path.join(" ")}`;
  return el(
    "button",
    { type: "button", class: "card", onclick: () => start(`${name} `) },
    el("strong", { text: words("welcome.try", { command: name }) }),
    el("span", { text: command.description }),
  );
}
