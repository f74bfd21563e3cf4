// Says below the message box that the bot types.

import { el } from "../dom.js";
import { on, state, user } from "../state.js";
import { parts } from "../words.js";

const TYPING_MS = 10_000;
let ends = 0;

export const typing = el("div", { class: "typing", "aria-hidden": "true" });

on("typing", ({ channel }) => {
  if (channel !== state.channel?.id) return;
  const bot = state.server.members.find((member) => member.bot);
  const told = parts("composer.typing", { name: el("strong", { text: bot?.name ?? "" }) });
  typing.replaceChildren(el("span", { class: "dots" }, el("i"), el("i"), el("i")), ...told);
  clearTimeout(ends);
  ends = setTimeout(() => typing.replaceChildren(), TYPING_MS);
});
on("message", ({ message, isNew }) => isNew && user(message.author.id).bot && typing.replaceChildren());
