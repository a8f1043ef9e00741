// The right region: how an item came to its place, stage by stage.

import { button, fill, h, hidden, plain, words } from "./dom.js";
import { markOf } from "./moves.js";
import { move, plural, signed, source } from "./wording.js";

const SVG = "http://www.w3.org/2000/svg";
const NAMES = { rules: "rules and diversity", fold: "variants folded", refound: "chosen before" };

export function drawWorkings(app) {
  const place = document.getElementById("right");
  const { state } = app;
  place.hidden = !state.workings || !app.session?.key;
  document.getElementById("frame").classList.toggle("with-workings", !place.hidden);
  if (place.hidden) return void place.replaceChildren();
  const focus = place.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  const list = app.lists[0];
  const rows = list?.items.filter((row) => row.stages) ?? [];
  const row = rows.find((one) => one.item_id === state.item) ?? rows[0];
  fill(place, h("div", { class: "panel" }, h("h2", null, "Workings"),
    row ? [overview(app, rows, row), one(row)] : h("p", { class: "soft" }, app.busy ? "Loading…" : "There is no list to explain.")));
  if (focus) place.querySelector(`[data-key="${CSS.escape(focus)}"]`)?.focus();
}

// -- all rows ---------------------------------------------------------------------------------------------------

function overview(app, rows, chosen) {
  const reranked = rows.some((row) => row.stages.rerank);
  const head = ["Item", "United", "LightGBM", reranked && "Reranker", "Final"].filter(Boolean);
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Ranks at every stage" },
    h("table", { class: "overview" },
      h("caption", { class: "quiet-text" }, "Rank of each item at every stage"),
      h("thead", null, h("tr", null, head.map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", null, rows.map((row) => {
        const { fused, prerank, rerank } = row.stages;
        const ranks = [fused, prerank, ...(reranked ? [rerank] : []), { rank: row.rank }];
        return h("tr", { class: row === chosen ? "chosen" : "" },
          h("th", { scope: "row" }, button(words(row.fields.title || row.item_id, 34), () => app.select(row.item_id),
            { class: "link", "data-key": `see-${row.item_id}`, "aria-pressed": String(row === chosen) })),
          ranks.map((stage, i) => h("td", { class: "num" }, cell(stage, ranks[i - 1]))));
      }))));
}

function cell(stage, before) {
  if (!stage) return h("span", { class: "soft" }, "–", hidden("did not take part"));
  const way = before ? before.rank - stage.rank : 0;
  const said = move(way);
  return [String(stage.rank), way ? h("span", { class: `way ${said.kind}`, "aria-hidden": "true" }, way > 0 ? "▲" : "▼") : null];
}

// -- one row ----------------------------------------------------------------------------------------------------

function one(row) {
  const { stages } = row;
  return h("section", { class: "journey", "aria-labelledby": "journey-title" },
    h("h3", { id: "journey-title" }, words(row.fields.title || row.item_id, 110)),
    h("ol", { class: "stages" },
      stageOf("Candidates", null, sources(stages.sources)),
      stageOf("United", stages.fused, stages.fused ? score(stages.fused.score) : "A rule brought it in.", null),
      stageOf("LightGBM", stages.prerank, stages.prerank ? features(stages.prerank) : "No ranker in this plan, or it fell back.", moveOf(stages, "prerank", "rank")),
      stageOf("Reranker", stages.rerank, stages.rerank ? [h("p", null, plain(stages.rerank.name, 40)), score(stages.rerank.score)] : "Does not run in this plan, or did not read this far down.", moveOf(stages, "rerank")),
      stages.rules.length || others(stages).length
        ? stageOf("Rules", null, [stages.rules.map((rule) => h("p", null, words(rule, 120))), others(stages).map(([name, way]) => h("p", null, `${NAMES[name] ?? name}: ${move(way).text}`))])
        : null,
      stageOf("Final", { rank: row.rank }, null)));
}

function moveOf(stages, ...names) {
  const name = names.find((one) => one in stages.moves);
  return name === undefined ? null : stages.moves[name];
}

function others(stages) {
  return Object.entries(stages.moves).filter(([name, way]) => way && !["prerank", "rank", "rerank", "fuse"].includes(name));
}

function stageOf(name, placed, body, way = null) {
  const said = way ? move(way) : null;
  return h("li", { class: `stage${placed || name === "Candidates" || name === "Rules" ? "" : " off"}` },
    h("div", { class: "stage-head" },
      h("h4", null, name),
      said && markOf(said),
      placed && h("span", { class: "place num" }, h("span", { class: "soft" }, "rank "), String(placed.rank))),
    body && h("div", { class: "stage-body soft" }, body));
}

function score(value) {
  return value === null ? null : h("p", null, "score ", h("span", { class: "num" }, value.toFixed(3)));
}

function sources(found) {
  const all = Object.entries(found).sort(([, a], [, b]) => b.share - a.share);
  if (!all.length) return h("p", null, "No source knows it.");
  return h("table", { class: "sources" },
    h("caption", { class: "quiet-text" }, "What each source said"),
    h("thead", { class: "quiet-text" }, h("tr", null, ["Source", "Share of the best", "Rank", "Score"].map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", null, all.map(([name, said]) => h("tr", { class: said.found ? "" : "asked" },
      h("th", { scope: "row", title: said.found ? "In its own list" : "Not in its own list: it was only asked" }, source(name), !said.found && hidden(" (only asked)")),
      h("td", null, bar(Math.max(0, Math.min(1, said.share)), false)),
      h("td", { class: "num" }, `#${said.rank}`), h("td", { class: "num soft" }, said.score.toPrecision(2))))));
}

function features(said) {
  const most = Math.max(0.0001, ...said.features.map((one) => Math.abs(one.contribution)));
  if (!said.features.length) return score(said.score);
  return [
    h("table", { class: "features" },
      h("caption", { class: "quiet-text" }, "What the score is made of, the largest parts first"),
      h("thead", { class: "quiet-text" }, h("tr", null, ["Feature", "Contribution", "Value"].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", null, said.features.map((one) => h("tr", null,
        h("th", { scope: "row" }, words(one.label || one.name, 80), h("span", { class: "soft num" }, one.value === null ? " unknown" : ` ${short(one.value)}`)),
        h("td", null, bar(one.contribution / most, true)),
        h("td", { class: `num ${one.contribution < 0 ? "down" : "up"}` }, signed(one.contribution)))))),
    h("p", { class: "sum num" }, `${sum(said)} = score ${said.score === null ? "–" : said.score.toFixed(2)}`),
  ];
}

function sum(said) {
  const parts = said.features.reduce((total, one) => total + one.contribution, 0);
  const start = said.expected === null ? "" : `start ${said.expected.toFixed(2)} `;
  const rest = said.rest === null ? "" : ` ${signed(said.rest)} (the other features)`;
  return `${start}${signed(parts)} (${plural(said.features.length, "feature")} above)${rest}`;
}

function short(value) {
  return Number.isInteger(value) ? String(value) : value.toPrecision(3);
}

// A bar from 0 to 1, or from the middle to either side.
function bar(value, signedBar) {
  const image = document.createElementNS(SVG, "svg");
  const rect = document.createElementNS(SVG, "rect");
  const width = signedBar ? Math.abs(value) * 50 : value * 100;
  const x = signedBar ? (value < 0 ? 50 - width : 50) : 0;
  for (const [name, one] of Object.entries({ viewBox: "0 0 100 8", preserveAspectRatio: "none", class: `meter ${signedBar ? (value < 0 ? "down" : "up") : ""}`, "aria-hidden": "true" })) image.setAttribute(name, one);
  for (const [name, one] of Object.entries({ x, y: 0, width: Math.max(width, 0.8), height: 8, rx: 1 })) rect.setAttribute(name, one);
  image.append(rect);
  if (signedBar) {
    const axis = document.createElementNS(SVG, "rect");
    for (const [name, one] of Object.entries({ x: 49.7, y: -2, width: 0.6, height: 12, class: "axis" })) axis.setAttribute(name, one);
    image.append(axis);
  }
  return image;
}
