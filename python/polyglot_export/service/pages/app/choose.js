// The list of datasets with its search, and the form of the one that is chosen.

import { call, hasKey } from "./api.js";
import { columnsPanel } from "./columns.js";
import { count, field, h, problem, size } from "./dom.js";
import { elsewherePanel } from "./elsewhere.js";
import { filtersPanel, orderPanel } from "./filters.js";
import { formatPanel, parametersPanel } from "./formats.js";
import { Preview } from "./preview.js";
import { Follower, start } from "./run.js";
import { EMPTY, read, show, spec, write } from "./state.js";

const SHOWN = 200;
const runs = h("section", { class: "runs", "aria-label": "Runs" });
let datasets = null;
let formats = null;
let sought = "";
let looking = null;
// Another key may see others.
document.addEventListener("key", () => (datasets = null));

export async function exportView(main, known) {
  looking?.stop();
  const byList = Boolean(document.activeElement?.closest(".datasets"));
  datasets ??= (await call("/datasets?columns=false")).datasets.map((dataset) => ({ ...dataset, words: `${dataset.name} ${dataset.comment ?? ""}`.toLowerCase() }));
  const all = datasets;
  const state = read();
  const list = h("ul", { class: "datasets" });
  const search = h("input", { type: "search", placeholder: `Search ${count(all.length)} datasets`, "aria-label": "Search datasets", spellcheck: false, value: sought });
  const told = h("p", { class: "hint", role: "status" });
  const detail = h("div", { class: "detail" });

  function draw() {
    sought = search.value;
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = all.filter((dataset) => words.every((word) => dataset.words.includes(word)));
    list.replaceChildren(...found.slice(0, SHOWN).map((dataset) => h("li", {},
      h("a", { href: `#${new URLSearchParams({ dataset: dataset.name })}`, "aria-current": dataset.name === state.dataset ? "true" : null },
        h("span", { class: "name" }, dataset.name),
        h("small", {}, [dataset.kind, dataset.estimatedRows === null ? null : `${count(dataset.estimatedRows)} rows`, dataset.estimatedBytes === null ? null : size(dataset.estimatedBytes)].filter(Boolean).join(" · ")),
        dataset.comment ? h("small", { class: "comment" }, dataset.comment) : null))));
    told.textContent = found.length > SHOWN ? `${count(found.length)} fit; the first ${SHOWN} are shown` : found.length ? "" : "None fits.";
  }

  search.addEventListener("input", draw);
  search.addEventListener("keydown", (event) => { if (event.key === "ArrowDown") { event.preventDefault(); list.querySelector("a")?.focus(); } });
  list.addEventListener("keydown", (event) => {
    const by = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    if (!by) return;
    event.preventDefault();
    (event.target.closest("li")[by]?.querySelector("a") ?? search).focus();
  });
  draw();
  main.replaceChildren(h("div", { class: state.dataset ? "columns-2 chosen" : "columns-2" },
    h("section", { class: "side", "aria-label": "Datasets" }, h(state.dataset ? "h2" : "h1", {}, "Datasets"), search, told, list), detail));
  const here = list.querySelector("[aria-current]");
  // Once it is on the page.
  queueMicrotask(() => (byList ? here?.focus() : here?.scrollIntoView({ block: "nearest" })));
  if (state.dataset) await chosen(detail, state, known);
  else detail.replaceChildren(h("div", { class: "empty" }, h("h2", {}, "Choose a dataset"), h("p", {}, all.length ? "Its columns, its first rows and its formats appear here. Nothing is read before you look." : "There is nothing that you may export. Ask your administrator.")), runs);
}

async function chosen(detail, state, known) {
  detail.setAttribute("aria-busy", "true");
  try {
    formats ??= await (await fetch(new URL("formats.json", import.meta.url))).json();
    if (!formats.formats.some((format) => format.name === state.format)) state.format = EMPTY.format;
    const [dataset, caller] = await Promise.all([call(`/datasets/${encodeURIComponent(state.dataset)}`), known]);
    form(detail, state, dataset, caller);
  } catch (error) {
    detail.replaceChildren(problem(error), runs);
  } finally {
    detail.removeAttribute("aria-busy");
  }
}

function form(detail, state, dataset, caller) {
  const preview = (looking = new Preview(dataset.parameters));
  const elsewhere = elsewherePanel(dataset, formats, hasKey);
  const wrong = h("div", {});
  const changed = (given) => {
    Object.assign(state, given);
    write(state);
    elsewhere.update(state);
    wrong.replaceChildren();
    preview.refresh(state);
  };
  const run = async (delivery, destination = null) => {
    wrong.replaceChildren();
    try {
      const job = await start(spec(state), delivery, destination);
      runs.prepend(new Follower(job, { download: delivery === "stream" }).element);
      runs.scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    } catch (error) {
      wrong.replaceChildren(problem(error));
    }
  };
  const places = caller?.destinations ?? [];
  const place = h("select", {}, places.map((name) => h("option", { value: name }, name)));
  const mayExport = !caller || caller.scopes.includes("export");
  detail.replaceChildren(
    h("header", { class: "bar" }, h("h1", {}, dataset.name),
      h("a", { class: "back", href: location.pathname }, "All datasets"),
      h("button", { type: "button", class: "quiet", onclick: () => show({ ...EMPTY, dataset: dataset.name }) }, "Start anew")),
    dataset.comment ? h("p", { class: "comment" }, dataset.comment) : "",
    preview.element,
    wrong,
    mayExport ? h("p", { class: "actions run-bar" },
      h("button", { type: "button", class: "primary", onclick: () => run("stream") }, "Download"),
      h("button", { type: "button", onclick: () => run("file"), title: "It survives when this tab is closed" }, "Prepare in the background"),
      places.length ? h("span", {}, h("button", { type: "button", onclick: () => run("store", place.value) }, "Deliver into"), " ", h("label", {}, h("span", { class: "visually-hidden" }, "Destination"), place)) : null)
      : h("p", { class: "hint" }, "This key may look and not export."),
    runs,
    h("div", { class: "panels" },
      h("div", { class: "stack" },
        parametersPanel(dataset, state.parameters, (parameters) => changed({ parameters })) ?? "",
        columnsPanel(dataset, state.columns, (columns) => changed({ columns }))),
      h("div", { class: "stack" },
        filtersPanel(dataset, state.filter, (filter) => changed({ filter })),
        orderPanel(dataset, state.orderBy, state.limit, changed),
        formatPanel(formats, state, changed),
        elsewhere.element)));
  elsewhere.update(state);
  preview.load(state);
}
