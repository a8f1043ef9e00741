// What is shown, as values of the address: every state can be linked to, and comes back with it.

const START = {
  shop: "", user: "", guest: "", q: "", brand: "", category: "", min: "", max: "", variant: "", other: "",
  compare: false, diversity: 0, workings: false, item: "", review: "", theme: "", k: 10,
};
const MOST = { k: 50, diversity: 1 };

export function read(search = location.search) {
  const given = new URLSearchParams(search);
  const state = { ...START };
  for (const [name, usual] of Object.entries(START)) {
    const text = given.get(name);
    if (text === null) continue;
    if (typeof usual === "boolean") state[name] = text === "1";
    else if (typeof usual === "number") state[name] = bounded(Number(text), usual, MOST[name]);
    else state[name] = text.slice(0, 1000);
  }
  return state;
}

function bounded(value, usual, most) {
  return Number.isFinite(value) && value >= 0 ? Math.min(value, most) : usual;
}

export function link(state) {
  const out = new URLSearchParams();
  for (const [name, usual] of Object.entries(START)) {
    const value = state[name];
    if (value === usual || value === undefined) continue;
    out.set(name, typeof usual === "boolean" ? "1" : String(value));
  }
  const text = out.toString();
  return text ? `?${text}` : location.pathname;
}

export function write(state, push) {
  const place = link(state);
  if (place === location.search || (place === location.pathname && location.search === "")) return;
  history[push ? "pushState" : "replaceState"](null, "", place);
}

export function newGuest() {
  const bytes = crypto.getRandomValues(new Uint8Array(5));
  return [...bytes].map((byte) => byte.toString(36).padStart(2, "0")).join("");
}
