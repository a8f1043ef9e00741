// The search box with suggestions while one types (the combobox pattern of ARIA), and the filters under it.

import { button, fill, h, plain, words } from "./dom.js";
import { who } from "./asking.js";
import { money } from "./wording.js";

const WAIT_MS = 110;

export function drawSearch(app) {
  const { state } = app;
  const place = document.getElementById("find");
  fill(place, box(app), filters(app),
    (state.q || state.brand || state.category || state.min || state.max) && button("Clear all", () => {
      app.go({ q: "", brand: "", category: "", min: "", max: "" });
      drawSearch(app);
      document.getElementById("query").focus();
    }, { class: "plain" }));
}

function box(app) {
  let timer = 0;
  let asked = 0;
  let offered = [];
  let at = -1;
  const list = h("ul", { id: "suggestions", role: "listbox", class: "suggestions", "aria-label": "Suggestions", hidden: true });
  const input = h("input", {
    id: "query", type: "text", role: "combobox", autocomplete: "off", spellcheck: "false", value: app.state.q, maxlength: "1000",
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
    drawSearch(app);
    document.getElementById("query").focus();
  }

  return h("form", { role: "search", class: "search", onsubmit: (event) => { event.preventDefault(); submit(); } },
    h("div", { class: "combo" }, input, list),
    h("button", { type: "submit", class: "main" }, "Search"));
}

function filters(app) {
  const { state, session } = app;
  const { brands, categories, price } = session.filters;
  const change = (patch) => { app.go(patch); drawSearch(app); };
  const select = (id, label, values) => values.length > 0 && h("div", { class: "field" },
    h("label", { for: id }, label),
    h("select", { id, onchange: (event) => { change({ [id]: event.target.value }); document.getElementById(id).focus(); } },
      h("option", { value: "" }, "Any"),
      withChosen(values, state[id]).map((value) => h("option", { value, selected: value === state[id] }, plain(value, 60)))));
  const bound = (id, label) => h("div", { class: "field" },
    h("label", { for: id }, label),
    h("input", { id, type: "number", min: "0", step: "any", inputmode: "decimal", value: state[id],
      placeholder: money(id === "min" ? price[0] : price[1]),
      onchange: (event) => { if (event.target.validity.valid) change({ [id]: event.target.value }); } }));
  return h("div", { class: "filters", role: "group", "aria-label": "Filters" },
    h("div", { class: "pair" }, select("category", "Category", categories), select("brand", "Brand", brands)),
    price && h("div", { class: "pair" }, bound("min", "Price from"), bound("max", "Price to")));
}

function withChosen(values, chosen) {
  return chosen && !values.includes(chosen) ? [chosen, ...values] : values;
}
