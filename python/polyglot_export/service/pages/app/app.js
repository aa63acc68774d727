// The page: which view is shown, and who looks at it.

import { call, forgetKey, hasKey } from "./api.js";
import { exportView } from "./choose.js";
import { h, problem } from "./dom.js";

const main = document.getElementById("main");
let caller = null;
let shown = null;
let current = null;

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
  document.title = name === "export" ? "Polyglot Export" : `${name.charAt(0).toUpperCase()}${name.slice(1)} – Polyglot Export`;
  main.setAttribute("aria-busy", "true");
  // Each view has a place of its own: one that is still waiting when the next is asked for draws where nobody sees it.
  const place = (current = h("div", {}));
  try {
    // Side by side: the view needs to know of the caller only once something is chosen.
    const known = caller ? Promise.resolve(caller) : call("/caller");
    const drawn = VIEWS[name](place, known);
    if (place === current) main.replaceChildren(place);
    const told = known.then((found) => who((caller = found)));
    await Promise.all([drawn, told]);
  } catch (error) {
    place.replaceChildren(problem(error), h("p", {}, h("button", { type: "button", onclick: show }, "Try again")));
    if (place === current) main.replaceChildren(place);
  } finally {
    if (place === current) main.removeAttribute("aria-busy");
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
// What is chosen changes the address, too, and is on the page already.
document.addEventListener("written", () => (shown = location.href));
document.addEventListener("anew", show);
// Both events come for one step where the fragment changes.
function moved() {
  if (location.href !== shown) show();
}
addEventListener("hashchange", moved);
addEventListener("popstate", moved);
show();
