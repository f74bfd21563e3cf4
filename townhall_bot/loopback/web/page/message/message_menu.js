// The menus of a message and of a person: what apps offer for them, and what the page itself can do.

import { actAs, send } from "../connection.js";
import { menu } from "../compose/picker.js";
import { state, tell } from "../state.js";
import { words } from "../words.js";

const USER_MENU = 2;
const MESSAGE_MENU = 3;

function appEntries(type, fields) {
  const commands = state.channel.commands.filter((command) => command.type === type);
  if (!commands.length) return [];
  const use = (command) => {
    const pending = tellPending(command.label);
    send("menu", { channel: state.channel.id, name: command.path[0], ...fields }, pending);
  };
  return [
    { heading: words("menu.apps") },
    ...commands.map((command) => ({
      label: command.label,
      detail: command.refused,
      disabled: Boolean(command.refused),
      icon: "slash",
      run: () => use(command),
    })),
  ];
}

/** Shows that something was sent, and returns the handlers that say how it ended. */
export function tellPending(name) {
  const pending = { name, text: "" };
  tell("pending", pending);
  return {
    answered: () => tell("settled", pending),
    refused: (text) => tell("pending", Object.assign(pending, { text })),
    overdue: () => tell("pending", Object.assign(pending, { text: words("menu.no_answer") })),
  };
}

function beginThread(message) {
  const name = message.content.split("\n")[0].slice(0, 40).trim() || words("menu.thread_name");
  send("thread", { channel: state.channel.id, message: message.id, name }, tellPending(words("menu.thread")));
}

function ownEntries(message) {
  return [
    { label: words("menu.edit"), icon: "edit", run: () => tell("reword", message) },
    { label: words("menu.delete"), icon: "trash", run: () => send("remove", { channel: state.channel.id, message: message.id }) },
  ];
}

/** Opens the menu of a message. */
export function openMessageMenu(message, anchor, at) {
  const entries = [
    { label: words("menu.reply"), icon: "reply", run: () => tell("reply", message) },
    ...(message.author.id === state.you.id ? ownEntries(message) : []),
    ...(state.channel.direct || state.channel.parent ? [] : [{ label: words("menu.thread"), icon: "thread", run: () => beginThread(message) }]),
    { label: words("menu.copy"), icon: "file", run: () => navigator.clipboard?.writeText(message.content) },
    { label: words("menu.inspect"), icon: "inspect", run: () => tell("inspect", message) },
    ...appEntries(MESSAGE_MENU, { message: message.id }),
  ];
  menu(anchor, entries, { name: words("menu.message"), at });
}

function botEntries() {
  const { installed } = state.you;
  return [
    { label: words("menu.direct"), icon: "send", run: () => send("direct", {}) },
    { label: words(installed ? "menu.uninstall" : "menu.install"), icon: installed ? "close" : "plus", run: () => send("install", { installed: !installed }) },
  ];
}

/** Opens the menu of a member. */
export function openMemberMenu(member, anchor) {
  const own = member.id === state.you.id;
  const entries = [
    ...(member.bot ? botEntries() : []),
    ...(!member.bot && !own ? [{ label: words("menu.act_as", { name: member.name }), icon: "people", run: () => actAs(member.name) }] : []),
    ...(!member.bot && !own ? [{ label: words("menu.group"), icon: "people", run: () => send("group", { user: member.id }) }] : []),
    { label: words("menu.mention"), icon: "at", run: () => tell("insert", `@${member.name} `) },
    ...(member.bot ? [] : appEntries(USER_MENU, { user: member.id })),
  ];
  menu(anchor, entries, { name: member.name });
}

const WITH_A_ROLE = ["admin", "ada", "ben", "stranger"];

/** Opens the list of people one can act as. */
export function openPeopleMenu(anchor) {
  const byName = new Map(state.server.members.map((member) => [member.name, member]));
  menu(
    anchor,
    [
      { heading: words("people.act_as") },
      ...state.you.people.map((name) => ({
        label: name,
        detail: WITH_A_ROLE.includes(name) ? words(`people.${name}`) : "",
        user: byName.get(name),
        checked: name === state.you.name,
        run: () => actAs(name),
      })),
      { heading: words("people.language") },
      ...Object.entries(state.you.languages).map(([locale, label]) => ({
        label,
        checked: locale === state.you.language,
        run: () => send("language", { locale }),
      })),
      { heading: words("people.two_tabs") },
      {
        label: words("people.open_tab"),
        icon: "plus",
        run: () => {
          const other = ["ada", "ben", "admin"].find((name) => name !== state.you.name);
          open(`/?as=${other}`, "_blank", "noopener");
        },
      },
    ],
    { name: words("people.act_as") },
  );
}
