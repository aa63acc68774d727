// The exports that were made: state, rows, size, digest, who and when; repeat, download, link, delete.

import { call } from "./api.js";
import { announce, count, h, moment, problem, size } from "./dom.js";
import { filesDialog } from "./files.js";
import { download, linkDialog } from "./run.js";
import { EMPTY, show } from "./state.js";

const STATES = ["", "pending", "running", "completed", "failed", "cancelled", "expired"];
const PAGE = 25;

export async function historyView(main) {
  const state = h("select", { id: "state" }, STATES.map((name) => h("option", { value: name }, name || "any state")));
  const dataset = h("input", { type: "search", id: "of", placeholder: "any dataset", spellcheck: false });
  const table = h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Exports" });
  const more = h("button", { type: "button", hidden: true }, "Show more");
  let after = null;
  let body = null;

  async function load(again) {
    try {
      const query = new URLSearchParams({ limit: PAGE });
      if (state.value) query.set("status", state.value);
      if (dataset.value.trim()) query.set("dataset", dataset.value.trim());
      if (!again && after) query.set("after", after);
      const found = await call(`/exports?${query}`);
      if (again || !body) {
        body = h("tbody", {});
        table.replaceChildren(found.exports.length
          ? h("table", {}, h("thead", {}, h("tr", {}, ["What", "State", "Rows", "Size", "When", "Who", "Actions"].map((name) =>
            h("th", { scope: "col", class: { Rows: "number", Size: "number", Actions: "number" }[name] ?? null }, name)))), body)
          : h("p", { class: "hint" }, "No exports yet that fit."));
      }
      body.append(...found.exports.map(row));
      after = found.next;
      more.hidden = !after;
    } catch (error) {
      table.replaceChildren(problem(error));
    }
  }

  function row(job) {
    const what = job.spec.dataset ?? (job.spec.datasets ?? []).map((each) => each.name).join(", ");
    const file = job.spec.delivery !== "store" && !["cancelled", "expired", "failed"].includes(job.status);
    const act = (text, action) => h("button", { type: "button", class: "quiet", onclick: () => Promise.resolve(action()).catch((error) => item.after(h("tr", {}, h("td", { colSpan: 7 }, problem(error))))) }, text);
    const digest = job.file?.sha256 ?? job.delivered?.manifestSha256;
    const item = h("tr", {},
      h("td", {}, what, h("small", {}, ` ${job.spec.format}${{ file: ", prepared", store: ", delivered" }[job.spec.delivery] ?? ""}`),
        digest ? h("small", { class: "digest", title: `SHA-256 ${digest}` }, ` ${digest.slice(0, 12)}…`) : null),
      h("td", {}, h("span", { class: `state ${job.status}` }, job.status), job.error ? h("small", {}, ` ${job.error.message}`) : null),
      h("td", { class: "number" }, count(job.rows)), h("td", { class: "number" }, size(job.bytes)),
      h("td", {}, moment(job.createdAt)), h("td", {}, job.owner ?? "–"),
      h("td", { class: "actions" },
        job.spec.dataset ? act("Repeat", () => repeat(job)) : null,
        file ? act("Download", () => download(job)) : null,
        file ? act("Link", () => linkDialog(job)) : null,
        job.delivered ? act("Files", () => filesDialog(job)) : null,
        act(["pending", "running"].includes(job.status) ? "Cancel" : "Delete", async () => {
          await call(`/exports/${job.exportId}`, { method: "DELETE" });
          announce(`${what} is gone`);
          await load(true);
        })));
    return item;
  }

  state.addEventListener("change", () => load(true));
  dataset.addEventListener("change", () => load(true));
  more.addEventListener("click", () => load(false));
  main.replaceChildren(h("section", { class: "wide" }, h("div", { class: "bar" }, h("h1", {}, "History"),
    h("p", { class: "controls" }, h("label", { htmlFor: "state" }, "State "), state, h("label", { htmlFor: "of" }, " Dataset "), dataset,
      h("button", { type: "button", class: "quiet", onclick: () => load(true) }, "Look again"))), table, h("p", {}, more)));
  await load(true);
}

/** The same choice again, to be looked at and run. */
function repeat({ spec }) {
  const columns = spec.columns?.map((column) => ({ source: column.source, target: column.target === column.source ? null : column.target, on: true })) ?? null;
  const { dataset, format, filter = [], orderBy = [], limit = null, parameters = {}, options = {}, compression = null, filename = null } = spec;
  show({ ...EMPTY, dataset, format, columns, filter, orderBy, limit, parameters: parameters ?? {}, options, compression, filename });
}
