// Mentions as people type them, @name, and as Discord has them, <@id>.

import { state } from "../state.js";

const BEGUN = /(^|\s)@([\p{L}\p{N}_]*)$/u;

function byLength() {
  return [...state.server.members].sort((a, b) => b.name.length - a.name.length);
}

function escaped(name) {
  return name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

/** Returns `text` with ids in place of the names of members. */
export function withIds(text) {
  return byLength().reduce(
    (done, member) => done.replace(new RegExp(`(^|[\\s(])@${escaped(member.name)}(?![\\p{L}\\p{N}_])`, "giu"), `$1<@${member.id}>`),
    text,
  );
}

/** Returns `text` with names in place of the ids of members. */
export function withNames(text) {
  return text.replace(/<@!?(\d+)>/g, (whole, id) => {
    const member = state.names.users.get(id);
    return member ? `@${member.name}` : whole;
  });
}

/** Returns suggestions for the name that is being typed in `box`; picking one calls `done`. None where none is. */
export function suggested(box, done) {
  const begun = box.value.slice(0, box.selectionStart).match(BEGUN);
  if (!begun) return [];
  const start = box.selectionStart - begun[2].length;
  const fitting = state.server.members.filter((member) => member.name.toLowerCase().startsWith(begun[2].toLowerCase()));
  fitting.sort((a, b) => Number(b.bot) - Number(a.bot) || a.name.localeCompare(b.name));
  return fitting.map((member) => ({
    label: member.name,
    badge: member.bot ? "APP" : "",
    user: member,
    pick: () => {
      box.setRangeText(`${member.name} `, start, box.selectionStart, "end");
      done();
    },
  }));
}
