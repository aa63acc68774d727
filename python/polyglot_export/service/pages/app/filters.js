// Filters, with the operators and the fields that fit the type of the column; and the order of the rows.

import { h } from "./dom.js";

const WORDS = {
  "=": "is", "!=": "is not", "<": "is less than", "<=": "is at most", ">": "is greater than", ">=": "is at least",
  "in": "is one of", "between": "is between", "like": "is like (% stands for anything)", "isNull": "is empty (null)", "isNotNull": "is not empty",
};
const DATES = { date: "date", time: "time" };

function kindOf(type) {
  const bare = type.replace(/\(.*?\)/, "").trim();
  if (/\[\]$/.test(bare)) return "other";
  if (/^(smallint|integer|bigint|numeric|real|double precision|money|oid)$/.test(bare)) return "number";
  if (bare === "boolean") return "boolean";
  if (bare === "date") return "date";
  if (/^timestamp/.test(bare)) return "timestamp";
  if (/^(text|character|character varying|name|citext|uuid|bpchar)/.test(bare)) return "text";
  return "other";
}

const OPERATORS = {
  number: ["=", "!=", "<", "<=", ">", ">=", "between", "in", "isNull", "isNotNull"],
  boolean: ["=", "isNull", "isNotNull"],
  date: [">=", "<=", "<", ">", "=", "between", "isNull", "isNotNull"],
  timestamp: [">=", "<", "<=", ">", "between", "isNull", "isNotNull"],
  text: ["=", "!=", "like", "in", "isNull", "isNotNull"],
  other: ["=", "!=", "<", "<=", ">", ">=", "isNull", "isNotNull"],
};

export function filtersPanel(dataset, terms, changed) {
  const types = new Map(dataset.columns.map((column) => [column.name, column.type]));
  const list = h("ul", { class: "terms" });

  function columnChoice(term, picked) {
    const choice = h("select", { "aria-label": "Column of the filter" }, dataset.columns.map((column) => h("option", { value: column.name }, column.name)));
    choice.value = term.column;
    choice.addEventListener("change", () => picked(choice.value));
    return choice;
  }

  function one(kind, value, given, label) {
    if (kind === "boolean") {
      const choice = h("select", { "aria-label": label }, h("option", { value: "true" }, "true"), h("option", { value: "false" }, "false"));
      choice.value = String(value ?? true);
      choice.addEventListener("change", () => given(choice.value === "true"));
      if (value === undefined || value === "") queueMicrotask(() => given(true));
      return choice;
    }
    const input = h("input", {
      type: DATES[kind] ?? "text", value: value ?? "", "aria-label": label,
      inputMode: kind === "number" ? "decimal" : null,
      placeholder: kind === "timestamp" ? "2026-01-31 12:00" : null,
    });
    input.addEventListener("input", () => given(input.value));
    return input;
  }

  function row(term) {
    const item = h("li", {});
    const draw = () => {
      const kind = kindOf(types.get(term.column) ?? "");
      if (!OPERATORS[kind].includes(term.op)) Object.assign(term, { op: OPERATORS[kind][0], value: "" });
      const operator = h("select", { "aria-label": "Operator" }, OPERATORS[kind].map((name) => h("option", { value: name }, WORDS[name])));
      operator.value = term.op;
      operator.addEventListener("change", () => { Object.assign(term, { op: operator.value, value: "" }); draw(); changed(terms); });
      const give = (value) => { term.value = value; changed(terms); };
      const values = [];
      if (term.op === "between") {
        const pair = Array.isArray(term.value) ? term.value : ["", ""];
        const at = (index) => (value) => { pair[index] = value; give([...pair]); };
        values.push(one(kind, pair[0], at(0), "From"), " and ", one(kind, pair[1], at(1), "To"));
      } else if (term.op === "in") {
        const input = h("textarea", { rows: 2, "aria-label": "Values, one in each line", placeholder: "one in each line", value: Array.isArray(term.value) ? term.value.join("\n") : "" });
        input.addEventListener("input", () => give(input.value.split("\n").filter((line) => line !== "")));
        values.push(input);
      } else if (!term.op.startsWith("is")) {
        values.push(one(kind, term.value, give, "Value"));
      }
      item.replaceChildren(
        columnChoice(term, (name) => { Object.assign(term, { column: name, value: "" }); draw(); changed(terms); }),
        operator, ...values,
        h("button", { type: "button", class: "quiet", "aria-label": `Remove the filter on ${term.column}`, onclick: () => {
          terms.splice(terms.indexOf(term), 1);
          item.remove();
          changed(terms);
        } }, "Remove"));
    };
    draw();
    return item;
  }

  list.append(...terms.map(row));
  return h("details", { class: "panel", open: terms.length > 0 },
    h("summary", {}, "Filter"),
    h("p", { class: "hint" }, "All of them must hold."),
    list,
    h("button", { type: "button", class: "quiet", onclick: () => {
      const term = { column: dataset.columns[0].name, op: null, value: "" };
      terms.push(term);
      list.append(row(term));
      list.lastChild.querySelector("select").focus();
      changed(terms);
    } }, "Add a filter"));
}

export function orderPanel(dataset, keys, limit, changed) {
  const list = h("ul", { class: "terms" });
  function row(key) {
    const column = h("select", { "aria-label": "Column that sorts" }, dataset.columns.map((each) => h("option", { value: each.name }, each.name)));
    const direction = h("select", { "aria-label": "Direction" }, h("option", { value: "asc" }, "ascending"), h("option", { value: "desc" }, "descending"));
    column.value = key.column;
    direction.value = key.direction;
    const item = h("li", {}, column, direction, h("button", { type: "button", class: "quiet", "aria-label": `Remove ${key.column} from the order`, onclick: () => {
      keys.splice(keys.indexOf(key), 1);
      item.remove();
      changed({ orderBy: keys });
    } }, "Remove"));
    column.addEventListener("change", () => { key.column = column.value; changed({ orderBy: keys }); });
    direction.addEventListener("change", () => { key.direction = direction.value; changed({ orderBy: keys }); });
    return item;
  }
  list.append(...keys.map(row));
  const most = h("input", { type: "text", inputMode: "numeric", pattern: "[0-9]*", value: limit ?? "", id: "limit" });
  most.addEventListener("input", () => {
    const valid = /^[0-9]{0,15}$/.test(most.value.trim());
    most.setAttribute("aria-invalid", String(!valid));
    if (valid) changed({ limit: most.value.trim() === "" ? null : Number(most.value) });
  });
  return h("details", { class: "panel", open: keys.length > 0 || limit !== null },
    h("summary", {}, "Order and limit"),
    list,
    h("p", {}, h("button", { type: "button", class: "quiet", onclick: () => {
      const key = { column: dataset.columns[0].name, direction: "asc" };
      keys.push(key);
      list.append(row(key));
      changed({ orderBy: keys });
    } }, "Sort by a column")),
    h("p", { class: "field" }, h("label", { htmlFor: "limit" }, "At most this many rows"), most));
}
