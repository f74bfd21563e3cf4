// Embeds: the cards that bots put below their text.

import { el, localPath, safeAddress } from "../dom.js";
import { inlineMarkdown, markdown } from "./markdown.js";
import { locale, parts } from "../words.js";

/** Returns the card of one embed. */
export function embedView(embed) {
  const thumbnail = picture(embed.thumbnail, "embed-thumbnail");
  const card = el(
    "div",
    { class: `embed${thumbnail ? " with-thumbnail" : ""}` },
    el(
      "div",
      { class: "embed-body" },
      embed.author?.name && el("div", { class: "embed-author" }, linked(embed.author.url, embed.author.name)),
      embed.title && el("div", { class: "embed-title" }, linked(embed.url, inlineMarkdown(embed.title))),
      embed.description && el("div", { class: "embed-description" }, markdown(embed.description)),
      embed.fields?.length && el("div", { class: "embed-fields" }, ...embed.fields.map(field)),
      picture(embed.image, "embed-image"),
      footer(embed),
    ),
    thumbnail,
  );
  if (Number.isInteger(embed.color)) {
    card.style.setProperty("--embed-color", `#${embed.color.toString(16).padStart(6, "0").slice(-6)}`);
  }
  return card;
}

function field({ name, value, inline }) {
  return el(
    "div",
    { class: inline ? "embed-field beside" : "embed-field" },
    el("div", { class: "embed-field-name" }, inlineMarkdown(name)),
    el("div", { class: "embed-field-value" }, markdown(value)),
  );
}

function linked(address, shown) {
  const target = address && safeAddress(address);
  return target ? el("a", { href: target, target: "_blank", rel: "noopener noreferrer nofollow" }, shown) : el("span", {}, shown);
}

function picture(of, name) {
  const path = localPath(of?.url);
  if (path) return el("img", { class: name, src: path, alt: of.description ?? "", loading: "lazy" });
  const target = of?.url && safeAddress(of.url);
  // Pictures of other servers would come from the network; they are named instead.
  return target ? el("div", { class: "embed-elsewhere" }, ...parts("message.picture", { address: linked(target, target) })) : null;
}

function footer({ footer: foot, timestamp }) {
  const date = timestamp ? new Date(timestamp) : null;
  const time = date && !Number.isNaN(date.getTime()) ? date.toLocaleString(locale(), { dateStyle: "medium", timeStyle: "short" }) : "";
  const text = [foot?.text, time].filter(Boolean).join(" • ");
  return text ? el("div", { class: "embed-footer", text }) : null;
}
