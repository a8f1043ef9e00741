// What became of the rows of a list: against the list before, or against that of another plan.

import { h, plain } from "./dom.js";
import { move, plural } from "./wording.js";

const NEW = { kind: "new", sign: "+", short: "new", text: "new in the list" };
const DROPPED = { kind: "dropped", sign: "–", short: "dropped", text: "not in the other list" };

// The sign of a mark with its words: neither colour nor sign alone says it.
export function markOf(said) {
  return h("span", { class: `mark ${said.kind}`, title: said.text }, h("span", { "aria-hidden": "true" }, `${said.sign} `), said.short);
}


// Of a list that has changed: item -> mark, for those that moved.
export function marks(before, rows) {
  const out = new Map();
  rows.forEach((row, i) => {
    const old = before.indexOf(row.item_id);
    if (old < 0) out.set(row.item_id, NEW);
    else if (old !== i) out.set(row.item_id, move(old - i));
  });
  return out;
}

// The same in a sentence.
export function moved(before, rows) {
  const now = rows.map((row) => row.item_id);
  const fresh = rows.filter((row) => !before.ids.includes(row.item_id));
  const gone = before.ids.filter((id) => !now.includes(id));
  const up = now.filter((id, i) => before.ids.indexOf(id) > i).length;
  const down = now.filter((id, i) => before.ids.includes(id) && before.ids.indexOf(id) < i).length;
  const parts = [
    gone.length && `${plural(gone.length, "left")} the list (${named(gone.map((id) => before.titles.get(id) ?? id))})`.replace("lefts", "left"),
    fresh.length && `${fresh.length} new (${named(fresh.map((row) => row.fields.title || row.item_id))})`,
    up && `${up} moved up`, down && `${down} moved down`,
  ].filter(Boolean);
  return parts.length ? `The list changed: ${parts.join(", ")}.` : "The list stays as it is.";
}

function named(titles) {
  const shown = titles.slice(0, 2).map((title) => plain(title, 40)).join("; ");
  return titles.length > 2 ? `${shown}; …` : shown;
}

// Rows of one of two lists, each with its mark; `first` is the list that the other one is held against.
export function gathered(rows, others, first) {
  const places = new Map(others.map((row) => [row.item_id, row.rank]));
  return rows.map((row) => {
    const other = places.get(row.item_id);
    if (other === undefined) return { row, sign: first ? DROPPED : NEW };
    if (!first || other === row.rank) return { row, sign: move(other - row.rank) };
    return { row, sign: { kind: "same", sign: "→", short: `there ${other}`, text: `at place ${other} in the other list` } };
  });
}
