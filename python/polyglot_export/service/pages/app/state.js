// What is chosen: in the fragment of the address, which browsers do not send, so that no log has it.

export const EMPTY = {
  dataset: null, format: "csv", columns: null, filter: [], orderBy: [], limit: null, parameters: {}, options: {},
  compression: null, filename: null,
};

const FORMS = {
  format: isText, compression: isText, filename: isText, limit: Number.isSafeInteger,
  parameters: isRecord, options: isRecord,
  columns: (value) => isList(value, ({ source, target, on }) => isText(source) && (target === null || isText(target)) && typeof on === "boolean"),
  filter: (value) => isList(value, ({ column, op }) => isText(column) && (op === null || isText(op))),
  orderBy: (value) => isList(value, ({ column, direction }) => isText(column) && isText(direction)),
};

/** The state that the address has. Of one that was cut or written by hand, what can be understood. */
export function read() {
  const given = new URLSearchParams(location.hash.slice(1));
  const state = structuredClone(EMPTY);
  let found = {};
  try {
    found = JSON.parse(given.get("spec") ?? "{}");
  } catch {
    // What is left of it is the dataset.
  }
  if (isRecord(found)) {
    for (const [name, fits] of Object.entries(FORMS)) if (name in found && fits(found[name])) state[name] = found[name];
  }
  state.dataset = given.get("dataset");
  return state;
}

/** Writes the state into the address: a new entry of the history for another dataset only. */
export function write(state) {
  const { dataset, ...rest } = state;
  const kept = Object.fromEntries(Object.entries(rest).filter(([name, value]) => !same(value, EMPTY[name])));
  const fields = new URLSearchParams();
  if (dataset) fields.set("dataset", dataset);
  if (Object.keys(kept).length) fields.set("spec", JSON.stringify(kept));
  const hash = fields.size ? `#${fields}` : location.pathname;
  const before = new URLSearchParams(location.hash.slice(1)).get("dataset");
  if (before === dataset) history.replaceState(null, "", hash);
  else history.pushState(null, "", hash);
  document.dispatchEvent(new Event("written"));
}

/** Writes the state into the address and shows it. */
export function show(state) {
  write(state);
  document.dispatchEvent(new Event("anew"));
}

function isText(value) {
  return typeof value === "string";
}

function isRecord(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isList(value, fits) {
  return Array.isArray(value) && value.every((each) => isRecord(each) && fits(each));
}

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/** The body of `POST /exports`, without what is not chosen. */
export function spec(state) {
  const made = { format: state.format, dataset: state.dataset };
  if (state.columns) {
    made.columns = state.columns.filter((column) => column.on)
      .map(({ source, target }) => (target && target !== source ? { source, target } : source));
  }
  const filter = state.filter.filter(complete).map(term);
  if (filter.length) made.filter = filter;
  if (state.orderBy.length) made.orderBy = state.orderBy;
  if (state.limit !== null) made.limit = state.limit;
  if (Object.keys(state.parameters).length) made.parameters = state.parameters;
  if (Object.keys(state.options).length) made.options = state.options;
  if (state.compression) Object.assign(made, { compression: state.compression, compressionAs: "file" });
  if (state.filename) made.filename = state.filename;
  return made;
}

const NO_VALUE = new Set(["isNull", "isNotNull"]);

function complete({ column, op, value }) {
  if (!column || !op) return false;
  return NO_VALUE.has(op) || (Array.isArray(value) ? value.length > 0 && value.every((each) => each !== "") : value !== "" && value !== null && value !== undefined);
}

function term({ column, op, value }) {
  return NO_VALUE.has(op) ? { column, op } : { column, op, value };
}
