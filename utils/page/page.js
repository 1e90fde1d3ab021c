"use strict";
const LANGUAGES = ["en", "zh"];

/* The page's language: the one that was asked for when it was made, else the browser's. */
function chooseLanguage() {
  const root = document.documentElement;
  if (root.dataset.language === "auto") root.lang = (navigator.language || "").startsWith("zh") ? "zh" : "en";
  for (const button of document.querySelectorAll("button.language"))
    button.addEventListener("click", () => { root.lang = LANGUAGES[1 - LANGUAGES.indexOf(root.lang)]; });
}

/* An element with texts and elements in it; what comes from the data is only ever a text. */
function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function both(english, chinese) {
  const made = document.createDocumentFragment();
  made.append(element("span", { lang: "en" }, english), element("span", { lang: "zh" }, chinese));
  return made;
}

/* What a cell is sorted by: its number, else its text; cells without either come last. */
function keyOf(row, column) {
  const cell = row.cells[column];
  const shown = cell.dataset.value ?? cell.textContent.trim();
  return shown === "" ? null : isNaN(shown) ? shown : Number(shown);
}

function compareKeys(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), undefined, { numeric: true });
}

function sortBy(table, header) {
  const falling = header.getAttribute("aria-sort") === "ascending";
  const direction = falling ? -1 : 1;
  const rows = Array.from(table.tBodies[0].rows, row => [keyOf(row, header.cellIndex), row]);
  rows.sort(([a], [b]) => (a === null) - (b === null) || (a === null ? 0 : direction * compareKeys(a, b)));
  for (const other of header.parentNode.cells) if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
  header.setAttribute("aria-sort", falling ? "descending" : "ascending");
  table.tBodies[0].append(...rows.map(([, row]) => row));
}

chooseLanguage();
for (const table of document.querySelectorAll("table.sortable"))
  for (const header of table.tHead.rows[0].cells)
    header.querySelector("button")?.addEventListener("click", () => sortBy(table, header));
