// A link whose text hides its address is opened only after the address was read.

import { el } from "./dom.js";

/** Shows where a link leads, and opens it where the person wants that. */
export function askBeforeLeaving(target) {
  const dialog = el(
    "dialog",
    { class: "dialog", "aria-labelledby": "leaving-title" },
    el("h2", { id: "leaving-title", text: "Leave Townhall?" }),
    el("p", { text: "This link leads to" }),
    el("p", { class: "leaving-address", text: target }),
    el(
      "div",
      { class: "dialog-buttons" },
      el("button", { type: "button", class: "button quiet", onclick: () => dialog.close(), text: "Stay" }),
      el(
        "a",
        { class: "button primary", href: target, target: "_blank", rel: "noopener noreferrer nofollow", onclick: () => dialog.close() },
        "Visit site",
      ),
    ),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
