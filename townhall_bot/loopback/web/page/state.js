// What this tab knows of the server, and whom it tells when that changes.

import { words } from "./words.js";

export const state = {
  you: null,
  server: null,
  channel: null,
  names: { users: new Map(), roles: new Map(), channels: new Map() },
};

const listeners = new Map();

/** Calls `listener` whenever `event` is told. */
export function on(event, listener) {
  if (!listeners.has(event)) listeners.set(event, []);
  listeners.get(event).push(listener);
}

/** Tells everyone who listens to `event`. */
export function tell(event, detail) {
  for (const listener of listeners.get(event) ?? []) listener(detail);
}

/** Takes the server as it is now; the open channel stays open where it is still there. */
export function takeServer({ you, server }) {
  const open = state.channel?.id;
  state.you = you;
  state.server = server;
  state.names.users = new Map(server.members.map((member) => [member.id, member]));
  state.names.roles = new Map(server.roles.map((role) => [role.id, role.name]));
  state.names.channels = new Map(server.channels.map((channel) => [channel.id, channel]));
  state.channel = state.names.channels.get(open) ?? server.channels[0] ?? null;
  tell("server");
}

/** Opens a channel. */
export function openChannel(id) {
  const channel = state.names.channels.get(id);
  if (!channel) return;
  state.channel = channel;
  channel.unread = false;
  tell("channel");
}

/** Puts a new or changed message into its channel. */
export function takeMessage(message) {
  const channel = state.names.channels.get(message.channel_id);
  if (!channel) return;
  const at = channel.messages.findIndex((each) => each.id === message.id);
  const isNew = at < 0;
  const before = isNew ? null : channel.messages[at];
  if (isNew) channel.messages.push(message);
  else channel.messages[at] = message;
  if (channel !== state.channel) {
    if (isNew && message.author.id !== state.you.id) channel.unread = true;
    tell("unread");
  } else {
    tell("message", { message, isNew, before });
  }
}

/** Takes a message out of its channel. */
export function dropMessage(id, channelId) {
  const channel = state.names.channels.get(channelId);
  if (!channel) return;
  channel.messages = channel.messages.filter((each) => each.id !== id);
  if (channel === state.channel) tell("gone", id);
}

/** Returns a user by id, with a name even where they have left. */
export function user(id) {
  return state.names.users.get(id) ?? { id, name: words("members.somebody"), bot: false };
}
