// A slash command that is being filled in: its options as chips, suggestions above, checks before it is sent.

import { Chip } from "./chip.js";
import { send } from "../connection.js";
import { el } from "../dom.js";
import * as rules from "./option_rules.js";
import { state } from "../state.js";
import { words } from "../words.js";

const PAUSE_MS = 180;

/** The form of one command. `onsend(command, values, files)`, `onleave(text)` and `onrecall(key)`, which tells whether it did, end it. */
export class CommandForm {
  constructor(command, suggestions, { onsend, onleave, onrecall, ontrouble }) {
    Object.assign(this, { command, suggestions, onsend, onleave, onrecall, ontrouble });
    this.chips = [];
    this.asked = 0;
    this.typed = new Set();
    this.tail = el("input", {
      class: "tail", type: "text", role: "combobox", "aria-expanded": "false", "aria-controls": "suggestions",
      "aria-autocomplete": "list", "aria-label": words("command.more_label", { command: this.name }), autocomplete: "off", spellcheck: "false",
    });
    this.tail.addEventListener("input", () => this.onTail());
    this.tail.addEventListener("keydown", (event) => this.onKey(event, null));
    this.tail.addEventListener("focus", () => this.suggestRest());
    this.row = el("div", { class: "chips" }, el("span", { class: "command-name", text: this.name }), this.tail);
    this.node = el("div", { class: "command-form", role: "group", "aria-label": this.name }, this.row);
    for (const option of command.options) if (option.required) this.add(option);
    this.hintRest();
  }

  get name() {
    return `/${this.command.path.join(" ")}`;
  }

  /** The options that are not filled in yet. */
  get rest() {
    return this.command.options.filter((option) => !this.chips.some((chip) => chip.option === option));
  }

  /** Takes what was typed or pasted after the command's name, and puts the focus where to go on. */
  begin(text) {
    const { given, before } = rules.split(text, this.command.options.map((option) => option.name));
    for (const [name, value] of given) this.chip(this.command.options.find((option) => option.name === name)).set(value);
    const first = this.command.options[0];
    if (before && first?.type === rules.STRING && !given.has(first.name)) this.chip(first).set(before);
    const target = this.chips.find((chip) => !chip.text) ?? null;
    if (target) target.input.focus();
    else this.tail.focus();
  }

  /** What stands in it, to be remembered: [option, text, what is sent where that is not the text]. No files. */
  get filled() {
    const text = (chip) => (this.typed.has(chip) ? rules.unquoted(chip.text) : chip.text);
    const given = this.chips.filter((chip) => !chip.file && chip.text).map((chip) => [chip.option.name, text(chip), chip.sent]);
    const shown = given.map(([name, value]) => `${name}:${/\s/.test(value) ? `"${value}"` : value}`);
    return { text: [this.name, ...shown].join(" "), path: this.command.path, given };
  }

  /** Takes what was remembered. The list stays closed, so that the arrow keys go on to what was sent before. */
  refill(given) {
    for (const [name, text, sent] of given) {
      const option = this.command.options.find((each) => each.name === name);
      if (option) this.chip(option).set(text, sent);
    }
    this.tail.focus();
    this.suggestions.hide();
  }

  chip(option) {
    return this.chips.find((chip) => chip.option === option) ?? this.add(option);
  }

  add(option) {
    const chip = new Chip(option, {
      onchange: (each) => this.onChange(each),
      onkey: (event, each) => this.onKey(event, each),
      onfocus: (each) => this.suggest(each),
      onremove: (each) => this.remove(each),
    });
    chip.complain("");
    this.chips.push(chip);
    this.row.insertBefore(chip.node, this.tail);
    chip.fit();
    this.hintRest();
    return chip;
  }

  remove(chip) {
    this.chips = this.chips.filter((each) => each !== chip);
    chip.node.remove();
    this.hintRest();
    this.tail.focus();
  }

  hintRest() {
    const count = this.rest.length;
    this.tail.placeholder = count ? words("command.more", { count }) : "";
    this.tail.classList.toggle("full", !count);
  }

  // Suggestions

  suggest(chip, { active } = {}) {
    const { option } = chip;
    const typed = chip.sent === null ? chip.text.toLowerCase() : "";
    const offers = chip.offers()?.filter(({ label }) => label.toLowerCase().includes(typed)) ?? [];
    const items = offers.map((offer) => ({ ...offer, pick: () => this.choose(chip, offer) }));
    const first = active ?? (items.length && chip.sent === null && (chip.text || option.required) ? 0 : -1);
    this.suggestions.show(chip.input, [...items, ...this.restItems(items.length > 0)], { title: this.title(chip), active: first });
    if (option.autocomplete) this.askBot(chip);
  }

  title(chip) {
    const { option } = chip;
    return [
      el("strong", { text: option.name }),
      chip.trouble ? el("span", { class: "title-trouble", text: chip.trouble }) : el("span", { text: option.description }),
      el("span", { class: "title-range", text: rules.range(option) }),
    ];
  }

  restItems(short = false) {
    if (short) return [];
    return this.rest.map((option) => ({
      label: option.name, detail: option.description, badge: option.required ? words("command.required") : "", group: words("command.options"), sign: "+",
      pick: () => this.go(option),
    }));
  }

  suggestRest() {
    const typed = this.tail.value.trim().toLowerCase();
    const items = this.restItems().filter(({ label }) => label.toLowerCase().startsWith(typed));
    this.suggestions.show(this.tail, items, { title: items.length ? "" : [el("strong", { text: this.name }), el("span", { text: words("command.sends") })], active: typed ? 0 : -1 });
  }

  askBot(chip) {
    const turn = ++this.asked;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const values = Object.fromEntries(this.chips.filter((each) => each !== chip && each.value).map((each) => [each.option.name, each.value]));
      values[chip.option.name] = chip.text;
      const stale = () => turn !== this.asked || document.activeElement !== chip.input;
      const say = (text) => !stale() && this.suggestions.show(chip.input, [], { title: [el("strong", { text: chip.option.name }), text] });
      send("complete", { channel: state.channel.id, path: this.command.path, values }, {
        answered: ({ choices }) => {
          if (stale()) return;
          const items = choices.map(({ name, value }) => ({ label: name, pick: () => this.choose(chip, { label: name, sent: String(value) }) }));
          this.suggestions.show(chip.input, items, { title: items.length ? this.title(chip) : [el("strong", { text: chip.option.name }), words("command.no_choice")], active: chip.sent === null && chip.text ? 0 : -1 });
        },
        overdue: () => say(words("command.choices_failed")),
        refused: say,
      });
    }, chip.text ? PAUSE_MS : 0);
  }

  choose(chip, { label, sent }) {
    chip.set(label, sent);
    this.next(chip);
  }

  go(option) {
    this.tail.value = "";
    this.chip(option).input.focus();
  }

  next(chip) {
    const empty = this.chips.find((each) => each !== chip && each.option.required && !each.text && !each.file);
    (empty?.input ?? this.tail).focus();
  }

  // Typing

  onChange(chip) {
    // "…count:" inside a value begins that option, as in Discord.
    const names = this.command.options.map((option) => option.name);
    const match = /(^|\s)([^\s:"]+):$/.exec(chip.text);
    const name = match?.[2].toLowerCase();
    if (match && names.includes(name) && !chip.option.autocomplete) {
      const option = this.command.options.find((each) => each.name === name);
      const target = this.chips.find((each) => each.option === option);
      if (target === chip && match.index === 0) {
        chip.set("");
        this.typed.add(chip);
      } else if (!target || !target.text) {
        chip.set(chip.text.slice(0, match.index));
        this.typed.add(this.chip(option));
        this.chip(option).input.focus();
        return;
      }
    }
    this.suggest(chip);
  }

  onTail() {
    const match = /^\s*([^\s:]+):$/.exec(this.tail.value);
    const option = match && this.rest.find((each) => each.name === match[1].toLowerCase());
    if (option) {
      this.typed.add(this.chip(option));
      this.go(option);
    } else {
      this.suggestRest();
    }
  }

  onKey(event, chip) {
    if (event.isComposing) return;
    // Who has typed a choice out in full need not choose it once more before sending.
    const offer = chip?.sent === null ? this.suggestions.items[this.suggestions.active] : undefined;
    const whole = event.key === "Enter" && offer?.sent && offer.label.toLowerCase() === chip.text.trim().toLowerCase();
    if (whole) chip.set(offer.label, offer.sent);
    else if (this.suggestions.key(event)) return;
    const field = chip?.input ?? this.tail;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.send();
    } else if (event.key === "Escape") {
      event.preventDefault();
      this.onleave("");
    } else if (event.key === "Backspace" && field.selectionStart === 0 && field.selectionEnd === 0 && (chip ? !chip.text : true)) {
      event.preventDefault();
      this.back(chip);
    } else if (chip && ["ArrowLeft", "ArrowRight"].includes(event.key) && field.selectionStart === field.selectionEnd) {
      const fields = [...this.chips.map((each) => each.input), this.tail];
      const edge = event.key === "ArrowLeft" ? field.selectionStart === 0 : field.selectionStart === field.value.length;
      const target = fields[fields.indexOf(field) + (event.key === "ArrowLeft" ? -1 : 1)];
      if (edge && target) {
        event.preventDefault();
        target.focus();
      }
    } else if (!chip && !field.value && ["ArrowUp", "ArrowDown"].includes(event.key)) {
      if (this.onrecall(event.key)) event.preventDefault();
    } else if (!chip && event.key === "ArrowLeft" && !this.tail.value) {
      this.chips.at(-1)?.input.focus();
    }
  }

  back(chip) {
    if (chip && !chip.option.required) {
      const at = this.chips.indexOf(chip);
      this.remove(chip);
      (this.chips[at - 1]?.input ?? this.tail).focus();
    } else if (!chip && this.chips.length) {
      this.chips.at(-1).input.focus();
    } else if (this.chips.indexOf(chip) > 0) {
      this.chips[this.chips.indexOf(chip) - 1].input.focus();
    } else {
      this.onleave(this.name);
    }
  }

  send() {
    const wrong = this.chips.map((chip) => ({ chip, fault: chip.fault() })).filter(({ fault }) => fault);
    for (const chip of this.chips) chip.complain(wrong.find((each) => each.chip === chip)?.fault ?? "");
    if (wrong.length) {
      const { chip, fault } = wrong[0];
      chip.input.focus();
      this.suggest(chip, { active: -1 });
      this.ontrouble(`${chip.option.name}: ${fault}`);
      return;
    }
    const filled = this.chips.filter((chip) => !chip.file && chip.value);
    const values = filled.map((chip) => [chip.option.name, this.typed.has(chip) ? rules.unquoted(chip.value) : chip.value]);
    const files = this.chips.filter((chip) => chip.file).map((chip) => [chip.option.name, chip.file]);
    this.onsend(this.command, Object.fromEntries(values), files);
  }
}
