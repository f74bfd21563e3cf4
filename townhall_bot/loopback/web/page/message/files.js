// Files of a message: pictures show, texts open, the rest can be downloaded.

import { el, icon, localPath } from "../dom.js";
import { locale, words } from "../words.js";

const PREVIEW_LINES = 8;
const LONGEST_PREVIEW = 200_000;

/** Returns what shows one attachment. */
export function fileView(file) {
  const path = localPath(file.url);
  const kind = (file.content_type ?? "").split(";")[0];
  if (path && /^image\/(png|jpeg|gif|webp)$/.test(kind)) {
    return el(
      "a",
      { class: "picture", href: path, target: "_blank", rel: "noopener" },
      el("img", { src: path, alt: file.description ?? file.filename, loading: "lazy" }),
    );
  }
  if (path && (kind.startsWith("text/") || kind === "application/json")) return textFile(file, path);
  return el("div", { class: "file" }, fileHead(file, path));
}

/** Returns a size as people read it. */
function sizeOf(bytes) {
  if (bytes < 1000) return words("file.bytes", { size: bytes });
  const [size, unit] = bytes < 1e6 ? [bytes / 1e3, "KB"] : [bytes / 1e6, "MB"];
  return `${size.toLocaleString(locale(), { minimumFractionDigits: 1, maximumFractionDigits: 1 })} ${unit}`;
}

function fileHead(file, path) {
  return el(
    "div",
    { class: "file-head" },
    el("span", { class: "file-icon" }, icon("file")),
    el(
      "span",
      { class: "file-name" },
      path ? el("a", { href: path, target: "_blank", rel: "noopener", text: file.filename }) : file.filename,
      el("span", { class: "file-size", text: sizeOf(file.size) }),
    ),
    path && el("a", { class: "icon-button", href: path, download: file.filename, "aria-label": words("file.download", { name: file.filename }), title: words("file.download", { name: file.filename }) }, icon("download")),
  );
}

function textFile(file, path) {
  const text = el("pre", { class: "file-text", tabindex: "0", "aria-label": words("file.text", { name: file.filename }), text: "…" });
  const toggle = el("button", { type: "button", class: "file-toggle", "aria-expanded": "false", hidden: true });
  const node = el("div", { class: "file text-file" }, fileHead(file, path), text, toggle);
  let whole = "";
  const show = (open) => {
    const lines = whole.split("\n");
    const short = lines.slice(0, PREVIEW_LINES).join("\n").slice(0, 1200);
    text.textContent = open ? whole : short + (short.length < whole.length ? " …" : "");
    toggle.hidden = short.length >= whole.length;
    toggle.setAttribute("aria-expanded", String(open));
    toggle.textContent = open ? words("file.less") : words("file.whole", { size: whole.length });
    node.classList.toggle("open", open);
  };
  toggle.addEventListener("click", () => show(toggle.getAttribute("aria-expanded") !== "true"));
  fetch(path)
    .then((response) => (response.ok ? response.text() : Promise.reject(new Error(String(response.status)))))
    .then((loaded) => {
      whole = loaded.slice(0, LONGEST_PREVIEW);
      show(false);
    })
    .catch(() => {
      text.textContent = words("file.missing");
    });
  return node;
}
