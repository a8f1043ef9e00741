// Elements out of values. Text only ever becomes a text node: nothing that the API sends can become markup.

// C0 and C1 controls, bidi controls, marks of direction, the byte order mark.
const CONTROLS = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]/g;
const PROPERTIES = new Set(["value", "checked", "disabled", "hidden", "selected", "indeterminate", "tabIndex"]);

export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (PROPERTIES.has(name)) element[name] = value;
    else if (value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  return put(element, children);
}

export function put(element, children) {
  for (const child of [children].flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false && child !== "") element.append(child);
  }
  return element;
}

export function fill(element, ...children) {
  element.replaceChildren();
  return put(element, children);
}

// A text of the catalogue as plain words: no control characters, one line, at most `most` characters.
export function plain(text, most = 240) {
  const clean = String(text ?? "").slice(0, most * 4).replace(CONTROLS, "").replace(/\s+/g, " ").trim();
  const signs = [...clean];
  return signs.length > most ? `${signs.slice(0, most - 1).join("")}…` : clean;
}

// The same, isolated: text that runs from right to left does not turn what stands around it.
export function words(text, most = 240) {
  return h("bdi", null, plain(text, most));
}

// Several lines of a text of the catalogue, from `start` to `end`, which count characters as Python does.
export function span(text, start, end) {
  return [...String(text)].slice(start, end).join("").replace(CONTROLS, "");
}

export function hidden(text) {
  return h("span", { class: "quiet-text" }, text);
}

let count = 0;
export function newId(prefix) {
  count += 1;
  return `${prefix}-${count}`;
}

export function button(label, onclick, props = {}) {
  return h("button", { type: "button", onclick, ...props }, label);
}
