// Bring your own shop: one or two CSV files, picked or dropped anywhere on the page.

import { button, fill, h, plain } from "./dom.js";

const MOST_BYTES = 16 * 1024 * 1024;
let ready = null; // the app that a dropped file goes to

export function uploadButton(app) {
  ready = app;
  return button("Your CSV", () => ask(app), { id: "upload", class: "plain", title: "See your own shop on this page" });
}

function ask(app, dropped = [], problem = "") {
  const dialog = document.getElementById("dialog");
  const said = h("p", { class: "wrong", role: "alert" }, problem);
  const events = file("events-file", "What happened: a line for each act", "Columns: shopper, item, and if you have them time, kind, value. Titles and prices may stand in the same lines.");
  const items = file("items-file", "Products (optional)", "Columns: item, title, brand, category, price.");
  if (dropped[0]) events.input.files = listOf(dropped[0]);
  if (dropped[1]) items.input.files = listOf(dropped[1]);
  const send = async (event) => {
    event.preventDefault();
    said.textContent = "";
    try {
      const body = await bodyOf(events.input.files[0], items.input.files[0]);
      await app.dropShop(body);
      dialog.close();
    } catch (error) {
      said.textContent = [error.title, error.message, error.field].filter(Boolean).join(": ");
    }
  };
  fill(dialog,
    h("form", { onsubmit: send, novalidate: true },
      h("h2", { id: "dialog-title" }, "Bring your own shop"),
      h("p", { class: "soft" }, "The files stay on the machine that serves this page, in memory, until it stops."),
      events.field, items.field, said,
      h("div", { class: "row-end" },
        button("Cancel", () => dialog.close(), { class: "plain" }),
        h("button", { type: "submit", class: "main" }, "Make the shop"))));
  if (!dialog.open) dialog.showModal();
}

function file(id, label, hint) {
  const input = h("input", { type: "file", id, accept: ".csv,.tsv,.txt,text/csv", "aria-describedby": `${id}-hint` });
  return { input, field: h("div", { class: "field" }, h("label", { for: id }, label), input, h("p", { id: `${id}-hint`, class: "soft" }, hint)) };
}

function listOf(one) {
  const transfer = new DataTransfer();
  transfer.items.add(one);
  return transfer.files;
}

async function bodyOf(events, items) {
  if (!events) throw new Error("Choose a file of what happened first.");
  if (!events.size) throw new Error(`${plain(events.name, 80)} is empty: its first line should name the columns.`);
  const size = events.size + (items?.size ?? 0);
  if (size > MOST_BYTES * 0.9) throw new Error(`The files have ${Math.round(size / 1048576)} MB; this page takes 14 MB.`);
  return { name: plain(events.name, 100) || "Your shop", events: await events.text(), items: items ? await items.text() : undefined };
}

document.addEventListener("dragover", (event) => {
  if (!ready || !event.dataTransfer?.types.includes("Files")) return;
  event.preventDefault();
  document.body.classList.add("dropping");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("dropping");
});
document.addEventListener("drop", (event) => {
  document.body.classList.remove("dropping");
  const files = [...(event.dataTransfer?.files ?? [])];
  if (!ready || !files.length) return;
  event.preventDefault();
  files.sort((a, b) => /item|product|catalog/i.test(a.name) - /item|product|catalog/i.test(b.name));
  ask(ready, files);
});
