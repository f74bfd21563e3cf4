// What was sent from this tab, messages and commands; the arrow keys bring it back.

const MOST = 200;
const NOTHING = { text: "" };
/** The oldest first: {text} of a message, {text, path, given} of a command as its form was filled in. */
const sent = [];
/** The one that the arrow keys brought last; behind the newest, where they brought none. */
let at = 0;

/** Keeps what was sent. The same sent twice in a row is kept once. */
export function remember(entry) {
  if (!entry.text) return;
  if (sent.at(-1)?.text === entry.text) sent.pop();
  sent.push(entry);
  if (sent.length > MOST) sent.shift();
  at = sent.length;
}

/** Returns what the arrow `key` brings in place of `shown`, null for nothing: a text that was typed or changed stays. */
export function recalled(key, shown) {
  const showing = shown !== "" && shown === sent[at]?.text;
  const next = (showing ? at : sent.length) + (key === "ArrowUp" ? -1 : 1);
  if ((shown && !showing) || next < 0 || next > sent.length || (!showing && key === "ArrowDown")) return null;
  at = next;
  return sent[next] ?? NOTHING;
}
