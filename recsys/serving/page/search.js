// The search box with suggestions while one types (the combobox pattern of ARIA), and the filters under it.

import { button, fill, h, plain, words } from "./dom.js";
import { who } from "./asking.js";
import { money } from "./wording.js";

const WAIT_MS = 110;
const FILTERS = ["category", "brand", "min", "max"];

export function drawSearch(app) {
  fill(document.getElementById("find"), box(app), filters(app), button("Clear all", () => {
    app.go({ q: "", brand: "", category: "", min: "", max: "" });
    document.getElementById("query").focus();
  }, { id: "clear", class: "plain" }));
  showSearch(app.state);
}

// Values only: the fields stay, and with them the place of whoever is typing.
export function showSearch(state) {
  for (const id of ["query", ...FILTERS]) {
    const field = document.getElementById(id);
    const value = state[id === "query" ? "q" : id];
    if (!field || field.value === value) continue;
    if (field.options && ![...field.options].some((one) => one.value === value)) field.append(h("option", { value }, plain(value, 60)));
    field.value = value;
  }
  const on = FILTERS.filter((id) => state[id]).length;
  document.getElementById("filters-on").textContent = on ? ` (${on})` : "";
  if (on) document.getElementById("filters").open = true;
  document.getElementById("clear").hidden = !on && !state.q;
}

function box(app) {
  let timer = 0;
  let asked = 0;
  let offered = [];
  let at = -1;
  const list = h("ul", { id: "suggestions", role: "listbox", class: "suggestions", "aria-label": "Suggestions", hidden: true });
  const input = h("input", {
    id: "query", type: "text", role: "combobox", autocomplete: "off", spellcheck: "false", maxlength: "1000",
    placeholder: "Search the shop", "aria-label": "Search", "aria-autocomplete": "list", "aria-expanded": "false",
    "aria-controls": "suggestions", "aria-keyshortcuts": "/",
    oninput: () => { clearTimeout(timer); timer = setTimeout(suggest, WAIT_MS); },
    onkeydown: (event) => keys(event),
    onblur: () => setTimeout(close, 150),
  });

  async function suggest() {
    const typed = input.value;
    const mine = ++asked;
    if (!typed.trim()) return close();
    try {
      const found = await app.api.get("/v1/suggest", { q: typed.slice(0, 200), ...who(app.state), limit: 7 });
      if (mine !== asked || document.activeElement !== input) return undefined;
      offered = found.suggestions.map((one) => one.text);
    } catch {
      offered = []; // a suggestion that does not come is none: the search itself says what is wrong
    }
    return open();
  }

  function open() {
    at = -1;
    fill(list, offered.map((text, i) => h("li", {
      id: `suggestion-${i}`, role: "option", "aria-selected": "false", onmousedown: (event) => { event.preventDefault(); take(text); },
    }, completed(text))));
    show(offered.length > 0);
  }

  function completed(text) {
    const typed = plain(input.value).toLowerCase();
    const clean = plain(text, 80);
    if (!typed || !clean.toLowerCase().startsWith(typed)) return words(text, 80);
    return h("bdi", null, clean.slice(0, typed.length), h("b", null, clean.slice(typed.length)));
  }

  function show(on) {
    list.hidden = !on;
    input.setAttribute("aria-expanded", String(on));
    if (!on) input.removeAttribute("aria-activedescendant");
  }

  function close() {
    asked += 1;
    at = -1;
    show(false);
  }

  function point(to) {
    at = (to + offered.length) % offered.length;
    [...list.children].forEach((one, i) => one.setAttribute("aria-selected", String(i === at)));
    input.setAttribute("aria-activedescendant", `suggestion-${at}`);
    list.children[at].scrollIntoView({ block: "nearest" });
  }

  function keys(event) {
    const isOpen = !list.hidden;
    if (event.key === "ArrowDown") {
      event.preventDefault();
      if (isOpen) point(at + 1);
      else suggest();
    } else if (event.key === "ArrowUp" && isOpen) {
      event.preventDefault();
      point(at < 0 ? offered.length - 1 : at - 1);
    } else if (event.key === "Escape" && isOpen) {
      event.preventDefault();
      close();
    } else if (event.key === "Enter" && isOpen && at >= 0) {
      event.preventDefault();
      take(offered[at]);
    }
  }

  function take(text) {
    input.value = text;
    submit();
  }

  function submit() {
    clearTimeout(timer);
    close();
    app.go({ q: input.value.trim() });
  }

  return h("form", { role: "search", class: "search", onsubmit: (event) => { event.preventDefault(); submit(); } },
    h("div", { class: "combo" }, input, list),
    h("button", { type: "submit", class: "main" }, "Search"));
}

function filters(app) {
  const { brands, categories, price } = app.session.filters;
  const select = (id, label, values) => values.length > 0 && h("div", { class: "field" },
    h("label", { for: id }, label),
    h("select", { id, onchange: (event) => app.go({ [id]: event.target.value }) },
      h("option", { value: "" }, "Any"), values.map((value) => h("option", { value }, plain(value, 60)))));
  const bound = (id, label, extreme) => h("div", { class: "field" },
    h("label", { for: id }, label),
    h("input", { id, type: "number", min: "0", step: "any", inputmode: "decimal", placeholder: money(extreme),
      onchange: (event) => { if (event.target.validity.valid) app.go({ [id]: event.target.value }); } }));
  return h("details", { class: "filters", id: "filters", open: matchMedia("(min-width: 760px)").matches },
    h("summary", null, "Filters", h("span", { class: "num", id: "filters-on" })),
    h("div", { class: "pair" }, select("category", "Category", categories), select("brand", "Brand", brands)),
    price && h("div", { class: "pair" }, bound("min", "Price from", price[0]), bound("max", "Price to", price[1])));
}
