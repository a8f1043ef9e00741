// The page: reads the address, asks the service, and lets each region draw its part.

import { Api, Problem } from "./api.js";
import { WRITTEN_MS, editCall, feedbackCall, listCall, nowText, purchaseCall, reasonsCall, variantOf, who } from "./asking.js";
import { drawCentre, drawLoading, drawOpening, drawProblem, drawReasons, keepPlaces } from "./centre.js";
import { drawFoot } from "./foot.js";
import { drawHistory, drawLeft, drawProfile } from "./left.js";
import { reviewFrom } from "./evidence.js";
import { showSearch } from "./search.js";
import { newGuest, read, write } from "./state.js";
import { drawTop, setTheme } from "./top.js";
import { drawWorkings } from "./workings.js";

const POLL_MS = 700;
const app = {
  state: read(), session: null, api: new Api(), lists: [], before: null, said: "", problem: null, busy: false,
  go, refresh, act, buy, forget, edit, dropShop, openShop, select, review: null, opener: null,
};
let running = new AbortController();

// -- moving from state to state ---------------------------------------------------------------------------------

function go(patch, { push = true, keepItem = false } = {}) {
  const before = app.state;
  app.state = { ...before, ...patch };
  if (!keepItem && !("item" in patch) && changesList(before, app.state)) app.state.item = "";
  write(app.state, push);
  follow(before);
}

function follow(before) {
  const { state } = app;
  setTheme(state.theme);
  if (before.shop !== state.shop) return boot();
  if (!app.session?.key) return undefined;
  drawTop(app);
  const whose = before.user !== state.user || before.guest !== state.guest;
  if (whose) {
    app.before = null;
    drawLeft(app);
    loadWho();
  }
  showSearch(state);
  if (changesList(before, state)) return refresh();
  drawCentre(app);
  return drawWorkings(app);
}

const OF_THE_LIST = [
  "user", "guest", "q", "brand", "category", "min", "max", "variant", "other", "compare", "diversity", "k",
];

// Workings are asked for with the list; a list that has them already need not be asked again.
function changesList(a, b) {
  return OF_THE_LIST.some((name) => a[name] !== b[name]) || (b.workings && !a.workings);
}

window.addEventListener("popstate", () => {
  const before = app.state;
  app.state = read();
  if (app.session?.key) settle();
  follow(before);
  if (before.review !== app.state.review && before.shop === app.state.shop) reviewAgain();
});

function reviewAgain() {
  if (app.state.review) reviewFrom(app, app.state.review);
  else document.getElementById("dialog").close();
}

// -- the session ------------------------------------------------------------------------------------------------

async function boot() {
  running.abort();
  app.session = null;
  app.lists = [];
  app.before = null;
  app.problem = null;
  drawOpening();
  const asked = app.state.shop;
  for (;;) {
    try {
      const session = await app.api.get("/demo/session", { shop: asked });
      if (asked !== app.state.shop) return; // another shop was picked meanwhile
      app.session = { ...session, at: performance.now() };
    } catch (error) {
      drawProblem(app, error, boot);
      return;
    }
    if (app.session.shop.state === "ready") break;
    drawTop(app);
    drawLoading(app);
    if (app.session.shop.state !== "preparing") return;
    await new Promise((done) => setTimeout(done, POLL_MS));
    if (asked !== app.state.shop) return;
  }
  app.api.key = app.session.key;
  settle();
  write(app.state, false);
  drawTop(app);
  drawLeft(app);
  loadWho();
  await refresh();
  if (app.state.review) reviewFrom(app, app.state.review);
}

// What the address leaves open: the usual plan, and somebody to show a list for.
function settle() {
  const { state, session } = app;
  const usual = session.variants.find((one) => one.usual) ?? session.variants[0];
  if (!variantOf(session, state.variant)) state.variant = usual.name;
  const others = session.variants.filter((one) => !one.missing && one.name !== state.variant);
  if (!variantOf(session, state.other) || state.other === state.variant) state.other = others[0]?.name ?? "";
  if (!state.other) state.compare = false;
  if (!state.user && !state.guest) {
    if (session.shoppers.length) state.user = session.shoppers[0].user_id;
    else state.guest = newGuest();
  }
}

// -- lists ------------------------------------------------------------------------------------------------------

async function refresh({ said = "", before = null } = {}) {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  const { state, session, api } = app;
  app.before = before;
  app.said = said;
  app.busy = true;
  app.problem = null;
  drawCentre(app);
  const plans = state.compare ? [state.variant, state.other] : [state.variant];
  try {
    const calls = plans.map((plan) => listCall(state, session, plan));
    const bodies = await Promise.all(calls.map((call) => api.post(call.path, call.body, signal)));
    app.lists = bodies.map((body, i) => ({ ...body, plan: plans[i], call: calls[i] }));
  } catch (error) {
    if (error.name === "AbortError") return;
    app.busy = false;
    app.lists = [];
    app.problem = error instanceof Problem ? error : new Problem(0, "The page has a fault", String(error));
    drawProblem(app, app.problem, () => refresh());
    drawFoot(app);
    return;
  }
  app.busy = false;
  const places = keepPlaces();
  drawCentre(app);
  places();
  drawWorkings(app);
  drawFoot(app);
  await reasons(signal);
}

// The list is there first; reasons come after it, those by template at once, those that a model words when it has.
async function reasons(signal) {
  const { state, session, api } = app;
  for (const list of app.lists) {
    const writes = variantOf(session, list.plan)?.writes;
    const rounds = state.q ? (writes ? [true] : []) : writes ? [false, true] : [false];
    for (const written of rounds) {
      if (!list.items.length) break;
      list.writing = written;
      try {
        if (state.q) await writtenSearch(list, signal);
        else await explained(list, api, reasonsCall(state, session, list, written), signal);
      } catch (error) {
        if (error.name === "AbortError") return;
        list.reasonsFailed = error;
      }
      list.writing = false;
      drawReasons(app, list);
    }
  }
  drawFoot(app);
}

async function explained(list, api, call, signal) {
  const found = await api.post(call.path, call.body, signal);
  const byId = new Map(found.explanations.map((one) => [one.item_id, one.explanation]));
  for (const row of list.items) row.explanation = byId.get(row.item_id) ?? row.explanation;
  list.took_ms = { ...list.took_ms, reasons: found.took_ms };
}

async function writtenSearch(list, signal) {
  const body = { ...list.call.body, explain: "generated", debug: undefined, timeout_ms: WRITTEN_MS };
  const found = await app.api.post(list.call.path, body, signal);
  const byId = new Map(found.items.map((row) => [row.item_id, row.explanation]));
  for (const row of list.items) row.explanation = byId.get(row.item_id) ?? row.explanation;
}

// -- what a shopper does ----------------------------------------------------------------------------------------

async function told(call, said) {
  const before = app.lists[0]?.items.map((row) => row.item_id) ?? null;
  const titles = new Map(app.lists[0]?.items.map((row) => [row.item_id, row.fields.title]));
  try {
    const answer = await app.api.call(call.method ?? "POST", call.path, { body: call.body, params: call.params });
    const wrong = answer.results?.find((one) => one.status === "rejected");
    if (wrong) throw new Problem(422, "The event was not taken", wrong.error, { field: wrong.field });
  } catch (error) {
    app.said = `That did not work. ${error.title ?? ""}: ${error.message}`;
    drawCentre(app);
    return false;
  }
  await Promise.all([refresh({ said, before: before && { ids: before, titles } }), loadWho()]);
  document.getElementById("list-title").focus({ preventScroll: true });
  return true;
}

function act(action, itemId, said) {
  return told(feedbackCall(app.state, app.session, action, itemId), said);
}

function buy(itemId, token, said) {
  return told(purchaseCall(app.state, app.session, itemId, token), said);
}

function forget(itemId, said) {
  return act("remove_reason", itemId, said);
}

function edit(change, said) {
  return told(editCall(app.state, app.session, change), said);
}

async function loadWho() {
  const { state, session, api } = app;
  const id = state.guest || state.user;
  const whose = who(state);
  const results = await Promise.allSettled([
    api.get("/demo/history", { ...whose, now: nowText(session) }),
    api.get(`/v1/users/${encodeURIComponent(id)}/profile`, { now: nowText(session), anonymous: state.guest ? "true" : "" }),
  ]);
  if (id !== (app.state.guest || app.state.user)) return;
  const [history, profile] = results;
  app.history = history.status === "fulfilled" ? history.value : { problem: history.reason, events: [] };
  app.profile = profile.status === "fulfilled" ? profile.value : { problem: profile.reason, lines: [], hidden: [] };
  drawHistory(app);
  drawProfile(app);
  if (app.lists.length) drawFoot(app);
}

function select(itemId) {
  go({ item: itemId, workings: true }, { push: false, keepItem: true });
}

// -- other shops ------------------------------------------------------------------------------------------------

async function dropShop(body) {
  const begun = await app.api.post("/demo/upload", body);
  openAnother(begun.shop);
}

async function openShop(name) {
  const one = app.session.shops.find((shop) => shop.name === name);
  if (one?.state === "offered" || one?.state === "failed") {
    await app.api.post(`/demo/shops/${encodeURIComponent(name)}`);
  }
  openAnother(name);
}

function openAnother(name) {
  go({ shop: name, user: "", guest: "", q: "", brand: "", category: "", min: "", max: "", variant: "", other: "",
    compare: false, item: "", review: "" });
}

const key = (event) => {
  if (event.key !== "/" || event.target.closest("input, select, textarea, dialog")) return;
  event.preventDefault();
  document.getElementById("query")?.focus();
};
document.addEventListener("keydown", key);

setTheme(app.state.theme);
boot();
