// Reasons and what they rest on: chips that lead to the act in the history, or to the very words of a review.

import { button, fill, h, hidden, plain, span, words } from "./dom.js";
import { count, day } from "./wording.js";

const KINDS = { template: "template", generated: "generated", extract: "quoted", none: "no reason" };
const ABOUT = {
  template: "Worded by template, every statement checked", generated: "Worded by a language model, every statement checked against the evidence",
  extract: "In the words of reviews", none: "Nothing could be said that stands on evidence",
};
const ACTS = { purchase: "bought", view: "looked at", click: "clicked", cart: "in the cart", like: "liked", rating: "rated" };

// `list.writing`: whether a model may still put it into other words.
export function reason(app, list, row) {
  const said = row.explanation;
  if (list.reasonsFailed && !said) return [h("p", { class: "reason soft" }, `No reason: ${list.reasonsFailed.message}`)];
  if (!said) return [h("p", { class: "reason waiting" }, h("span", { class: "bar", "aria-hidden": "true" }), hidden("The reason is on its way"))];
  const kind = said.text ? said.kind : "none";
  return [
    h("p", { class: "reason" },
      said.text ? words(said.text, 400) : h("span", { class: "soft" }, "Nothing can be said that stands on evidence."), " ",
      h("span", { class: `badge ${kind}`, title: ABOUT[kind] ?? "" }, KINDS[kind] ?? plain(kind, 20)),
      list.writing && kind === "template" && h("span", { class: "badge waiting" }, "being worded…"),
      said.text && said.confidence === "weak" && h("span", { class: "badge weak", title: "The evidence is thin" }, "weak")),
    said.evidence.length > 0 && h("ul", { class: "chips", "aria-label": "Evidence" },
      once(said.evidence).map((one) => h("li", null, chip(app, one)))),
  ];
}

function once(evidence) {
  const seen = new Set();
  return evidence.filter((one) => {
    // A shared attribute has two items that stand for it: it is one thing to say all the same.
    const mark = [one.kind, one.kind === "attribute" ? "" : one.item_id, one.review_id, one.start, one.field, one.value].join("\u0001");
    return !seen.has(mark) && seen.add(mark);
  });
}

function chip(app, one) {
  if (one.kind === "event") return eventChip(app, one);
  if (one.kind === "review") {
    const place = [one.review_id, one.start, one.end].join("|");
    return button([h("span", { class: "sign", "aria-hidden": "true" }, "“"), h("span", null, words(one.quote, 70), hidden(". Open the review"))],
      (event) => reviewFrom(app, place, event.currentTarget), { class: "chip" });
  }
  return h("span", { class: "chip still" }, h("span", null, still(one)));
}

function still(one) {
  if (one.kind === "attribute") return [h("span", { class: "soft" }, plain(String(one.field).replace("attributes.", ""), 24), ": "), words(one.value, 50)];
  if (one.kind === "popularity") return `${one.count % 10 === 0 ? "at least " : ""}${count(one.count)} shoppers`;
  if (one.kind === "query") return ["in the query: ", words(one.value, 40)];
  if (one.kind === "novelty") return one.time ? `new since ${day(one.time)}` : "new";
  return plain(one.kind, 20);
}

function eventChip(app, one) {
  const title = plain(one.title || one.item_id, 60);
  const when = one.time ? `, ${day(one.time)}` : "";
  return h("span", { class: "chip-pair" },
    button([h("span", { class: "sign", "aria-hidden": "true" }, "↩"),
      h("span", null, `${ACTS[one.event_kind] ?? one.event_kind} `, words(one.title || one.item_id, 46), when, hidden(". Show it in the history"))],
      () => pointTo(app, one), { class: "chip" }),
    button("×", () => app.forget(one.item_id, `Reason removed: ${title}.`), {
      class: "chip remove", "aria-label": `Remove this reason: ${title}`, title: "Remove this reason: never again because of this",
    }));
}

// The act in the history that a reason cites.
function pointTo(app, one) {
  const fold = document.getElementById("history-fold");
  fold.open = true;
  const lines = [...document.querySelectorAll("#history .act")];
  const line = lines.find((each) => one.event_id && each.dataset.event === one.event_id) ?? lines.find((each) => each.dataset.item === one.item_id);
  for (const each of lines) each.classList.toggle("cited", each === line);
  if (!line) return;
  line.scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  line.focus({ preventScroll: true });
}

// A review with the cited words marked. `place` is "id|start|end", as it stands in the address.
export async function reviewFrom(app, place, opener) {
  const [id, start, end] = place.split("|");
  const dialog = document.getElementById("dialog");
  const shut = () => dialog.close();
  dialog.onclose = () => {
    dialog.onclose = null;
    if (app.state.review) app.go({ review: "" }, { push: false, keepItem: true });
    opener?.isConnected && opener.focus();
  };
  try {
    const review = await app.api.get(`/demo/review/${encodeURIComponent(id)}`);
    fill(dialog,
      h("p", { class: "soft" }, "A review of ", words(review.title, 120)),
      h("h2", { id: "dialog-title" }, words(review.summary || "A review", 160)),
      h("p", { class: "soft" }, review.rating !== null && `${review.rating} of 5 stars`, review.rating !== null && review.time && ", ", review.time && day(review.time)),
      h("blockquote", null, span(review.text, 0, Number(start)), h("mark", null, span(review.text, Number(start), Number(end))), span(review.text, Number(end))),
      h("div", { class: "row-end" }, button("Close", shut, { class: "main" })));
    app.go({ review: place }, { push: false, keepItem: true });
  } catch (error) {
    fill(dialog, h("h2", { id: "dialog-title" }, error.title ?? "The review cannot be shown"), h("p", null, error.message),
      h("div", { class: "row-end" }, button("Close", shut, { class: "main" })));
  }
  if (!dialog.open) dialog.showModal();
}
