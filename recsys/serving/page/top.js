// The bar at the top: which shop, which plan, how varied, compare, workings, theme.

import { button, fill, h, plain } from "./dom.js";
import { uploadButton } from "./upload.js";

const THEMES = { "": "Auto theme", light: "Light", dark: "Dark" };

export function setTheme(theme) {
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
}

export function drawTop(app) {
  const place = document.getElementById("top");
  const focused = document.activeElement?.id;
  fill(place, brand(app), app.session?.variants ? [variants(app), diversity(app), toggles(app)] : [], theme(app));
  if (focused && place.querySelector(`[id="${CSS.escape(focused)}"]`)) document.getElementById(focused).focus();
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
  const { session, state } = app;
  const radios = session.variants.map((one) => {
    const id = `variant-${one.name}`;
    const input = h("input", {
      type: "radio", name: "variant", id, value: one.name, checked: one.name === state.variant, disabled: Boolean(one.missing),
      onchange: () => app.go(one.name === state.other ? { variant: one.name, other: state.variant } : { variant: one.name }),
    });
    const why = one.missing ? `Not here: ${plain(one.missing, 300)}` : one.about;
    return [input, h("label", { for: id, title: why }, plain(one.label, 30))];
  });
  return h("fieldset", { class: "segments" }, h("legend", null, "Plan"), radios);
}

function diversity(app) {
  const { state } = app;
  const out = h("output", { for: "diversity", class: "num" }, percent(state.diversity));
  const input = h("input", {
    type: "range", id: "diversity", min: "0", max: "1", step: "0.1", value: String(state.diversity),
    "aria-valuetext": percent(state.diversity),
    oninput: (event) => { out.textContent = percent(Number(event.target.value)); },
    onchange: (event) => app.go({ diversity: Number(event.target.value) }, { push: false }),
  });
  return h("div", { class: "control" }, h("label", { for: "diversity" }, "Diversity"), input, out);
}

function percent(value) {
  return value ? `${Math.round(value * 100)} %` : "off";
}

function toggles(app) {
  const { session, state } = app;
  const others = session.variants.filter((one) => !one.missing && one.name !== state.variant);
  const compare = button("Compare", () => app.go({ compare: !state.compare }), {
    id: "compare", class: "toggle", "aria-pressed": String(state.compare), disabled: !others.length,
    title: others.length ? "Two plans side by side" : "There is only one plan here",
  });
  const other = state.compare && h("select", {
    id: "other", "aria-label": "Compare with", onchange: (event) => app.go({ other: event.target.value }),
  }, others.map((one) => h("option", { value: one.name, selected: one.name === state.other }, `with ${plain(one.label, 30)}`)));
  const workings = button("Show workings", () => app.go({ workings: !state.workings }, { keepItem: true }), {
    id: "workings", class: "toggle", "aria-pressed": String(state.workings), "aria-controls": "right",
  });
  return h("div", { class: "toggles" }, compare, other, workings);
}

function theme(app) {
  const pick = h("select", { id: "theme", onchange: (event) => { app.go({ theme: event.target.value }, { push: false }); } },
    Object.entries(THEMES).map(([value, label]) => h("option", { value, selected: value === app.state.theme }, label)));
  return h("div", { class: "control theme" }, h("label", { for: "theme", class: "quiet-text" }, "Theme"), pick);
}
