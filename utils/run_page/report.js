/* The pictures of the lists, of sets that look alike, and of the cell that is opened. */
const dataElement = document.getElementById("data");
const DATA = dataElement ? JSON.parse(dataElement.textContent) : null;

function percent(share) { return (100 * share).toFixed(1) + " %"; }

function picture([source, tiny], description) {
  return element("img", { src: source, alt: description, loading: "lazy", ...(tiny ? { class: "tiny" } : {}) });
}

/* The small picture, or why there is none. */
function smallPicture(place, description) {
  const small = DATA.thumbnails[place];
  if (small) return picture(small, description);
  const reason = DATA.unreadable[place];
  return element("p", { class: "small" }, reason ? reason : both("not shown, to keep the page small", "为控制页面大小，未显示"));
}

/* What the network looked at: for the predicted class and, where that is another, for the true one. */
function heatMaps(place) {
  const [, t, p] = DATA.images[place];
  return (DATA.maps[place] ?? []).map((map, which) => {
    const name = DATA.classes[which === 0 ? p : t];
    return element("div", {}, picture(map, "Grad-CAM: " + name), element("br", {}), both("looked at for ", "判断依据："), name);
  });
}

function figure(place) {
  const [path, t, p, pTrue, pPredicted, loss, rank] = DATA.images[place];
  const [truth, predicted] = [DATA.classes[t], DATA.classes[p]];
  const caption = element("figcaption", {}, element("b", {}, t === p ? truth : truth + " → " + predicted), element("br", {}));
  if (t !== p) caption.append(both("said ", "预测 "), percent(pPredicted), both(", true ", "，真实 "), percent(pTrue),
    both(" (place " + rank + ")", "（第 " + rank + " 位）"), element("br", {}));
  else caption.append(both("said ", "预测 "), percent(pTrue), element("br", {}));
  caption.append(both("loss ", "损失 "), loss.toPrecision(3), element("br", {}), path);
  const maps = heatMaps(place);
  const small = smallPicture(place, truth + " → " + predicted + ", " + path);
  if (!maps.length) return element("figure", {}, small, caption);
  return element("figure", { class: "wide" }, element("div", { class: "views" }, element("div", {}, small), ...maps), caption);
}

function openCell(key) {
  const [count, places] = DATA.cells[key] ?? [0, []];
  const [t, p] = key.split(",").map(Number);
  const dialog = document.getElementById("cell");
  document.getElementById("cell-title").textContent = DATA.classes[t] + " → " + DATA.classes[p];
  const left = count > places.length;
  document.getElementById("cell-note").replaceChildren(both(
    places.length + " of " + count + " pictures" + (left ? "; all are in " + DATA.file : ""),
    "共 " + count + " 张，此处 " + places.length + " 张" + (left ? "；全部见 " + DATA.file : "")));
  document.getElementById("cell-pictures").replaceChildren(...places.map(figure));
  dialog.showModal();
}

function fillPicker(select, chosen) {
  select.append(...DATA.classes.map((name, place) => element("option", { value: place }, name)));
  select.value = chosen;
}

if (DATA) {
  for (const list of document.querySelectorAll("[data-list]")) list.append(...DATA.lists[list.dataset.list].map(figure));
  document.getElementById("sets")?.append(
    ...DATA.sets.map(places => element("div", { class: "set" }, element("div", { class: "pictures" }, ...places.map(figure)))));
  for (const button of document.querySelectorAll("[data-cell]"))
    button.addEventListener("click", () => openCell(button.dataset.cell));
  const dialog = document.getElementById("cell");
  dialog.querySelector(".close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", event => { if (event.target === dialog) dialog.close(); });
  const [truth, predicted] = ["pick-true", "pick-predicted"].map(name => document.getElementById(name));
  if (truth) {
    const [first] = Object.keys(DATA.cells)[0]?.split(",") ?? [0];
    fillPicker(truth, first);
    fillPicker(predicted, Object.keys(DATA.cells)[0]?.split(",")[1] ?? 0);
    document.getElementById("pick").addEventListener("click", () => openCell(truth.value + "," + predicted.value));
  }
}
