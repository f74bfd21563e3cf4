// What Discord's client checks in a command's options before it sends them.

import { words } from "../words.js";

export const STRING = 3;
export const INTEGER = 4;
export const BOOLEAN = 5;
export const USER = 6;
export const CHANNEL = 7;
export const ROLE = 8;
export const MENTIONABLE = 9;
export const NUMBER = 10;
export const ATTACHMENT = 11;
const SAFE = Number.MAX_SAFE_INTEGER;

/** Returns what is wrong with `text` as the option's value, "" where nothing is. */
export function fault(option, text) {
  if (!text) return option.required ? words("option.required") : "";
  if (option.choices?.length) {
    const known = option.choices.some(({ name, value }) => [String(name), String(value)].some((each) => each.toLowerCase() === text.toLowerCase()));
    return known ? "" : words("option.choice");
  }
  switch (option.type) {
    case STRING:
      return stringFault(option, text);
    case INTEGER:
      return numberFault(option, text, /^[+-]?\d+$/, "integer");
    case NUMBER:
      return numberFault(option, text, /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i, "number");
    case BOOLEAN:
      return /^(true|false)$/i.test(text) ? "" : words("option.boolean");
    default:
      return "";
  }
}

/** Returns the range that an option takes, in words, "" where it takes anything. */
export function range(option) {
  const low = option.min_value ?? option.min_length;
  const high = option.max_value ?? option.max_length;
  if (low === undefined && high === undefined) return "";
  const name = low === undefined ? "option.at_most" : high === undefined ? "option.at_least" : "option.from_to";
  const range = words(name, { low, high });
  return option.type === STRING ? words("option.characters", { range }) : range;
}

function stringFault(option, text) {
  const length = [...text].length;
  const low = option.min_length ?? 0;
  const high = option.max_length ?? 6000;
  return length >= low && length <= high ? "" : words("option.length", { range: range({ ...option, max_length: high }), size: length });
}

function numberFault(option, text, pattern, kind) {
  const value = Number(text);
  if (!pattern.test(text.trim()) || !Number.isFinite(value)) return words(`option.${kind}`);
  const low = option.min_value ?? -SAFE;
  const high = option.max_value ?? SAFE;
  return value >= low && value <= high ? "" : words(`option.${kind}_range`, { low, high });
}

/** Takes apart what was typed after a command's name: the text of each option, and what stands before the first. */
export function split(rest, names) {
  const given = new Map();
  const pattern = names.map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|");
  if (!pattern) return { given, before: rest.trim() };
  const heads = [...rest.matchAll(new RegExp(`(^|\\s)(${pattern}):\\s*`, "gi"))];
  heads.forEach((head, at) => {
    const name = head[2].toLowerCase();
    const value = rest.slice(head.index + head[0].length, heads[at + 1]?.index).trim();
    if (!given.has(name)) given.set(name, unquoted(value));
  });
  return { given, before: rest.slice(0, heads[0]?.index).trim() };
}

/** Returns a value without the quotes around it. */
export function unquoted(value) {
  return /^".*"$/s.test(value) && value.length > 1 ? value.slice(1, -1) : value;
}
