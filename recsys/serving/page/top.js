// The bar at the top: which shop, which plan, how varied, compare, workings, theme.

import { button, fill, h, plain } from "./dom.js";
import { uploadButton } from "./upload.js";

const THEMES = { "": "Auto theme", light: "Light", dark: "Dark" };

export function setTheme(theme) {
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
}

let drawnFor = null;

// Built once for a session; afterwards only values change, so that nothing is taken from under a finger or a reader.
export function drawTop(app) {
  const place = document.getElementById("top");
  if (drawnFor !== app.session || !app.session?.key) {
    drawnFor = app.session;
    fill(place, h("div", { class: "strip" }, brand(app), theme(app)),
      app.session?.variants && h("div", { class: "strip tools-strip" }, variants(app), diversity(app), toggles(app)));
  }
  if (app.session?.key) show(app.state);
}

function show(state) {
  const of = (id) => document.getElementById(id);
  for (const radio of document.getElementsByName("variant")) radio.checked = radio.value === state.variant;
  of("diversity").value = String(state.diversity);
  said(state.diversity);
  of("compare").setAttribute("aria-pressed", String(state.compare));
  of("workings").setAttribute("aria-pressed", String(state.workings));
  of("theme").value = state.theme;
  const other = of("other");
  other.hidden = !state.compare;
  for (const option of other.options) option.disabled = option.value === state.variant;
  other.value = state.other;
}

function said(value) {
  const text = value ? `${Math.round(value * 100)} %` : "off";
  document.getElementById("diversity-said").textContent = text;
  document.getElementById("diversity").setAttribute("aria-valuetext", text);
}

function brand(app) {
  const { session } = app;
  const shops = session?.shops ?? [];
  const pick = h("select", { id: "shop", "aria-label": "Shop", onchange: (event) => app.openShop(event.target.value).catch((error) => alertShop(app, error)) },
    shops.map((shop) => h("option", { value: shop.name, selected: shop.name === session.shop.name }, plain(shop.title, 40))));
  return h("div", { class: "brand" },
    h("h1", null, h("span", { class: "mark", "aria-hidden": "true" }), "recsys"),
    shops.length ? [pick, session.key ? uploadButton(app) : null] : null);
}

function alertShop(app, error) {
  app.said = `The shop cannot be opened. ${error.message}`;
  app.refresh({ said: app.said });
}

function variants(app) {
  const { session } = app;
  const radios = session.variants.map((one) => {
    const id = `variant-${one.name}`;
    const input = h("input", {
      type: "radio", name: "variant", id, value: one.name, disabled: Boolean(one.missing),
      onchange: () => app.go(one.name === app.state.other ? { variant: one.name, other: app.state.variant } : { variant: one.name }),
    });
    const why = one.missing ? `Not here: ${plain(one.missing, 300)}` : one.about;
    return h("label", { for: id, title: why }, input, h("span", null, plain(one.label, 30)));
  });
  return h("fieldset", { class: "segments" }, h("legend", null, "Plan"), radios);
}

function diversity(app) {
  const input = h("input", {
    type: "range", id: "diversity", min: "0", max: "1", step: "0.1",
    oninput: (event) => said(Number(event.target.value)),
    onchange: (event) => app.go({ diversity: Number(event.target.value) }, { push: false }),
  });
  return h("div", { class: "control" }, h("label", { for: "diversity" }, "Diversity"), input,
    h("span", { id: "diversity-said", class: "num", "aria-hidden": "true" }));
}

function toggles(app) {
  const plans = app.session.variants.filter((one) => !one.missing);
  const alone = plans.length < 2;
  const compare = button("Compare", () => app.go({ compare: !app.state.compare }), {
    id: "compare", class: "toggle", disabled: alone, title: alone ? "There is only one plan here" : "Two plans side by side",
  });
  const other = h("select", { id: "other", "aria-label": "Compare with", onchange: (event) => app.go({ other: event.target.value }) },
    plans.map((one) => h("option", { value: one.name }, `with ${plain(one.label, 30)}`)));
  const workings = button("Show workings", () => app.go({ workings: !app.state.workings }, { keepItem: true }), {
    id: "workings", class: "toggle", "aria-controls": "right",
  });
  return h("div", { class: "toggles" }, compare, other, workings);
}

function theme(app) {
  const pick = h("select", { id: "theme", onchange: (event) => { app.go({ theme: event.target.value }, { push: false }); } },
    Object.entries(THEMES).map(([value, label]) => h("option", { value, selected: value === app.state.theme }, label)));
  return h("div", { class: "control theme" }, h("label", { for: "theme", class: "quiet-text" }, "Theme"), pick);
}
