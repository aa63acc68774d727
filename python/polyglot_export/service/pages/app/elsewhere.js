// The same export as a command, as curl and as Python. The key is never in them: a variable stands for it.

import { address } from "./api.js";
import { copyButton, h } from "./dom.js";
import { spec } from "./state.js";

const shell = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);
const name = (text) => (/^[\w.$-]+$/.test(text) && !/^(and|or)$/i.test(text) ? text : `"${text.replaceAll('"', '""')}"`);
const quoted = (value) => `'${String(value).replaceAll("'", "''")}'`;
const OPERATORS = { isNull: "is null", isNotNull: "is not null" };

function where({ column, op, value }) {
  if (OPERATORS[op]) return `${name(column)} ${OPERATORS[op]}`;
  if (op === "in") return `${name(column)} in (${value.map(quoted).join(", ")})`;
  if (op === "between") return `${name(column)} between ${quoted(value[0])} and ${quoted(value[1])}`;
  return `${name(column)} ${op} ${quoted(value)}`;
}

export function asCurl(state, hasKey) {
  const lines = [
    `curl -sf ${shell(String(address("/exports")))} -H 'Content-Type: application/json'`,
    ...(hasKey ? [`-H "Authorization: Bearer $POLYGLOT_KEY"`] : []),
    `-d ${shell(JSON.stringify(spec(state)))}`,
  ];
  const auth = hasKey ? `-H "Authorization: Bearer $POLYGLOT_KEY" ` : "";
  return `ID=$(${lines.join(" \\\n  ")} | sed -E 's/.*"exportId":"([^"]+)".*/\\1/')\ncurl -fOJ ${auth}${shell(String(address("/exports/")))}$ID/download\n`;
}

/** What a file of it is called. */
function fileName({ dataset, format, compression }, formats, called = null) {
  const ending = formats.formats.find((each) => each.name === format).ending;
  const packed = formats.compressions.find((each) => each.name === compression)?.ending ?? "";
  return `${(called ?? dataset).replaceAll("/", "_")}${ending}${packed}`;
}

export function asCommand(state, formats) {
  const made = spec(state);
  const words = ["polyglot export", shell(made.dataset), "-f", made.format];
  if (made.columns) {
    const columns = made.columns.map((column) => (typeof column === "string" ? name(column) : `${name(column.source)}=${name(column.target)}`));
    words.push("--columns", shell(columns.join(",")));
  }
  for (const term of made.filter ?? []) words.push("--where", shell(where(term)));
  if (made.orderBy) words.push("--order-by", shell(made.orderBy.map((key) => `${name(key.column)}:${key.direction}`).join(",")));
  if (made.limit !== undefined) words.push("--limit", String(made.limit));
  if (made.compression) words.push("--compression", made.compression);
  for (const [option, value] of Object.entries(made.options ?? {})) words.push("--option", shell(`${option}=${value}`));
  words.push("-o", shell(fileName(made, formats, made.filename)));
  return `${words.join(" ")}\n`;
}

export function asPython(state, formats) {
  const { dataset, format, ...rest } = spec(state);
  const file = fileName({ dataset, format, compression: rest.compression }, formats);
  delete rest.compressionAs;
  delete rest.filename;
  const python = (value) => {
    if (value === null) return "None";
    if (value === true) return "True";
    if (value === false) return "False";
    if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
    if (typeof value === "object") return `{${Object.entries(value).map(([key, each]) => `${JSON.stringify(key)}: ${python(each)}`).join(", ")}}`;
    return JSON.stringify(value);
  };
  const snake = (key) => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  const more = Object.entries(rest).map(([key, value]) => `    ${snake(key)}=${python(value)},\n`).join("");
  return `import os\n\nfrom polyglot_export import export_to_file\n\nexport_to_file(\n    os.environ["DATABASE_URL"],\n    ${JSON.stringify(dataset)},\n    ${JSON.stringify(file)},\n    format=${JSON.stringify(format)},\n${more})\n`;
}

/** The panel; `update` writes it anew. A query is known to the service alone, so there is no other way to it. */
export function elsewherePanel(dataset, formats, hasKey) {
  const ways = [["curl", (state) => asCurl(state, hasKey())]];
  if (dataset.kind !== "query") ways.push(["Command line", (state) => asCommand(state, formats)], ["Python", (state) => asPython(state, formats)]);
  const hint = dataset.kind === "query"
    ? "This query is configured in the service, so it is the service that curl asks."
    : "curl asks this service. The other two read the database of DATABASE_URL themselves, with its rights and its names.";
  const forms = ways.map(([title, made]) => {
    const text = h("pre", { tabindex: 0, "aria-label": title });
    return { made, text, element: h("section", {}, h("div", { class: "bar" }, h("h3", {}, title), copyButton(() => text.textContent)), text) };
  });
  const element = h("details", { class: "panel" }, h("summary", {}, "Take it elsewhere"),
    h("p", { class: "hint" }, hasKey() ? `${hint} Put your key into POLYGLOT_KEY.` : hint), forms.map((form) => form.element));
  return { element, update: (state) => forms.forEach(({ made, text }) => (text.textContent = made(state))) };
}
