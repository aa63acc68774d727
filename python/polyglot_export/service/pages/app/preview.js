// The first rows as they will be written, and what the whole comes to. A new choice cancels the look at the old one.

import { call, Exact } from "./api.js";
import { count, duration, h, later, problem, size } from "./dom.js";
import { spec } from "./state.js";

const TRIES = 5;
const PAUSE = 600;

export class Preview {
  constructor(parameters) {
    this.parameters = parameters;
    this.rows = h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "First rows" });
    this.written = h("pre", { class: "scroll written", tabindex: 0, role: "region", "aria-label": "Beginning of the file" });
    this.line = h("p", { class: "estimate" });
    this.tabs = ["Rows", "As written"].map((name, index) =>
      h("button", { type: "button", role: "tab", "aria-selected": String(index === 0), onclick: () => this.show(index) }, name));
    this.body = h("div", {});
    this.element = h("section", { class: "preview", "aria-label": "Preview" },
      h("div", { class: "bar" }, h("h2", {}, "Preview"), h("div", { role: "tablist", "aria-label": "Form of the preview" }, this.tabs)),
      this.line, this.body);
    this.element.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!by || event.target.getAttribute("role") !== "tab") return;
      const next = (this.tabs.indexOf(event.target) + by + 2) % 2;
      this.show(next);
      this.tabs[next].focus();
    });
    this.refresh = later(250, (state) => this.load(state));
    this.running = null;
    this.show(0);
  }

  show(index) {
    this.tabs.forEach((tab, at) => {
      tab.setAttribute("aria-selected", String(at === index));
      tab.tabIndex = at === index ? 0 : -1;
    });
    this.body.replaceChildren(index === 0 ? this.rows : this.written);
  }

  /** Another dataset is looked at. */
  stop() {
    this.stopped = true;
    this.running?.abort();
  }

  async load(state) {
    if (this.stopped) return;
    this.running?.abort();
    const missing = this.parameters.filter((each) => each.required && !(each.name in state.parameters)).map((each) => each.name);
    if (missing.length) {
      this.line.textContent = `Give a value for ${missing.join(", ")} first.`;
      this.rows.replaceChildren();
      this.written.replaceChildren();
      return;
    }
    const running = (this.running = new AbortController());
    this.element.setAttribute("aria-busy", "true");
    try {
      const { dataset, ...rest } = spec(state);
      if (rest.columns && rest.columns.length === 0) throw new Error("Choose at least one column.");
      const query = new URLSearchParams({ spec: JSON.stringify(rest) });
      this.fill(await looked(`/datasets/${encodeURIComponent(dataset)}/preview?${query}`, running.signal));
    } catch (error) {
      if (error.name === "AbortError") return;
      this.line.textContent = "";
      this.rows.replaceChildren(problem(error));
      this.written.replaceChildren(problem(error));
    } finally {
      if (this.running === running) this.element.removeAttribute("aria-busy");
    }
  }

  fill({ columns, rows, cut, complete, written, estimate }) {
    this.line.textContent = complete
      ? `All rows: ${count(rows.length)}`
      : estimate
        ? `About ${count(estimate.rows)} rows${estimate.bytes === null ? "" : `, ${size(estimate.bytes)}`}, ${duration(estimate.seconds)} – an estimate of the database`
        : `The first ${count(rows.length)} rows; how many there are is not told`;
    const cuts = new Map(cut.map(({ row, column, length }) => [`${row} ${column}`, length]));
    const cell = (value, row, column) => {
      const length = cuts.get(`${row} ${column}`);
      if (value === null) return h("td", {}, h("span", { class: "null" }, "null"));
      const number = typeof value === "number" || value instanceof Exact;
      const text = typeof value === "object" && !number ? JSON.stringify(value) : String(value);
      return h("td", { class: number ? "number" : null, title: text.length > 40 ? text : null }, text,
        length ? h("span", { class: "null" }, ` … ${count(length)} characters`) : null);
    };
    const head = h("tr", {}, columns.map(({ name, type }) => h("th", { scope: "col" }, name, h("small", {}, ` ${type}`))));
    this.rows.replaceChildren(
      h("table", {}, h("thead", {}, head), h("tbody", {}, rows.map((row, at) => h("tr", {}, row.map((value, column) => cell(value, at, column)))))),
      ...(rows.length ? [] : [h("p", { class: "hint" }, complete ? "No row fits what is chosen." : "The first row is too large to be shown here. The file has it whole.")]));
    this.written.textContent = written ?? "This format is no text: download it and open it with a program that reads it.";
  }
}

/** A few looks are made at a time, and the one that was just given up may not have ended: then it is tried again. */
async function looked(path, signal) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await call(path, { signal });
    } catch (error) {
      if (error.code !== "busy" || tries === TRIES) throw error;
    }
    await new Promise((go) => setTimeout(go, PAUSE));
  }
}
