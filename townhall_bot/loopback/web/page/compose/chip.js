// One option of a command that is being filled in.

import { el, icon } from "../dom.js";
import * as rules from "./option_rules.js";
import { state } from "../state.js";
import { words } from "../words.js";

const WIDEST = 40;
// Where the browser can, it fits fields to their text by itself (composer.css).
const FITS_ITSELF = CSS.supports("field-sizing", "content");

/** An option's name and its field. `sent` is what a choice stands for, where that is not the text that shows. */
export class Chip {
  constructor(option, { onchange, onkey, onfocus, onremove }) {
    this.option = option;
    this.sent = null;
    const id = `option-${option.name}`;
    this.hint = el("span", { class: "unseen", id: `${id}-hint` });
    this.input = this.field(id);
    this.node = el(
      "span",
      { class: `chip${option.type === rules.STRING ? " text" : ""}` },
      el("label", { for: id, text: option.name }),
      this.input,
      this.hint,
      option.required
        ? null
        : el("button", { type: "button", class: "chip-remove", tabindex: "-1", "aria-label": words("command.remove", { option: option.name }), onclick: () => onremove(this) }, icon("close")),
    );
    this.input.addEventListener("input", () => {
      this.sent = null;
      this.fit();
      this.complain("");
      onchange(this);
    });
    this.input.addEventListener("keydown", (event) => onkey(event, this));
    this.input.addEventListener("focus", () => onfocus(this));
    this.input.addEventListener("blur", () => this.text && this.complain(this.fault()));
    this.fit();
  }

  field(id) {
    const common = { id, "aria-describedby": `${id}-hint`, "aria-required": this.option.required ? "true" : null };
    if (this.option.type === rules.ATTACHMENT) return el("input", { ...common, type: "file" });
    const combobox = { ...common, role: "combobox", "aria-expanded": "false", "aria-controls": "suggestions", "aria-autocomplete": "list", autocomplete: "off", spellcheck: "false" };
    if (this.option.type === rules.STRING && !this.option.choices?.length) return el("textarea", { ...combobox, rows: "1" });
    const number = { [rules.INTEGER]: "numeric", [rules.NUMBER]: "decimal" }[this.option.type];
    return el("input", { ...combobox, type: "text", inputmode: number });
  }

  get text() {
    return this.input.value;
  }

  /** What is sent as the option's value. */
  get value() {
    return this.sent ?? String(this.chosen?.value ?? this.text);
  }

  /** The choice that is typed out, by its name, which has the person's language, or by its value. */
  get chosen() {
    const text = this.text.toLowerCase();
    return this.option.choices?.find(({ name, value }) => [name, value].some((each) => String(each).toLowerCase() === text));
  }

  get file() {
    return this.option.type === rules.ATTACHMENT ? this.input.files[0] : undefined;
  }

  set(text, sent = null) {
    this.input.value = text;
    this.sent = sent;
    this.fit();
    this.complain("");
  }

  /** Returns what is wrong, "" where nothing is. */
  fault() {
    if (this.option.type === rules.ATTACHMENT) return this.option.required && !this.file ? words("option.file") : "";
    return this.sent === null ? rules.fault(this.option, this.text) : "";
  }

  complain(text) {
    this.node.classList.toggle("wrong", Boolean(text));
    this.input.setAttribute("aria-invalid", String(Boolean(text)));
    this.hint.textContent = text || [this.option.description, rules.range(this.option)].filter(Boolean).join(", ");
    this.trouble = text;
  }

  /** Lets the field be as wide, and as high, as what stands in it. */
  fit() {
    if (FITS_ITSELF || this.option.type === rules.ATTACHMENT) return;
    const longest = Math.max(...this.text.split("\n").map((line) => line.length));
    this.input.style.width = `calc(${Math.min(Math.max(longest + 1, 3), WIDEST)}ch + 1rem)`;
    if (this.input.tagName === "TEXTAREA") {
      this.input.style.height = "auto";
      this.input.style.height = `${this.input.scrollHeight}px`;
    }
  }

  /** What the list offers for this option without asking the bot; null where that is nothing. */
  offers() {
    const { option } = this;
    const people = () => state.server.members.map((each) => ({ label: each.name, sent: `<@${each.id}>`, user: each }));
    const roles = () => state.server.roles.map((each) => ({ label: `@${each.name}`, sent: `<@&${each.id}>`, sign: "@" }));
    const channels = () => state.server.channels.filter((each) => !each.direct).map((each) => ({ label: `#${each.name}`, sent: `<#${each.id}>`, sign: "#" }));
    if (option.choices?.length) return option.choices.map(({ name, value }) => ({ label: String(name), sent: String(value) }));
    switch (option.type) {
      case rules.BOOLEAN:
        return [{ label: "True", sent: "true" }, { label: "False", sent: "false" }];
      case rules.USER:
        return people();
      case rules.ROLE:
        return roles();
      case rules.MENTIONABLE:
        return [...people(), ...roles()];
      case rules.CHANNEL:
        return channels();
      default:
        return null;
    }
  }
}
