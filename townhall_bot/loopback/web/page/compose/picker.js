// Popups below a button: a list to choose from, and a menu of things to do. Both work by keyboard.

import { avatar, el, icon } from "../dom.js";
import { words } from "../words.js";

let open = null;

/** Closes the popup that is open, if any. */
function closePopup() {
  open?.close();
}

function popup(anchor, node, { at, focusBack = true } = {}) {
  closePopup();
  node.classList.add("popup");
  document.body.append(node);
  const place = at ?? anchor.getBoundingClientRect();
  const width = node.offsetWidth;
  const height = node.offsetHeight;
  const below = innerHeight - place.bottom - 8;
  const top = below >= height || below >= place.top ? place.bottom + 4 : place.top - height - 4;
  node.style.left = `${Math.max(8, Math.min(place.left, innerWidth - width - 8))}px`;
  node.style.top = `${Math.max(8, Math.min(top, innerHeight - height - 8))}px`;
  const outside = (event) => {
    if (!node.contains(event.target) && !anchor.contains(event.target)) mine.close();
  };
  const leave = (event) => {
    if (!node.contains(event.relatedTarget)) setTimeout(() => open === mine && !node.contains(document.activeElement) && mine.close(false));
  };
  const mine = {
    close(back = focusBack) {
      if (open !== mine) return;
      open = null;
      document.removeEventListener("pointerdown", outside, true);
      anchor.setAttribute("aria-expanded", "false");
      node.remove();
      if (back) anchor.focus();
    },
  };
  open = mine;
  anchor.setAttribute("aria-expanded", "true");
  document.addEventListener("pointerdown", outside, true);
  node.addEventListener("focusout", leave);
  return mine;
}

function move(items, event) {
  const at = items.indexOf(document.activeElement);
  const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
  if (next !== undefined) {
    event.preventDefault();
    items[(next + items.length) % items.length].focus();
    return true;
  }
  if (event.key.length === 1 && /\S/.test(event.key) && !event.ctrlKey && !event.metaKey) {
    const found = [...items.slice(at + 1), ...items].find((item) => item.textContent.trim().toLowerCase().startsWith(event.key.toLowerCase()));
    found?.focus();
  }
  return false;
}

/** Opens a list of `options` ({label, detail, value, emoji, user, chosen}); `done(values)` hears of the choice. */
export function choose(anchor, options, { name, least, most, done }) {
  const several = most > 1;
  const chosen = new Set(options.filter((option) => option.chosen).map((option) => option.value));
  const node = el("div", { class: "picker" });
  const list = el("div", { role: "listbox", "aria-label": name, "aria-multiselectable": several ? "true" : null });
  const finish = el("button", { type: "button", class: "button primary" });
  const toggle = (option, item) => {
    if (!several) {
      mine.close();
      done(option.chosen && !least ? [] : [option.value]);
      return;
    }
    if (!chosen.delete(option.value) && chosen.size < most) chosen.add(option.value);
    item.setAttribute("aria-selected", String(chosen.has(option.value)));
    check();
  };
  const check = () => {
    finish.disabled = chosen.size < least || chosen.size > most;
    finish.textContent = chosen.size ? words("component.choose", { size: chosen.size }) : least ? words("component.choose_least", { size: least }) : words("component.choose_none");
  };
  const items = options.map((option) => {
    const item = el(
      "div",
      { role: "option", tabindex: "-1", "aria-selected": String(chosen.has(option.value)), onclick: () => toggle(option, item) },
      option.user && avatar(option.user, "small"),
      option.emoji && el("span", { class: "emoji", text: option.emoji }),
      el("span", { class: "option-text" }, el("span", { text: option.label }), option.detail && el("span", { class: "option-detail", text: option.detail })),
      el("span", { class: "option-mark" }, icon("check")),
    );
    return item;
  });
  list.append(...items);
  node.append(list, several ? finish : "");
  finish.addEventListener("click", () => {
    mine.close();
    done([...chosen]);
  });
  node.addEventListener("keydown", (event) => {
    if (event.key === "Escape") mine.close();
    else if (items.includes(event.target)) {
      if (["Enter", " "].includes(event.key)) {
        event.preventDefault();
        toggle(options[items.indexOf(event.target)], event.target);
      } else move(items, event);
    }
  });
  const mine = popup(anchor, node);
  check();
  (items.find((item) => item.getAttribute("aria-selected") === "true") ?? items[0])?.focus();
}

/** Opens a menu of `entries` ({label, icon, detail, checked, disabled, run} or {heading}), at the anchor or a point. */
export function menu(anchor, entries, { name, at } = {}) {
  const node = el("div", { role: "menu", class: "menu", "aria-label": name });
  const items = [];
  for (const entry of entries) {
    if (entry.heading) {
      node.append(el("div", { class: "menu-heading", role: "presentation", text: entry.heading }));
      continue;
    }
    const item = el(
      "div",
      {
        role: entry.checked === undefined ? "menuitem" : "menuitemradio",
        "aria-checked": entry.checked === undefined ? null : String(entry.checked),
        "aria-disabled": entry.disabled ? "true" : null,
        tabindex: "-1",
      },
      entry.user ? avatar(entry.user, "small") : null,
      el("span", { class: "option-text" }, el("span", { text: entry.label }), entry.detail && el("span", { class: "option-detail", text: entry.detail })),
      entry.icon && icon(entry.icon),
    );
    item.addEventListener("click", () => {
      if (entry.disabled) return;
      mine.close();
      entry.run();
    });
    items.push(item);
    node.append(item);
  }
  node.addEventListener("keydown", (event) => {
    if (event.key === "Escape" || event.key === "Tab") {
      event.preventDefault();
      mine.close();
    } else if (["Enter", " "].includes(event.key)) {
      event.preventDefault();
      document.activeElement.click();
    } else move(items, event);
  });
  const mine = popup(anchor, node, { at });
  (items.find((item) => item.getAttribute("aria-checked") === "true") ?? items[0])?.focus();
}
