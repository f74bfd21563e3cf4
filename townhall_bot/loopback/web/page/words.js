// What the page itself says, in the language of whoever acts. The texts stand in locale/*.toml beside the server.

const all = await (await fetch("/words")).json();
let language = "en";
let spoken = "en";

speak(navigator.languages);

/** Speaks the first of `languages` ("de", "en-US") that there are texts in; tells whether that is another than before. */
export function speak(languages) {
  const before = language;
  language = languages.map((each) => each.split("-")[0]).find((each) => each in all) ?? "en";
  // Dates and numbers as the browser's own variety of the language writes them: en-GB where that is what it has.
  spoken = navigator.languages.find((each) => each.split("-")[0] === language) ?? language;
  document.documentElement.lang = language;
  for (const node of document.querySelectorAll("[data-words]")) node.textContent = words(node.dataset.words);
  for (const node of document.querySelectorAll("[data-label]")) {
    node.setAttribute("aria-label", words(node.dataset.label));
    if (node.title) node.title = words(node.dataset.label);
  }
  return language !== before;
}

/** Returns the locale in which dates and numbers are written. */
export function locale() {
  return spoken;
}

/** Returns the text called `name`, with its values; one that depends on `count` is chosen by it. */
export function words(name, values = {}) {
  return parts(name, values).join("");
}

/** Returns the same in pieces, for values that are nodes: each stands where the language puts it. */
export function parts(name, values = {}) {
  const text = all[language][name] ?? all[language][`${name}.${values.count === 1 ? "one" : "other"}`];
  if (text === undefined) throw new Error(`There is no text called ${name}.`);
  return text.split(/(\{\w+\})/).filter(Boolean).map((piece) => {
    const value = piece.startsWith("{") ? values[piece.slice(1, -1)] : piece;
    if (value === undefined) throw new Error(`The text ${name} needs ${piece}.`);
    return typeof value === "number" ? value.toLocaleString(spoken) : value;
  });
}
