// Buttons, select menus and layout below a message.

import { send } from "../connection.js";
import { el, icon, localPath, safeAddress } from "../dom.js";
import { fileView } from "./files.js";
import { markdown } from "./markdown.js";
import { choose } from "../compose/picker.js";
import { state } from "../state.js";
import { words } from "../words.js";

const STYLES = { 1: "primary", 2: "secondary", 3: "success", 4: "danger", 5: "link", 6: "primary" };

/** Returns what shows a message's components; `complain(text)` tells what went wrong with one. */
export function componentsView(message, complain) {
  const act = (kind, fields, node) => {
    node.setAttribute("aria-busy", "true");
    const done = () => node.removeAttribute("aria-busy");
    complain("");
    send(kind, { channel: message.channel_id, message: message.id, ...fields }, {
      answered: done,
      overdue: () => (done(), complain(words("component.failed"))),
      refused: (text) => (done(), complain(text)),
    });
  };
  const shown = el("div", { class: "components" });
  shown.append(...message.components.map((part) => component(part, message, act)).filter(Boolean));
  return shown;
}

function component(part, message, act) {
  const inside = () => (part.components ?? []).map((each) => component(each, message, act)).filter(Boolean);
  switch (part.type) {
    case 1:
      return el("div", { class: "component-row" }, ...inside());
    case 2:
      return button(part, act);
    case 3:
    case 5:
    case 6:
    case 7:
    case 8:
      return select(part, act);
    case 9:
      return el("div", { class: "section" }, el("div", {}, ...inside()), part.accessory && component(part.accessory, message, act));
    case 10:
      return el("div", { class: "content" }, markdown(part.content));
    case 11:
      return media(part.media, part.description, message);
    case 12:
      return el("div", { class: "gallery" }, ...(part.items ?? []).map((item) => media(item.media, item.description, message)));
    case 13:
      return media(part.file, "", message);
    case 14:
      return part.divider === false ? el("div", { class: "spacer" }) : el("hr");
    case 17: {
      const box = el("div", { class: "embed container" }, el("div", { class: "embed-body" }, ...inside()));
      if (Number.isInteger(part.accent_color)) {
        box.style.setProperty("--embed-color", `#${part.accent_color.toString(16).padStart(6, "0").slice(-6)}`);
      }
      return box;
    }
    default:
      return null;
  }
}

function media(of, description, message) {
  const name = /^attachment:\/\/(.+)$/.exec(of?.url ?? "")?.[1];
  const file = message.attachments.find((each) => each.filename === name);
  if (file) return fileView({ ...file, description: description || file.description });
  const path = localPath(of?.url);
  return path ? el("img", { class: "embed-image", src: path, alt: description ?? "" }) : null;
}

function face(part) {
  return [
    part.emoji?.name && el("span", { class: "emoji", "aria-hidden": part.label ? "true" : null, text: part.emoji.name }),
    part.label && el("span", { class: "button-label", text: part.label }),
  ];
}

function button(part, act) {
  const target = part.style === 5 ? safeAddress(part.url) : null;
  if (target) {
    return el("a", { class: "button secondary", href: target, target: "_blank", rel: "noopener noreferrer nofollow" }, ...face(part));
  }
  const node = el("button", { type: "button", class: `button ${STYLES[part.style] ?? "secondary"}`, disabled: part.disabled || part.style === 5, data: { customId: part.custom_id ?? "" } }, ...face(part));
  node.addEventListener("click", () => {
    if (!node.hasAttribute("aria-busy")) act("press", { custom_id: part.custom_id }, node);
  });
  return node;
}

/** Returns what a select menu offers: its own options, or people, roles and channels. */
export function optionsOf(part) {
  const people = () => state.server.members.map((each) => ({ label: each.name, value: `<@${each.id}>`, user: each }));
  const roles = () => state.server.roles.map((each) => ({ label: `@${each.name}`, value: `<@&${each.id}>` }));
  const fitting = (channel) => !channel.direct && (!part.channel_types?.length || part.channel_types.includes(0));
  const chosen = new Set((part.default_values ?? []).map((each) => each.id));
  const marked = (options) => options.map((each) => ({ ...each, chosen: chosen.has(each.value.replace(/\D/g, "")) }));
  switch (part.type) {
    case 5:
      return marked(people());
    case 6:
      return marked(roles());
    case 7:
      return marked([...people(), ...roles()]);
    case 8:
      return marked(state.server.channels.filter(fitting).map((each) => ({ label: `#${each.name}`, value: `<#${each.id}>` })));
    default:
      return (part.options ?? []).map((each) => ({
        label: each.label,
        detail: each.description,
        value: each.value,
        emoji: each.emoji?.name,
        chosen: each.default,
      }));
  }
}

function select(part, act) {
  const options = optionsOf(part);
  const chosen = options.filter((each) => each.chosen).map((each) => each.label);
  const name = part.placeholder ?? words("component.select");
  const node = el(
    "button",
    { type: "button", class: "select", disabled: part.disabled, "aria-haspopup": "listbox", "aria-expanded": "false", data: { customId: part.custom_id } },
    el("span", { class: chosen.length ? "" : "placeholder", text: chosen.join(", ") || name }),
    icon("down"),
  );
  node.addEventListener("click", () => {
    if (node.hasAttribute("aria-busy")) return;
    choose(node, options, {
      name,
      least: part.min_values ?? 1,
      most: part.max_values ?? 1,
      done: (values) => act("select", { custom_id: part.custom_id, values }, node),
    });
  });
  return node;
}
