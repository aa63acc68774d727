// What the service does now, for an administrator.

import { call } from "./api.js";
import { count, h, problem, size } from "./dom.js";

const EVERY = 3000;

export async function overviewView(main) {
  const body = h("div", { class: "tiles" });
  main.replaceChildren(h("section", { class: "wide" }, h("h1", {}, "Overview"), body,
    h("p", { class: "hint" }, "Of this process; exports are those of all replicas. The exports of all callers are in the history.")));
  const tile = (title, text, part = null) => h("article", {}, h("h2", {}, title), h("p", {}, text),
    part ? h("meter", { min: 0, max: part.limit, value: part.used, "aria-label": title }) : null);
  for (;;) {
    try {
      const found = await call("/overview");
      if (!body.isConnected) return;
      body.replaceChildren(
        tile("Running", count(found.exports.running)),
        tile("Waiting in the background", count(found.waiting)),
        tile("Kept", `${count(found.exports.idle)}, and ${count(found.exports.expired)} expired`),
        tile("Memory for exports", `${size(found.memory.used)} of ${size(found.memory.limit)}`, found.memory),
        tile("Connections to the database", `${count(found.connections.used)} of ${count(found.connections.limit)}`, found.connections),
        tile("Connections of clients", `${count(found.clients.used)} of ${count(found.clients.limit)}`, found.clients),
        tile("Version", found.version));
    } catch (error) {
      body.replaceChildren(problem(error));
      return;
    }
    await new Promise((go) => setTimeout(go, EVERY));
    if (!body.isConnected) return;
  }
}
