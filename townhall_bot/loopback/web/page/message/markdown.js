// Discord's markdown, read into DOM nodes. What is no markdown stays the text it is.

import { el, safeAddress } from "../dom.js";
import { askBeforeLeaving } from "../leaving.js";
import { link, mention, pointed, spoiler } from "./markdown_parts.js";

const DEEPEST = 12;
const BLOCK = /^(?:(#{1,3})\s+(.+)|-#\s+(.+)|(>>>)\s?([\s\S]*)|>\s(.*)|(\s*)(?:[-*]|(\d{1,9})[.)])\s+(.+))$/;
const WORDS = /[^\\`*_~|[<@hH\n]+|[\s\S]/y;
const ADDRESS = /https?:\/\/[^\s<>"]*[^\s<>"'.,:;!?)\]*_~|]/iy;
const MASKED = /\[((?:[^\][\\]|\\.)+)\]\(\s*<?(https?:\/\/[^\s<>)]+(?:\([^\s<>)]*\)[^\s<>)]*)?)>?(?:\s+"[^"]*")?\s*\)/iy;
const MARKS = [
  ["***", (inner) => el("em", {}, el("strong", {}, inner))],
  ["**", (inner) => el("strong", {}, inner)],
  ["__", (inner) => el("u", {}, inner)],
  ["~~", (inner) => el("s", {}, inner)],
  ["||", spoiler],
  ["*", (inner) => el("em", {}, inner)],
  ["_", (inner) => el("em", {}, inner)],
];

/** Returns a fragment that shows `text` as Discord does. */
export function markdown(text) {
  const fragment = document.createDocumentFragment();
  let from = 0;
  for (let open = text.indexOf("```"); open !== -1; ) {
    const close = text.indexOf("```", open + 3);
    if (close === -1) break;
    const [, language, code] = /^(?:([\w+\-.#]+)\n)?\n?([\s\S]*)$/.exec(text.slice(open + 3, close));
    if (code.trim()) {
      blocks(text.slice(from, open).replace(/\n$/, ""), fragment);
      fragment.append(codeBlock(code.replace(/\n+$/, ""), language));
      from = close + 3;
      if (text[from] === "\n") from += 1;
    }
    open = text.indexOf("```", close + 3);
  }
  blocks(text.slice(from), fragment);
  return fragment;
}

/** Returns a fragment with inline markdown only, for titles and names of fields. */
export function inlineMarkdown(text) {
  const fragment = document.createDocumentFragment();
  fragment.append(...inline(text));
  return fragment;
}

function codeBlock(code, language) {
  return el("pre", { class: "code-block", tabindex: "0", data: language ? { language } : {} }, el("code", { text: code }));
}

function blocks(text, into, depth = 0) {
  if (!text) return;
  const lines = text.split("\n");
  let plain = [];
  const flush = () => {
    if (plain.length) into.append(el("div", { class: "lines" }, inline(plain.join("\n"), depth)));
    plain = [];
  };
  for (let at = 0; at < lines.length; at += 1) {
    const match = BLOCK.exec(lines[at]);
    if (!match || depth > DEEPEST) {
      plain.push(lines[at]);
    } else if (match[1]) {
      flush();
      into.append(el(`h${match[1].length + 3}`, { class: `heading-${match[1].length}` }, inline(match[2], depth)));
    } else if (match[3]) {
      flush();
      into.append(el("div", { class: "small-print" }, inline(match[3], depth)));
    } else if (match[4]) {
      flush();
      const quote = el("blockquote");
      blocks([match[5], ...lines.slice(at + 1)].join("\n"), quote, depth + 1);
      into.append(quote);
      return;
    } else if (match[6] !== undefined) {
      flush();
      const quoted = [];
      for (; at < lines.length && /^> /.test(lines[at]); at += 1) quoted.push(lines[at].slice(2));
      at -= 1;
      const quote = el("blockquote");
      blocks(quoted.join("\n"), quote, depth + 1);
      into.append(quote);
    } else {
      flush();
      at = list(lines, at, into, depth) - 1;
    }
  }
  flush();
}

function list(lines, at, into, depth) {
  const item = (line) => {
    const match = BLOCK.exec(line ?? "");
    return match?.[9] ? { indent: match[7].length, number: match[8], text: match[9] } : null;
  };
  const first = item(lines[at]);
  const node = el(first.number ? "ol" : "ul", first.number ? { start: first.number } : {});
  let last = null;
  for (let next = item(lines[at]); next; next = item(lines[at])) {
    if (next.indent < first.indent) break;
    if (next.indent > first.indent + 1 && last && depth < DEEPEST) {
      at = list(lines, at, last, depth + 1);
      continue;
    }
    if (Boolean(next.number) !== Boolean(first.number)) break;
    last = el("li", {}, inline(next.text, depth));
    node.append(last);
    at += 1;
  }
  into.append(node);
  return at;
}

function inline(text, depth = 0) {
  const nodes = [];
  const unclosed = new Set();
  let plain = "";
  const push = (node) => {
    if (plain) nodes.push(document.createTextNode(plain));
    plain = "";
    nodes.push(node);
  };
  let at = 0;
  while (at < text.length) {
    const taken = depth > DEEPEST ? null : special(text, at, depth, unclosed);
    if (taken) {
      if (typeof taken.node === "string") plain += taken.node;
      else push(taken.node);
      at = taken.end;
      continue;
    }
    WORDS.lastIndex = at;
    const word = WORDS.exec(text)[0];
    plain += word;
    at += word.length;
  }
  if (plain) nodes.push(document.createTextNode(plain));
  return nodes;
}

function special(text, at, depth, unclosed) {
  switch (text[at]) {
    case "\\":
      return /[^0-9A-Za-z\s]/.test(text[at + 1] ?? "") ? { node: text[at + 1], end: at + 2 } : null;
    case "`":
      return code(text, at, unclosed);
    case "[":
      return masked(text, at, depth);
    case "<":
      return pointed(text, at);
    case "@":
      return everyone(text, at);
    case "h":
    case "H":
      ADDRESS.lastIndex = at;
      return address(ADDRESS.exec(text)?.[0], at);
    default:
      return marked(text, at, depth, unclosed);
  }
}

function marked(text, at, depth, unclosed) {
  for (const [mark, wrap] of MARKS) {
    if (!text.startsWith(mark, at) || unclosed.has(mark)) continue;
    if (mark === "_" && /\w/.test(text[at - 1] ?? "")) continue;
    const end = closing(text, at + mark.length, mark);
    // Where no end follows from here, none follows from anywhere later: no need to look again.
    if (end === -1) unclosed.add(mark);
    if (end < at + mark.length + 1 || /^[*_~|]+$/.test(text.slice(at, end))) continue;
    return { node: wrap(inline(text.slice(at + mark.length, end), depth + 1)), end: end + mark.length };
  }
  return null;
}

/** Returns where `mark` closes, -1 where it does not, -2 where what follows cannot be its content. */
function closing(text, from, mark) {
  const single = mark.length === 1;
  if (single && /\s/.test(text[from] ?? " ")) return -2;
  for (let at = from; at < text.length; at += 1) {
    if (text[at] === "\\") {
      at += 1;
    } else if (single && text[at] === mark && text[at + 1] === mark) {
      at += 1;
    } else if (text.startsWith(mark, at) && at > from) {
      if (single && /\s/.test(text[at - 1])) continue;
      if (mark === "_" && /\w/.test(text[at + 1] ?? "")) continue;
      while (!single && mark !== "||" && text[at + mark.length] === mark[0]) at += 1;
      return at;
    }
  }
  return -1;
}

function code(text, at, unclosed) {
  const ticks = /^`+/.exec(text.slice(at, at + 20))[0];
  if (unclosed.has(ticks)) return null;
  for (let end = text.indexOf(ticks, at + ticks.length); end !== -1; end = text.indexOf(ticks, end + 1)) {
    if (text[end + ticks.length] === "`" || text[end - 1] === "`") continue;
    const inner = text.slice(at + ticks.length, end);
    return inner.trim() ? { node: el("code", { text: inner.trim() }), end: end + ticks.length } : null;
  }
  unclosed.add(ticks);
  return { node: ticks, end: at + ticks.length };
}

function address(found, at) {
  const target = found && safeAddress(found);
  return target ? { node: link(target, found), end: at + found.length } : null;
}

function masked(text, at, depth) {
  MASKED.lastIndex = at;
  const match = MASKED.exec(text);
  const target = match && safeAddress(match[2]);
  // A text that looks like an address of its own would hide where the link leads.
  if (!target || /https?:\/\/|www\.|^\s*[\w-]+(?:\.[\w-]+)+(?:\/|\s*$)/i.test(match[1])) return null;
  const node = link(target, ...inline(match[1].replace(/[[\]]/g, ""), depth + DEEPEST - 2));
  node.title = target;
  node.addEventListener("click", (event) => {
    event.preventDefault();
    askBeforeLeaving(target);
  });
  return { node, end: at + match[0].length };
}

function everyone(text, at) {
  const word = /^@(everyone|here)\b/.exec(text.slice(at, at + 10))?.[0];
  return word ? { node: mention(word), end: at + word.length } : null;
}
