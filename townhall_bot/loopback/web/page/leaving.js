// A link whose text hides its address is opened only after the address was read.

import { el } from "./dom.js";
import { words } from "./words.js";

/** Shows where a link leads, and opens it where the person wants that. */
export function askBeforeLeaving(target) {
  const dialog = el(
    "dialog",
    { class: "dialog", "aria-labelledby": "leaving-title" },
    el("h2", { id: "leaving-title", text: words("leave.title") }),
    el("p", { text: words("leave.leads") }),
    el("p", { class: "leaving-address", text: target }),
    el(
      "div",
      { class: "dialog-buttons" },
      el("button", { type: "button", class: "button quiet", onclick: () => dialog.close(), text: words("leave.stay") }),
      el(
        "a",
        { class: "button primary", href: target, target: "_blank", rel: "noopener noreferrer nofollow", onclick: () => dialog.close() },
        words("leave.go"),
      ),
    ),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
