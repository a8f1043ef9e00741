// The middle: a list with its reasons, or two of them side by side; or why there is none.

import { button, fill, h, hidden, plain, words } from "./dom.js";
import { reason } from "./evidence.js";
import { gathered, markOf, marks, moved } from "./moves.js";
import { money, plural } from "./wording.js";

const centre = () => document.getElementById("centre");
const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

export function drawCentre(app) {
  const focus = focused();
  const lists = app.lists;
  const title = heading(app);
  fill(centre(), head(app, title), status(app),
    app.problem ? null : lists.length ? (app.state.compare && lists.length > 1 ? side(app) : single(app)) : skeleton());
  centre().setAttribute("aria-busy", String(app.busy));
  document.title = `${title} · recsys`;
  refocus(focus);
}

function heading(app) {
  const { state, session } = app;
  const known = session?.shoppers?.find((one) => one.user_id === state.user);
  const whom = state.guest ? "a guest" : plain(known?.name ?? state.user, 40);
  return state.q ? `“${plain(state.q, 60)}” for ${whom}` : `Recommended for ${whom}`;
}

function head(app, title) {
  const { state, lists } = app;
  const found = lists[0];
  const notes = [];
  if (found && state.q && !app.busy) {
    notes.push(plural(found.total, "product matches", "products match"));
    for (const [typed, meant] of Object.entries(found.corrections)) notes.push(["read ", words(typed, 30), " as ", words(meant, 30)]);
    if (found.relaxed.length) notes.push(["gave up: ", words(found.relaxed.join(", "), 120)]);
    if (found.price) notes.push(words(found.price, 60));
  }
  return h("div", { class: "list-head" },
    h("h2", { id: "list-title", tabindex: "-1" }, title),
    notes.length > 0 && h("p", { class: "soft" }, notes.map((note, i) => [i ? " · " : "", note])));
}

// One place that is both seen and read aloud: what the last act changed.
function status(app) {
  const list = app.lists[0];
  const changed = app.before && list && !app.busy ? moved(app.before, list.items) : "";
  const text = [app.said, changed].filter(Boolean).join(" ");
  let place = document.getElementById("status");
  if (!place) place = h("p", { id: "status", role: "status", "aria-live": "polite" });
  const busy = app.busy ? "Making the list…" : "";
  const both = app.state.compare && app.lists.length > 1 && !app.busy ? compared(app) : "";
  const said = [text, both].filter(Boolean).join(" ") || busy;
  if (place.textContent !== said) place.textContent = said;
  place.classList.toggle("said", Boolean(text || both));
  return place;
}

function skeleton() {
  return h("ol", { class: "list", "aria-hidden": "true" }, [1, 2, 3, 4, 5].map(() =>
    h("li", { class: "item ghost" }, h("span", { class: "bar" }), h("span", { class: "bar" }), h("span", { class: "bar" }))));
}

// -- one list ---------------------------------------------------------------------------------------------------

function single(app) {
  const [list] = app.lists;
  if (!list.items.length) return empty(app);
  const signs = app.before && !app.busy ? marks(app.before.ids, list.items) : new Map();
  return [
    h("ol", { class: "list", id: "rows" }, list.items.map((row) => item(app, list, row, signs.get(row.item_id)))),
    list.items.length >= app.state.k && app.state.k < 50 && button("Show more", () => app.go({ k: Math.min(50, app.state.k + 10) }), { class: "more", id: "more" }),
  ];
}

function item(app, list, row, sign) {
  const { state } = app;
  const { title, brand, categories, price, text } = row.fields;
  const name = plain(title || row.item_id, 80);
  const id = `row-${row.rank}`;
  const chosen = state.workings && chosenItem(app) === row.item_id;
  return h("li", { class: `item${sign ? ` ${sign.kind}` : ""}${chosen ? " chosen" : ""}`, "data-item": row.item_id },
    h("article", { "aria-labelledby": id },
      h("span", { class: "rank num", "aria-hidden": "true" }, String(row.rank)),
      picture(app, row),
      h("div", { class: "body" },
        h("div", { class: "title-line" },
          h("h3", { id }, hidden(`${row.rank}. `), words(title || row.item_id, 160)),
          sign && markOf(sign),
          price !== null && price !== undefined && h("span", { class: "price num" }, money(price))),
        h("p", { class: "soft meta" }, meta(brand, categories, row)),
        h("div", { class: "why", "data-why": row.item_id }, reason(app, list, row)),
        h("div", { class: "tools", role: "group", "aria-label": `Act on ${name}` },
          tool("Not interested", `Not interested in ${name}`, () => app.act("not_interested", row.item_id, `Hidden: ${name}.`), `no-${row.item_id}`),
          tool("Already have it", `Already have ${name}`, () => app.act("already_have", row.item_id, `Noted as owned: ${name}.`), `have-${row.item_id}`),
          tool("Pretend to buy", `Pretend to buy ${name}`, () => app.buy(row.item_id, list.attribution_token, `Bought, as if: ${name}.`), `buy-${row.item_id}`),
          state.workings && h("button", { type: "button", class: "plain small", "data-key": `how-${row.item_id}`, "aria-pressed": String(chosen),
            "aria-label": `How it got here: ${name}`, onclick: () => app.select(row.item_id) }, "How it got here"),
          text && h("details", { class: "about" }, h("summary", null, "About", hidden(` ${name}`)), h("p", null, words(text, 900)))))));
}

function chosenItem(app) {
  const rows = app.lists[0]?.items ?? [];
  return rows.some((row) => row.item_id === app.state.item) ? app.state.item : rows[0]?.item_id;
}

function tool(label, name, act, key) {
  return button(label, (event) => {
    event.currentTarget.disabled = true;
    act();
  }, { class: "plain small", "aria-label": name, "data-key": key });
}

function picture(app, row) {
  const shop = encodeURIComponent(app.session.shop.name);
  return h("img", { class: "picture", alt: "", width: "76", height: "76", loading: "lazy", decoding: "async",
    src: `/demo/picture/${encodeURIComponent(row.item_id)}.svg?shop=${shop}` });
}

function meta(brand, categories, row) {
  const parts = [brand, categories?.at(-1)].filter(Boolean);
  const variants = row.variants.length ? [plural(row.variants.length, "variant")] : [];
  return [...parts.map((part) => words(part, 60)), ...variants].map((part, i) => [i ? " · " : "", part]);
}

export function drawReasons(app, list) {
  if (app.state.compare) return drawCentre(app);
  const focus = focused();
  for (const row of list.items) {
    const place = centre().querySelector(`[data-why="${CSS.escape(row.item_id)}"]`);
    if (place) fill(place, reason(app, list, row));
  }
  return refocus(focus);
}

// -- two lists --------------------------------------------------------------------------------------------------

function side(app) {
  const [left, right] = app.lists;
  return h("div", { class: "sides" },
    column(app, left, gathered(left.items, right.items, true)),
    column(app, right, gathered(right.items, left.items, false)));
}

function column(app, list, rows) {
  const plan = app.session.variants.find((one) => one.name === list.plan);
  const id = `side-${list.plan}`;
  return h("section", { class: "side", "aria-labelledby": id },
    h("h3", { id }, plain(plan.label, 40)),
    h("p", { class: "soft" }, plain(plan.about, 120)),
    rows.length
      ? h("ol", { class: "list compact" }, rows.map(({ row, sign }) => h("li", { class: `item ${sign.kind}`, "data-item": row.item_id },
        h("span", { class: "rank num" }, String(row.rank)), picture(app, row),
        h("div", { class: "body" },
          h("div", { class: "title-line" }, h("h4", null, words(row.fields.title || row.item_id, 110)),
            markOf(sign)),
          row.explanation?.text
            ? h("p", { class: "reason small" }, words(row.explanation.text, 400), " ", h("span", { class: `badge ${row.explanation.kind}` }, row.explanation.kind === "extract" ? "quoted" : row.explanation.kind))
            : row.fields.price !== null && h("p", { class: "soft num" }, money(row.fields.price))))))
      : h("p", { class: "soft" }, "No products."));
}

function compared(app) {
  const [left, right] = app.lists;
  const ids = new Set(right.items.map((row) => row.item_id));
  const both = left.items.filter((row) => ids.has(row.item_id)).length;
  const same = left.items.filter((row, i) => right.items[i]?.item_id === row.item_id).length;
  return `${both} of ${left.items.length} products are in both lists, ${same} at the same place.`;
}

// -- no list ----------------------------------------------------------------------------------------------------

function empty(app) {
  const { state } = app;
  const filtered = state.brand || state.category || state.min || state.max;
  return h("div", { class: "panel empty" },
    h("h3", null, state.q ? "Nothing matches" : "Nothing to show"),
    h("p", null, filtered ? "No product passes all the filters." : "Try other words, or another shopper."),
    filtered && button("Take the filters away", () => app.go({ brand: "", category: "", min: "", max: "" }), { class: "main" }));
}

export function drawOpening() {
  fill(centre(), h("div", { class: "list-head" }, h("h2", { id: "list-title", tabindex: "-1" }, "Opening the shop…")), skeleton());
}

export function drawLoading(app) {
  const { shop } = app.session;
  const failed = shop.state === "failed";
  fill(centre(), h("div", { class: "panel" },
    h("h2", { id: "list-title", tabindex: "-1" }, failed ? "This shop could not be made" : `${plain(shop.title, 60)}: getting ready`),
    failed ? h("p", { class: "wrong", role: "alert" }, plain(app.session.error, 1200)) : h("p", { class: "soft" }, "Reading the data and fitting the models."),
    !failed && h("progress", { "aria-label": "Getting ready" }),
    h("ol", { class: "steps", role: "log", "aria-label": "Steps" }, shop.steps.map((step, i) => h("li", { class: i === shop.steps.length - 1 && !failed ? "now" : "" }, plain(step, 200)))),
    failed && button("Back to the sample shop", () => app.openShop("sample"), { class: "main" })));
  for (const id of ["left", "foot"]) document.getElementById(id).replaceChildren();
  document.getElementById("right").hidden = true;
  document.title = "Getting ready · recsys";
}

export function drawProblem(app, problem, again) {
  const fields = problem.errors?.map((one) => h("li", null, h("code", null, plain(one.field, 80)), ": ", plain(one.detail, 200)));
  const body = h("div", { class: "panel problem", role: "alert" },
    h("h3", null, plain(problem.title ?? "Something went wrong", 120)),
    problem.message && problem.message !== problem.title && h("p", null, plain(problem.message, 600)),
    problem.field && !fields && h("p", null, "It is about ", h("code", null, plain(problem.field, 120)), "."),
    fields && h("ul", null, fields),
    problem.requestId && h("p", { class: "soft" }, `Request ${plain(problem.requestId, 64)}`),
    button("Try again", again, { class: "main" }));
  if (app.session?.key) {
    drawCentre(app);
    centre().append(body);
  } else fill(centre(), h("h2", { id: "list-title", tabindex: "-1" }, "No shop"), body);
}

// -- moving and focus -------------------------------------------------------------------------------------------

// Call before drawing, and what it returns after it: rows then travel from where they were.
export function keepPlaces() {
  const before = new Map([...document.querySelectorAll("#rows > li")].map((one) => [one.dataset.item, one.getBoundingClientRect().top]));
  return () => {
    if (calm() || !before.size) return;
    for (const one of document.querySelectorAll("#rows > li")) {
      const old = before.get(one.dataset.item);
      const way = old === undefined ? null : old - one.getBoundingClientRect().top;
      if (way === null) one.animate([{ opacity: 0 }, { opacity: 1 }], { duration: 320, easing: "ease-out" });
      else if (way) one.animate([{ transform: `translateY(${way}px)` }, { transform: "none" }], { duration: 320, easing: "cubic-bezier(.2,.8,.2,1)" });
    }
  };
}

function focused() {
  const at = document.activeElement;
  return centre().contains(at) ? { key: at.dataset.key, id: at.id } : null;
}

function refocus(focus) {
  if (!focus || centre().contains(document.activeElement)) return;
  const found = (focus.id && document.getElementById(focus.id)) || (focus.key && centre().querySelector(`[data-key="${CSS.escape(focus.key)}"]`));
  (found || document.getElementById("list-title")).focus({ preventScroll: true });
}
