// The left region: what is searched and filtered, who is asking, what they did, what the shop believes about them.

import { day, doing } from "./wording.js";
import { button, fill, h, plain, words } from "./dom.js";
import { drawSearch } from "./search.js";
import { newGuest } from "./state.js";

const OTHER = " other";

export function drawLeft(app) {
  const wide = matchMedia("(min-width: 760px)").matches;
  fill(document.getElementById("left"),
    h("section", { class: "panel", "aria-labelledby": "find-title" },
      h("h2", { id: "find-title" }, "Find"), h("div", { id: "find" })),
    h("section", { class: "panel", "aria-labelledby": "who-title" },
      h("h2", { id: "who-title" }, "Shopper"), picker(app)),
    fold("history", "History", wide), fold("profile", "What the shop believes", wide));
  drawSearch(app);
}

function fold(id, title, open) {
  return h("details", { class: "panel fold", id: `${id}-fold`, open },
    h("summary", null, h("h2", null, title), h("span", { class: "soft num", id: `${id}-count` })),
    h("div", { id, "aria-busy": "true" }, h("p", { class: "soft" }, "Loading…")));
}

// -- who --------------------------------------------------------------------------------------------------------

function picker(app) {
  const { session, state } = app;
  const known = session.shoppers.find((one) => one.user_id === state.user);
  const stranger = state.user && !known;
  const options = session.shoppers.map((one) => h("option", { value: one.user_id, selected: one === known }, plain(one.name, 40)));
  const select = h("select", { id: "shopper", onchange: (event) => pick(app, event.target.value) },
    h("option", { value: "", selected: Boolean(state.guest) }, "A guest, nothing known"), options,
    h("option", { value: OTHER, selected: Boolean(stranger) }, "Another id…"));
  const id = h("input", { id: "user-id", type: "text", value: stranger ? state.user : "", maxlength: "256", autocomplete: "off" });
  const other = h("form", { id: "other-id", class: "inline", hidden: !stranger, onsubmit: (event) => {
    event.preventDefault();
    if (id.value.trim()) app.go({ user: id.value.trim(), guest: "" });
  } }, h("label", { for: "user-id" }, "Id"), id, h("button", { type: "submit" }, "Show"));
  return [
    h("label", { for: "shopper", class: "quiet-text" }, "Shopper"), select, other,
    h("p", { class: "soft" }, about(known, state)),
    state.guest && button("New guest", () => app.go({ guest: newGuest(), user: "" }), { class: "plain" }),
  ];
}

function pick(app, value) {
  if (value === OTHER) {
    const form = document.getElementById("other-id");
    form.hidden = false;
    document.getElementById("user-id").focus();
  } else if (value === "") app.go({ guest: newGuest(), user: "" });
  else app.go({ user: value, guest: "" });
}

function about(known, state) {
  if (state.guest) return "Act on something in the list: the next list knows it.";
  if (!known) return ["Shown by id: ", words(state.user, 60)];
  const most = known.about.length ? [" Mostly ", words(known.about.join(" and "), 80), "."] : [];
  return [`${known.events} acts that say what they like.`, most];
}

// -- what they did ----------------------------------------------------------------------------------------------

export function drawHistory(app) {
  const place = document.getElementById("history");
  if (!place) return;
  const { history } = app;
  place.setAttribute("aria-busy", "false");
  document.getElementById("history-count").textContent = history.events.length ? String(history.events.length) : "";
  if (history.problem) return void fill(place, h("p", { class: "wrong" }, history.problem.message));
  if (!history.events.length) {
    const said = app.state.user && !history.known
      ? ["Nobody of the id ", words(app.state.user, 60), " is known: the list is what a stranger gets."]
      : "Nothing yet.";
    return void fill(place, h("p", { class: "soft" }, said));
  }
  fill(place, h("ol", { class: "history" }, history.events.map((event) => line(app, event))));
}

function line(app, event) {
  const title = plain(event.title || event.item_id, 80);
  return h("li", { class: "act", tabindex: "-1", "data-item": event.item_id, "data-event": event.event_id },
    h("div", { class: "act-body" },
      h("span", { class: "act-title" }, words(event.title || event.item_id, 120)),
      h("span", { class: "soft" }, `${doing(event)} `, h("time", { datetime: new Date(event.time * 1000).toISOString() }, day(event.time)))),
    button("Forget", () => app.forget(event.item_id, `Forgotten: ${title}.`), {
      class: "plain small", "aria-label": `Forget this: ${title}`, title: "Lists and reasons do without it from now on",
    }));
}

// -- what the shop believes -------------------------------------------------------------------------------------

export function drawProfile(app) {
  const place = document.getElementById("profile");
  if (!place) return;
  const { profile } = app;
  place.setAttribute("aria-busy", "false");
  document.getElementById("profile-count").textContent = profile.lines.length ? String(profile.lines.length) : "";
  if (profile.problem) return void fill(place, h("p", { class: "wrong" }, profile.problem.message));
  fill(place,
    profile.lines.length
      ? h("ul", { class: "beliefs" }, profile.lines.map((one) => belief(app, one)))
      : h("p", { class: "soft" }, "Nothing: there is too little to go by."),
    profile.hidden.length > 0 && h("div", { class: "forgotten" },
      h("h3", null, "Forgotten"),
      h("ul", { class: "beliefs" }, profile.hidden.map((id) => h("li", { class: "belief" },
        h("span", { class: "soft" }, words(id.replace(":", ": "), 80)),
        button("Restore", () => app.edit({ line_id: id, action: "restore" }, `Restored: ${plain(id, 60)}. It comes back when new acts speak for it.`),
          { class: "plain small", "aria-label": `Restore ${plain(id, 60)}` }))))));
}

function belief(app, one) {
  const said = plain(one.text, 160);
  const item = h("li", { class: "belief" },
    h("span", { class: "belief-text" }, words(one.text, 200), one.edited && h("span", { class: "badge" }, "your words")),
    h("span", { class: "tools" },
      button("Edit", () => editing(app, one, item), { class: "plain small", "aria-label": `Edit: ${said}` }),
      one.edited && button("Undo", () => app.edit({ line_id: one.line_id, action: "restore" }, `As it was: ${said}`), { class: "plain small", "aria-label": `Undo the edit of: ${said}` }),
      button("Forget", () => app.edit({ line_id: one.line_id, action: "forget" }, `Forgotten: ${said}`), { class: "plain small", "aria-label": `Forget: ${said}` })));
  return item;
}

function editing(app, one, item) {
  const input = h("input", { type: "text", value: plain(one.text, 160), maxlength: "160", "aria-label": "In your words" });
  const back = () => { drawProfile(app); };
  fill(item, h("form", { class: "inline", onsubmit: (event) => {
    event.preventDefault();
    if (input.value.trim()) app.edit({ line_id: one.line_id, action: "edit", text: input.value.trim() }, "Your words are kept. The list stays as it is.");
  }, onkeydown: (event) => { if (event.key === "Escape") back(); } },
  input, h("button", { type: "submit" }, "Save"), button("Cancel", back, { class: "plain" })));
  input.focus();
  input.select();
}
