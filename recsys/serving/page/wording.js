// Numbers, dates and the engine's names in words.

const KINDS = {
  interaction: "chose", view: "looked at", click: "clicked", cart: "put in the cart", purchase: "bought", rating: "rated",
  like: "liked", dislike: "disliked", return: "returned", "not-interested": "not interested", "remove-from-cart": "took out of the cart",
};
const SOURCES = {
  popularity: "Popularity", transitions: "What came next", attributes: "Alike by attributes", "item-knn": "Bought alike", als: "Matrix factors (ALS)",
  ease: "EASE", bm25: "Words (BM25)", dense: "Meaning (dense)", bpr: "BPR", text: "Text", "own-history": "Own history", personal: "Personal taste", trending: "Trending",
};
const STAGES = {
  retrieve: "find", candidates: "find", fuse: "fuse", prerank: "LightGBM", rank: "LightGBM", rerank: "rerank", rules: "rules", explain: "reasons", reasons: "reasons",
  total: "total", show: "workings", search: "search", text: "text", understand: "read the query", snapshot: "snapshot",
};

const NOW = new Date().getFullYear();
const price = new Intl.NumberFormat("en-GB", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const whole = new Intl.NumberFormat("en-GB");

export function doing(event) {
  const what = KINDS[event.kind] ?? event.kind;
  return event.kind === "rating" ? `${what} ${event.value}` : what;
}

export function day(seconds) {
  const date = new Date(seconds * 1000);
  const options = { day: "numeric", month: "short", year: date.getFullYear() === NOW ? undefined : "numeric" };
  return date.toLocaleDateString("en-GB", options);
}

export function money(value) {
  return value === null || value === undefined ? "" : price.format(value);
}

export function count(value) {
  return whole.format(value);
}

export function source(name) {
  return SOURCES[name] ?? name;
}

export function stage(name) {
  return STAGES[name] ?? name;
}

export function ms(value) {
  return value >= 100 ? `${Math.round(value)} ms` : `${value.toFixed(1)} ms`;
}

export function signed(value, digits = 2) {
  const text = Math.abs(value).toFixed(digits);
  return `${value < 0 ? "−" : "+"}${text}`;
}

// How far something moved, in signs and in words: both are shown, or the one read for the other.
export function move(places) {
  if (!places) return { sign: "=", short: "same", text: "same place", kind: "same" };
  const n = Math.abs(places);
  const unit = n === 1 ? "place" : "places";
  return places > 0
    ? { sign: "▲", short: `${n} up`, text: `up ${n} ${unit}`, kind: "up" }
    : { sign: "▼", short: `${n} down`, text: `down ${n} ${unit}`, kind: "down" };
}

export function plural(n, one, many = `${one}s`) {
  return `${n} ${n === 1 ? one : many}`;
}
