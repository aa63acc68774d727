// The columns of the file: which, in which order (dragged, or moved with the keyboard), under which names.

import { announce, h } from "./dom.js";

/** Shows the list; calls `changed` with the columns, or null where they are all of the dataset as they are. */
export function columnsPanel(dataset, chosen, changed) {
  let columns = merged(dataset.columns, chosen);
  const list = h("ol", { class: dataset.columns.length > 60 ? "columns many" : "columns" });
  const types = new Map(dataset.columns.map((column) => [column.name, column]));
  const summary = h("span", { class: "hint" });

  function tell() {
    const on = columns.filter((column) => column.on).length;
    summary.textContent = `${on} of ${columns.length}`;
    const plain = columns.every((column, index) => column.on && !column.target && column.source === dataset.columns[index]?.name);
    changed(plain ? null : columns.map(({ source, target, on }) => ({ source, target, on })));
  }

  function move(index, by) {
    const target = index + by;
    if (target < 0 || target >= columns.length) return;
    const [column] = columns.splice(index, 1);
    columns.splice(target, 0, column);
    const row = list.children[index];
    list.insertBefore(row, by > 0 ? list.children[target + 1] ?? null : list.children[target]);
    announce(`${column.source} is column ${target + 1} of ${columns.length}`);
    tell();
  }

  function row(column) {
    const known = types.get(column.source) ?? {};
    const box = h("input", { type: "checkbox", checked: column.on, "aria-label": `Export ${column.source}` });
    const name = h("input", {
      type: "text", value: column.target ?? "", placeholder: column.source, "aria-label": `Name of ${column.source} in the file`,
    });
    const grip = h("button", {
      type: "button", class: "grip", draggable: true, title: "Drag, or use the arrow keys",
      "aria-label": `Move ${column.source}: arrow up or down`,
    }, "⠿");
    const item = h("li", {}, grip, box,
      h("span", { class: "name", title: known.comment ?? "" }, column.source,
        h("small", {}, ` ${known.type ?? ""}${known.nullable === false ? ", not null" : ""}`),
        known.comment ? h("small", { class: "comment" }, known.comment) : null),
      name);
    item.column = column;
    box.addEventListener("change", () => { column.on = box.checked; tell(); });
    name.addEventListener("input", () => { column.target = name.value || null; tell(); });
    grip.addEventListener("keydown", (event) => {
      const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (!by) return;
      event.preventDefault();
      move(columns.indexOf(column), by);
      grip.focus();
    });
    grip.addEventListener("dragstart", (event) => {
      event.dataTransfer.setData("text/plain", column.source);
      event.dataTransfer.effectAllowed = "move";
      list.dragged = item;
    });
    item.addEventListener("dragover", (event) => { if (list.dragged) event.preventDefault(); });
    item.addEventListener("drop", (event) => {
      event.preventDefault();
      const from = columns.indexOf(list.dragged?.column);
      if (from >= 0) move(from, columns.indexOf(column) - from);
      list.dragged = null;
    });
    return item;
  }

  function all(on) {
    for (const column of columns) column.on = on;
    for (const box of list.querySelectorAll("input[type=checkbox]")) box.checked = on;
    tell();
  }

  const fragment = document.createDocumentFragment();
  for (const column of columns) fragment.append(row(column));
  list.append(fragment);
  summary.textContent = `${columns.filter((column) => column.on).length} of ${columns.length}`;
  return h("details", { class: "panel", open: columns.length <= 40 },
    h("summary", {}, "Columns ", summary),
    h("p", {},
      h("button", { type: "button", class: "quiet", onclick: () => all(true) }, "All"), " ",
      h("button", { type: "button", class: "quiet", onclick: () => all(false) }, "None"), " ",
      h("button", {
        type: "button", class: "quiet",
        onclick: () => {
          columns = merged(dataset.columns, null);
          list.replaceChildren(...columns.map(row));
          tell();
        },
      }, "As in the table")),
    list);
}

/** The chosen columns that there still are, then those that are new. */
function merged(known, chosen) {
  const names = new Set(known.map((column) => column.name));
  const kept = (chosen ?? []).filter((column) => names.has(column.source)).map((column) => ({ ...column }));
  const seen = new Set(kept.map((column) => column.source));
  const rest = known.filter((column) => !seen.has(column.name))
    .map((column) => ({ source: column.name, target: null, on: chosen === null }));
  return [...kept, ...rest];
}
