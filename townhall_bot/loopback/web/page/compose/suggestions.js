// The list above the message box: commands, options, choices. The box keeps the focus; this follows its keys.

import { avatar, el } from "../dom.js";
import { words } from "../words.js";

/** A listbox for a combobox. Items are {label, detail, badge, disabled, user, sign, group, pick}. */
export class Suggestions {
  constructor() {
    this.items = [];
    this.active = -1;
    this.list = el("div", { role: "listbox", id: "suggestions", "aria-label": words("composer.suggestions"), data: { label: "composer.suggestions" } });
    this.title = el("div", { class: "suggestions-title", "aria-hidden": "true" });
    this.node = el("div", { class: "suggestions", hidden: true }, this.title, this.list);
    // A click must not take the focus from the box.
    this.node.addEventListener("pointerdown", (event) => event.preventDefault());
  }

  get open() {
    return !this.node.hidden;
  }

  /** Shows items for `input`; `active` is the one that Enter takes, -1 for none yet. */
  show(input, items, { title = "", active = -1 } = {}) {
    if (this.input && this.input !== input) this.release();
    this.input = input;
    this.items = items;
    this.active = Math.min(active, items.length - 1);
    this.title.replaceChildren(...[title].flat());
    this.title.hidden = !title;
    this.list.hidden = !items.length;
    let group = null;
    const rows = [];
    items.forEach((item, index) => {
      if (item.group && item.group !== group) rows.push(el("div", { class: "suggestion-group", role: "presentation", text: item.group }));
      group = item.group;
      rows.push(this.row(item, index));
    });
    this.list.replaceChildren(...rows);
    this.node.hidden = !items.length && !title;
    input.setAttribute("aria-expanded", String(Boolean(items.length)));
    this.mark();
  }

  row(item, index) {
    return el(
      "div",
      { role: "option", id: `suggestion-${index}`, class: "suggestion", "aria-disabled": item.disabled ? "true" : null, "aria-selected": "false", onclick: () => this.pick(index) },
      item.user ? avatar(item.user, "small") : item.sign && el("span", { class: "suggestion-sign", "aria-hidden": "true", text: item.sign }),
      el(
        "span",
        { class: "suggestion-text" },
        el("span", { class: "suggestion-label" }, item.label, ...(item.hints ?? []).map((hint) => el("span", { class: "suggestion-hint", text: hint }))),
        item.detail && el("span", { class: "suggestion-detail", text: item.detail }),
      ),
      item.badge && el("span", { class: "suggestion-badge", text: item.badge }),
    );
  }

  hide() {
    this.node.hidden = true;
    this.release();
    this.items = [];
    this.active = -1;
  }

  release() {
    this.input?.setAttribute("aria-expanded", "false");
    this.input?.removeAttribute("aria-activedescendant");
  }

  move(step) {
    const count = this.items.length;
    if (!count) return;
    this.active = this.active < 0 ? (step > 0 ? 0 : count - 1) : (this.active + step + count) % count;
    this.mark();
  }

  mark() {
    const rows = this.list.querySelectorAll("[role=option]");
    rows.forEach((row, index) => row.setAttribute("aria-selected", String(index === this.active)));
    const row = rows[this.active];
    if (row) {
      this.input.setAttribute("aria-activedescendant", row.id);
      row.scrollIntoView({ block: "nearest" });
    } else {
      this.input?.removeAttribute("aria-activedescendant");
    }
  }

  pick(index = this.active) {
    const item = this.items[index];
    if (item) item.pick();
    return Boolean(item);
  }

  /** Deals with the keys that are the list's; returns whether it was one. */
  key(event) {
    if (!this.open) return false;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (!this.items.length) return false;
      this.move(event.key === "ArrowDown" ? 1 : -1);
    } else if ((event.key === "Enter" || event.key === "Tab") && !event.shiftKey && this.active >= 0) {
      this.pick();
    } else if (event.key === "Escape") {
      this.hide();
    } else {
      return false;
    }
    event.preventDefault();
    return true;
  }
}
