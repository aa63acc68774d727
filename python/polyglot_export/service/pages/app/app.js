// The page: which view is shown, and who looks at it.

import { call, forgetKey, hasKey } from "./api.js";
import { exportView } from "./choose.js";
import { h, problem } from "./dom.js";

const main = document.getElementById("main");
let caller = null;
let shown = null;

const VIEWS = {
  export: (target, known) => exportView(target, known),
  history: async (target) => (await import("./history.js")).historyView(target),
  overview: async (target) => (await import("./overview.js")).overviewView(target),
};

function nameOf(hash) {
  const name = hash.slice(1);
  return name in VIEWS ? name : "export";
}

async function show() {
  const name = nameOf(location.hash);
  shown = location.href;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  main.setAttribute("aria-busy", "true");
  try {
    // Side by side: the view needs to know of the caller only once something is chosen.
    const known = caller ? Promise.resolve(caller) : call("/caller");
    [caller] = await Promise.all([known, VIEWS[name](main, known), known.then(who)]);
  } catch (error) {
    main.replaceChildren(problem(error), h("p", {}, h("button", { type: "button", onclick: show }, "Try again")));
  } finally {
    main.removeAttribute("aria-busy");
    document.title = name === "export" ? "Polyglot Export" : `${name.charAt(0).toUpperCase()}${name.slice(1)} – Polyglot Export`;
  }
}

function who(caller) {
  document.getElementById("who").textContent = caller.name ?? "";
  document.getElementById("forget").hidden = !hasKey();
  document.querySelector("[data-view=overview]").hidden = !caller.scopes.includes("list-all");
}

document.getElementById("forget").addEventListener("click", () => {
  forgetKey();
  location.reload();
});
document.addEventListener("key", () => (caller = null));
document.querySelector("nav [data-view=export]").addEventListener("click", (event) => {
  event.preventDefault();
  history.pushState(null, "", location.pathname);
  show();
});
// Both events come for one step where the fragment changes.
function moved() {
  if (location.href !== shown) show();
}
addEventListener("hashchange", moved);
addEventListener("popstate", moved);
show();
