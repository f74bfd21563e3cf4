// Says to screen readers what appears, once it stands still: a growing text is not read out at every word.

import { el } from "./dom.js";

const STILL_MS = 1300;
const KEPT = 30;
const timers = new Map();

/** Says `text` once nothing new was said under the same `key` for a moment. */
export function announce(key, text, { now = false } = {}) {
  clearTimeout(timers.get(key));
  timers.set(
    key,
    setTimeout(() => {
      timers.delete(key);
      const live = document.getElementById("live");
      live.append(el("p", { text }));
      while (live.childElementCount > KEPT) live.firstElementChild.remove();
    }, now ? 0 : STILL_MS),
  );
}
