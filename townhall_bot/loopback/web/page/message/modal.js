// Forms that a bot opens.

import { announce } from "../announce.js";
import { send } from "../connection.js";
import { optionsOf } from "./components.js";
import { el, icon } from "../dom.js";
import { markdown } from "./markdown.js";
import { on } from "../state.js";
import { words } from "../words.js";

on("modal", ({ modal, interaction }) => openForm(modal, interaction));

function openForm(modal, interaction) {
  const fields = new Map();
  const error = el("p", { class: "form-error", role: "alert" });
  const submit = el("button", { type: "submit", class: "button primary", text: words("form.submit") });
  const dialog = el("dialog", { class: "dialog", "aria-labelledby": "form-title" });
  const form = el(
    "form",
    { novalidate: true },
    el(
      "div",
      { class: "dialog-head" },
      el("img", { src: "/static/logo.svg", alt: "", width: "28", height: "28" }),
      el("h2", { id: "form-title", text: modal.title }),
      el("button", { type: "button", class: "icon-button", "aria-label": words("form.close"), onclick: () => dialog.close() }, icon("close")),
    ),
    ...modal.components.map((row) => rowView(row, fields)),
    error,
    el(
      "div",
      { class: "dialog-buttons" },
      el("button", { type: "button", class: "button quiet", onclick: () => dialog.close(), text: words("form.cancel") }),
      submit,
    ),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const wrong = [...fields.values()].map((field) => ({ field, fault: field.fault() })).filter(({ fault }) => fault);
    for (const field of fields.values()) field.show(wrong.find((each) => each.field === field)?.fault ?? "");
    if (wrong.length) {
      wrong[0].field.input.focus();
      return;
    }
    submit.disabled = true;
    const complain = (text) => {
      submit.disabled = false;
      error.textContent = text;
    };
    const values = Object.fromEntries([...fields].map(([id, field]) => [id, field.input.value]));
    send("submit", { interaction, values }, {
      answered: () => dialog.close(),
      refused: complain,
      overdue: () => complain(words("form.failed")),
    });
  });
  dialog.append(form);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  announce("modal", words("form.opened", { title: modal.title }), { now: true });
  fields.values().next().value?.input.focus();
}

function rowView(row, fields) {
  if (row.type === 10) return el("div", { class: "content" }, markdown(row.content));
  const part = row.component ?? row.components?.[0];
  if (!part) return null;
  const id = `field-${fields.size}`;
  const label = row.label ?? part.label ?? "";
  const fault = el("span", { class: "field-fault", id: `${id}-fault` });
  const input = inputFor(part, id);
  input.setAttribute("aria-describedby", fault.id);
  fields.set(part.custom_id, {
    input,
    fault: () => faultOf(part, input.value),
    show: (text) => {
      fault.textContent = text;
      input.setAttribute("aria-invalid", String(Boolean(text)));
    },
  });
  return el(
    "div",
    { class: "form-field" },
    el("label", { for: id }, label, part.required === false ? null : el("span", { class: "required", "aria-hidden": "true", text: " *" })),
    row.description && el("span", { class: "option-detail", text: row.description }),
    input,
    fault,
  );
}

function inputFor(part, id) {
  const common = { id, "aria-required": part.required === false ? null : "true" };
  if (part.type !== 4) {
    const none = part.required === false ? [el("option", { value: "", text: "—" })] : [];
    const options = optionsOf(part).map((each) => el("option", { value: each.value, selected: each.chosen, text: each.label }));
    return el("select", common, ...none, ...options);
  }
  const text = { ...common, placeholder: part.placeholder, maxlength: part.max_length ?? 4000 };
  const input = part.style === 2 ? el("textarea", { ...text, rows: "5" }) : el("input", { ...text, type: "text", autocomplete: "off" });
  input.value = part.value ?? "";
  return input;
}

function faultOf(part, value) {
  if (!value) return part.required === false ? "" : words("form.empty");
  if (part.type === 4 && part.min_length && value.length < part.min_length) {
    return words("form.short", { least: part.min_length, size: value.length });
  }
  return "";
}
