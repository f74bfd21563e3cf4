// The commands of the open channel: those that fit what is typed, and the one that it names.

import { state } from "../state.js";
import { words } from "../words.js";

const CHAT = 1;
const name = (command) => command.path.join(" ");
const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

function commands() {
  return state.channel.commands.filter((command) => command.type === CHAT);
}

/** Returns the command at `path`, undefined where the channel has none. */
export function commandAt(path) {
  return commands().find((each) => name(each) === path.join(" "));
}

/** Returns the command that `text`, without its slash, names in full and a space after it, and what stands behind. */
export function named(text) {
  const head = (command) => new RegExp(`^${command.path.map(escaped).join("\\s+")}\\s`, "i").exec(text)?.[0];
  const [command] = commands().filter(head).sort((a, b) => b.path.length - a.path.length);
  return command ? { command, rest: text.slice(head(command).length) } : null;
}

/** Returns what the list offers for `query`, and its title; `pick(command)` hears of the choice. */
export function offered(query, pick) {
  const fitting = commands().filter((command) => name(command).toLowerCase().includes(query));
  const usable = (command) => Number(command.refused === "");
  const begins = (command) => Number(name(command).startsWith(query));
  fitting.sort((a, b) => usable(b) - usable(a) || begins(b) - begins(a) || name(a).localeCompare(name(b)));
  const items = fitting.map((command) => ({
    label: `/${name(command)}`,
    detail: command.refused || command.description,
    hints: command.options.slice(0, 6).map((option) => option.name),
    user: { bot: true },
    disabled: Boolean(command.refused),
    pick: () => pick(command),
  }));
  const none = state.server.members.find((member) => member.bot)?.online ? "composer.no_match" : "composer.no_bot";
  return { items, title: words(items.length ? "composer.commands" : none) };
}
