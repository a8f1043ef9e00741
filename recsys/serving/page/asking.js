// From what is shown to what is asked: the one place where bodies of requests are made.

const FIELDS = ["title", "brand", "categories", "price", "text"];
export const WRITTEN_MS = 20000;
const SLOW_MS = 1500; // a list that a language model puts in order, on a small machine

export function who(state) {
  return state.guest ? { anonymous_id: state.guest } : state.user ? { user_id: state.user } : {};
}

// The moment of a request: the clock of the shop, which began where its log ends, and goes on with ours. A request
// sees what came before it: it is made a second after the last act at least.
export function now(session) {
  return session.now === null ? undefined : Math.max(clock(session), session.acted ?? 0) + 1;
}

// The moment of an act: later than the act before it, however quickly they follow one another.
function act(session) {
  if (session.now === null) return undefined;
  session.acted = Math.max(clock(session), (session.acted ?? 0) + 1);
  return session.acted;
}

function clock(session) {
  return session.now + Math.floor((performance.now() - session.at) / 1000);
}

// The same in the address of a call, where a number would be read as text.
export function nowText(session) {
  const seconds = now(session);
  return seconds === undefined ? undefined : new Date(seconds * 1000).toISOString();
}

export function filterOf(state) {
  const all = [];
  if (state.brand) all.push({ eq: ["brand", state.brand] });
  if (state.category) all.push({ eq: ["category", state.category] });
  if (state.min !== "" && Number.isFinite(Number(state.min))) all.push({ gte: ["price", Number(state.min)] });
  if (state.max !== "" && Number.isFinite(Number(state.max))) all.push({ lte: ["price", Number(state.max)] });
  if (!all.length) return undefined;
  return all.length === 1 ? all[0] : { and: all };
}

export function variantOf(session, name) {
  return session.variants.find((one) => one.name === name && !one.missing);
}

// One list: {path, body}. `variant` is the name of a plan.
export function listCall(state, session, variant) {
  const plan = variantOf(session, variant);
  const body = {
    ...who(state), limit: state.k, variant: plan?.name, filter: filterOf(state), return_fields: FIELDS,
    now: now(session), debug: state.workings || undefined, trace: true,
    timeout_ms: plan?.rerank ? SLOW_MS : undefined,
  };
  if (!state.q) {
    return { path: "/v1/recommend", body: { ...body, placement: "demo", diversity: state.diversity || undefined } };
  }
  const rules = state.diversity ? { diversity: state.diversity } : undefined;
  return { path: "/v1/search", body: { ...body, query: state.q, explain: "short", rules } };
}

// The reasons of a list that is there already; `written` waits for a model that words them.
export function reasonsCall(state, session, list, written) {
  return {
    path: "/v1/explain",
    body: {
      ...who(state), item_ids: list.items.map((row) => row.item_id), attribution_token: list.attribution_token,
      now: now(session), explain: written ? "generated" : "short", timeout_ms: WRITTEN_MS,
    },
  };
}

export function feedbackCall(state, session, action, itemId) {
  return { path: "/v1/feedback", body: { ...who(state), item_id: itemId, action, now: act(session) } };
}

export function editCall(state, session, change) {
  return {
    method: "PUT", path: `/v1/users/${encodeURIComponent(state.guest || state.user)}/profile`,
    body: { edits: [change], now: act(session) }, params: state.guest ? { anonymous: "true" } : {},
  };
}

export function purchaseCall(state, session, itemId, token) {
  const event = { ...who(state), item_id: itemId, type: "purchase", timestamp: act(session), attribution_token: token };
  return { path: "/v1/events", body: { events: [event] } };
}
