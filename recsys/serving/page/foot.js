// The foot: how long each stage took, what had to be given up, which model answered, and the same call elsewhere.

import { button, fill, h, hidden, plain, words } from "./dom.js";
import { asCurl, asPython } from "./share.js";
import { count, ms, stage } from "./wording.js";

export function drawFoot(app) {
  const place = document.getElementById("foot");
  if (!app.session?.key) return;
  const focus = place.contains(document.activeElement) ? document.activeElement.id : "";
  fill(place, app.lists.map((list) => latency(app, list)), notices(app), model(app), share(app));
  if (focus) document.getElementById(focus)?.focus();
}

function latency(app, list) {
  const { total, reasons, ...stages } = list.took_ms;
  const plan = app.session.variants.find((one) => one.name === list.plan);
  const budget = list.call.body.timeout_ms ?? app.session.budget_ms;
  const known = Object.values(stages).reduce((sum, one) => sum + one, 0);
  const parts = [...Object.entries(stages), ["the rest", Math.max(0, total - known)]].filter(([, value]) => value > 0);
  const scale = Math.max(budget, total);
  const title = app.lists.length > 1 ? `Time, ${plain(plan.label, 30)}` : "Time";
  return h("section", { class: "foot-part latency" },
    h("h2", null, title, h("span", { class: "num" }, ` ${ms(total)}`), h("span", { class: "soft" }, ` of a budget of ${ms(budget)}`)),
    h("div", { class: "meters" }, stacked(parts, total), budgetBar(total, budget, scale)),
    h("ul", { class: "legend" }, parts.map(([name, value], i) => h("li", null,
      h("span", { class: `dot c${i % 8}`, "aria-hidden": "true" }), `${stage(name)} `, h("span", { class: "num" }, ms(value))))),
    counted(list.trace?.counts),
    reasons !== undefined && h("p", { class: "soft" }, `Reasons came after the list, in ${ms(reasons)}.`));
}

// Tokens read and written, replies repaired: where a model counted them, and the list tells (with workings).
function counted(counts) {
  const all = Object.entries(counts ?? {});
  return all.length > 0 && h("p", { class: "soft" }, all.map(([name, value]) => `${plain(name.replaceAll("_", " "), 40)} ${count(value)}`).join(", "));
}

function stacked(parts, total) {
  return h("div", { class: "stack", "aria-hidden": "true" }, parts.map(([, value], i) => {
    const part = h("span", { class: `c${i % 8}` });
    part.style.flexGrow = String(Math.max(value / (total || 1), 0.004));
    return part;
  }));
}

function budgetBar(total, budget, scale) {
  const used = h("span", { class: total > budget ? "used over" : "used" });
  used.style.width = `${(100 * total) / scale}%`;
  const line = h("span", { class: "line" });
  line.style.left = `${(100 * budget) / scale}%`;
  return h("div", { class: "budget", role: "img", "aria-label": `${ms(total)} used of a budget of ${ms(budget)}` }, used, line);
}

function notices(app) {
  const all = app.lists.flatMap((list) => [
    ...list.degraded.map((one) => ["fell back", one]), ...list.warnings.map((one) => ["warning", one]),
    ...list.applied_rules.map((one) => ["rule", one]), ...list.missing_ids.map((one) => ["unknown item", one]),
  ]);
  const seen = [...new Map(all.map((one) => [one.join(), one])).values()];
  const notes = app.session.shop.notes;
  return h("section", { class: "foot-part" },
    h("h2", null, "Notices"),
    seen.length
      ? h("ul", { class: "notices" }, seen.map(([kind, text]) => h("li", { class: kind.replace(" ", "-") }, h("b", null, kind), " ", words(text, 200))))
      : h("p", { class: "soft" }, "Nothing fell back, nothing is amiss."),
    notes.length > 0 && h("details", null, h("summary", null, "About the data"), h("ul", { class: "notices" }, notes.map((one) => h("li", null, words(one, 300))))));
}

function model(app) {
  const { session, lists } = app;
  const version = lists[0]?.model.version || session.model.bundle;
  return h("section", { class: "foot-part" },
    h("h2", null, "Model"),
    h("dl", { class: "facts" },
      fact("plan", lists.map((list) => list.model.name).join(", ") || app.state.variant),
      fact("bundle", version || "fitted here, not saved"), fact("settings", session.model.settings), fact("recsys", session.model.version),
      fact("shop", `${count(session.shop.items)} products, ${count(session.shop.shoppers)} shoppers, ${count(session.shop.events)} events`)));
}

function fact(name, value) {
  return [h("dt", null, name), h("dd", null, h("code", null, plain(value, 80)))];
}

function share(app) {
  const list = app.lists[0];
  const said = h("span", { role: "status", class: "soft" });
  const copy = (label, id, text) => button(label, async () => {
    try {
      await navigator.clipboard.writeText(text());
      said.textContent = "Copied.";
    } catch {
      said.textContent = "This browser does not let pages copy: the text is shown instead.";
    }
    if (id !== "copy-link") show(label, text());
  }, { id, disabled: !list && id !== "copy-link" });
  return h("section", { class: "foot-part" },
    h("h2", null, "Take it along"),
    h("div", { class: "shares" },
      copy("Copy link", "copy-link", () => location.href),
      copy("Copy as curl", "copy-curl", () => asCurl(app, list)),
      copy("Copy as Python", "copy-python", () => asPython(app, list))),
    said);
}

function show(label, text) {
  const dialog = document.getElementById("dialog");
  fill(dialog, h("h2", { id: "dialog-title" }, label, hidden(": the text")),
    h("pre", { tabindex: "0", role: "region", "aria-label": "The text" }, text),
    h("p", { class: "soft" }, "The key is that of this page: it ends with the service."),
    h("div", { class: "row-end" }, button("Close", () => dialog.close(), { class: "main" })));
  dialog.showModal();
}
