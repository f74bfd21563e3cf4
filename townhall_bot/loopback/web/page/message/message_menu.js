// The menus of a message and of a person: what apps offer for them, and what the page itself can do.

import { actAs, send } from "../connection.js";
import { menu } from "../compose/picker.js";
import { state, tell } from "../state.js";

const USER_MENU = 2;
const MESSAGE_MENU = 3;

function appEntries(type, fields) {
  const commands = state.channel.commands.filter((command) => command.type === type);
  if (!commands.length) return [];
  const use = (command) => {
    const pending = tellPending(command.path[0]);
    send("menu", { channel: state.channel.id, name: command.path[0], ...fields }, pending);
  };
  return [
    { heading: "Apps" },
    ...commands.map((command) => ({
      label: command.path[0],
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
    overdue: () => tell("pending", Object.assign(pending, { text: "The application did not respond" })),
  };
}

function beginThread(message) {
  const name = message.content.split("\n")[0].slice(0, 40).trim() || "Thread";
  send("thread", { channel: state.channel.id, message: message.id, name }, tellPending("Create thread"));
}

function ownEntries(message) {
  return [
    { label: "Edit message", icon: "edit", run: () => tell("reword", message) },
    { label: "Delete message", icon: "trash", run: () => send("remove", { channel: state.channel.id, message: message.id }) },
  ];
}

/** Opens the menu of a message. */
export function openMessageMenu(message, anchor, at) {
  const entries = [
    { label: "Reply", icon: "reply", run: () => tell("reply", message) },
    ...(message.author.id === state.you.id ? ownEntries(message) : []),
    ...(state.channel.direct || state.channel.parent ? [] : [{ label: "Create thread", icon: "thread", run: () => beginThread(message) }]),
    { label: "Copy text", icon: "file", run: () => navigator.clipboard?.writeText(message.content) },
    { label: "Inspect traffic", icon: "inspect", run: () => tell("inspect", message) },
    ...appEntries(MESSAGE_MENU, { message: message.id }),
  ];
  menu(anchor, entries, { name: "Message", at });
}

function botEntries() {
  const { installed } = state.you;
  return [
    { label: "Direct message", icon: "send", run: () => send("direct", {}) },
    { label: installed ? "Take off my account" : "Add to my account", icon: installed ? "close" : "plus", run: () => send("install", { installed: !installed }) },
  ];
}

/** Opens the menu of a member. */
export function openMemberMenu(member, anchor) {
  const own = member.id === state.you.id;
  const entries = [
    ...(member.bot ? botEntries() : []),
    ...(!member.bot && !own ? [{ label: `Act as ${member.name}`, icon: "people", run: () => actAs(member.name) }] : []),
    ...(!member.bot && !own ? [{ label: "Group message", icon: "people", run: () => send("group", { user: member.id }) }] : []),
    { label: "Mention", icon: "at", run: () => tell("insert", `@${member.name} `) },
    ...(member.bot ? [] : appEntries(USER_MENU, { user: member.id })),
  ];
  menu(anchor, entries, { name: member.name });
}

const ROLES = { admin: "manages the server", ada: "a member", ben: "a member", stranger: "may not use commands" };

/** Opens the list of people one can act as. */
export function openPeopleMenu(anchor) {
  const byName = new Map(state.server.members.map((member) => [member.name, member]));
  menu(
    anchor,
    [
      { heading: "Act as" },
      ...state.you.people.map((name) => ({
        label: name,
        detail: ROLES[name],
        user: byName.get(name),
        checked: name === state.you.name,
        run: () => actAs(name),
      })),
      { heading: "Language" },
      ...Object.entries(state.you.languages).map(([locale, label]) => ({
        label,
        checked: locale === state.you.language,
        run: () => send("language", { locale }),
      })),
      { heading: "Two tabs are two people" },
      {
        label: "Open another tab",
        icon: "plus",
        run: () => {
          const other = ["ada", "ben", "admin"].find((name) => name !== state.you.name);
          open(`/?as=${other}`, "_blank", "noopener");
        },
      },
    ],
    { name: "Act as" },
  );
}
