// Run an export: streamed to disk by the browser, prepared in the background, or into a destination; and follow it.

import { address, call, hasKey } from "./api.js";
import { announce, ask, copyButton, count, duration, field, h, problem, size } from "./dom.js";

const HELP = {
  failed: "Nothing of it is complete; a file that was begun is not whole. Correct what is wrong and run it again.",
  cancelled: "It was cancelled; what was begun of a file is not whole.",
  expired: "It is not kept any longer. Run it again.",
};

export async function start(spec, delivery, destination) {
  const body = { ...spec, delivery };
  if (delivery === "store") {
    // Files of a set are called after their datasets, and are never an encoding of others.
    body.destination = destination;
    delete body.compressionAs;
    delete body.filename;
  }
  return call("/exports", { method: "POST", body });
}

/** The address of a download and of its events, which need no key. */
async function ways(job, file = null) {
  const own = `exports/${job.exportId}`;
  if (!hasKey()) return { url: address(file === null ? `${own}/download` : `${own}/files/${file}`), events: address(`${own}/events`) };
  const body = { expiresIn: 3600, once: false, ...(file === null ? {} : { file }) };
  const link = await call(`/${own}/links`, { method: "POST", body });
  return { url: address(pathOf(link.url)), events: address(pathOf(link.eventsUrl)) };
}

const pathOf = (url) => url.slice(url.indexOf("/links/"));

export async function download(job, file = null) {
  save((await ways(job, file)).url);
}

/** The browser writes it to disk by itself. */
function save(url) {
  const link = h("a", { href: url, download: "" });
  document.body.append(link);
  link.click();
  link.remove();
}

/** A card that follows a job to its end. */
export class Follower {
  constructor(job, { download: atOnce }) {
    this.job = job;
    this.bar = h("progress", { max: 1, "aria-label": "Progress" });
    this.text = h("p", {});
    this.actions = h("p", { class: "actions" });
    this.element = h("article", { class: "run" },
      h("h3", {}, `${job.spec.dataset ?? "Export"} as ${job.spec.format}`), this.bar, this.text, this.actions);
    this.follow(atOnce).catch((error) => this.element.append(problem(error)));
  }

  async follow(atOnce) {
    const { url, events } = await ways(this.job).catch((error) => (this.job.spec.delivery === "store" ? {} : Promise.reject(error)));
    this.actions.replaceChildren(h("button", { type: "button", onclick: () => this.cancel() }, "Cancel"), this.notifier());
    this.text.textContent = "Begins …";
    const own = events ?? address(`exports/${this.job.exportId}/events`);
    if (hasKey() && !events) return this.poll();
    this.source = new EventSource(own);
    for (const name of ["state", "progress", "end"]) {
      this.source.addEventListener(name, (event) => {
        const state = JSON.parse(event.data);
        // A link does not tell why an export failed; whoever has the key is told.
        if (name === "end" && state.status === "failed" && hasKey()) this.poll().catch((error) => this.element.append(problem(error)));
        else this.show(state, name === "end");
      });
    }
    this.source.addEventListener("error", () => {
      // The browser tries again by itself, unless the answer was no stream.
      if (this.source.readyState !== EventSource.CLOSED || this.over) return;
      this.poll().catch((error) => this.element.append(problem(error)));
    });
    if (atOnce) save(url);
  }

  async poll() {
    for (;;) {
      const job = await call(`/exports/${this.job.exportId}`);
      const over = ["completed", "failed", "cancelled", "expired"].includes(job.status);
      this.show(job, over);
      if (over) return;
      await new Promise((go) => setTimeout(go, 1000));
    }
  }

  show(state, over) {
    const rate = state.bytesPerSecond ? `, ${size(state.bytesPerSecond)} a second` : "";
    const left = state.etaSeconds ? `, about ${duration(state.etaSeconds)} left` : "";
    if (state.progress === null || state.progress === undefined) this.bar.removeAttribute("value");
    else this.bar.value = state.progress;
    this.text.textContent = `${count(state.rows ?? 0)} rows, ${size(state.bytes ?? 0)}${over ? "" : rate + left}`;
    if (!over) return;
    this.over = true;
    this.source?.close();
    this.ended(state);
  }

  ended(state) {
    const done = state.status === "completed";
    this.bar.hidden = true;
    this.element.classList.add(done ? "done" : "broken");
    const stored = this.job.spec.delivery === "store";
    const lines = done
      ? [h("strong", {}, stored ? "Delivered." : this.job.spec.delivery === "file" ? "Ready." : "Complete."), " ", this.text.textContent]
      : [h("strong", {}, state.status === "cancelled" ? "Cancelled." : "Broken: the file is not whole."), " ", state.error?.message ?? "", " ", HELP[state.status] ?? ""];
    this.text.replaceChildren(...lines);
    announce(this.text.textContent);
    this.actions.replaceChildren(...(done && !stored ? [
      h("button", { type: "button", class: this.job.spec.delivery === "file" ? "primary" : null, onclick: () => download(this.job).catch((error) => this.element.append(problem(error))) }, this.job.spec.delivery === "file" ? "Download" : "Download again"),
      h("button", { type: "button", class: "quiet", onclick: () => linkDialog(this.job) }, "Link for a colleague"),
    ] : []));
    if (this.notify && "Notification" in window && Notification.permission === "granted") {
      new Notification("Polyglot Export", { body: `${this.job.spec.dataset}: ${this.text.textContent}` });
    }
  }

  notifier() {
    if (!("Notification" in window)) return null;
    return h("button", { type: "button", class: "quiet", onclick: async (event) => {
      this.notify = (await Notification.requestPermission()) === "granted";
      event.target.replaceWith(h("span", { class: "hint" }, this.notify ? "You will be told when it is done." : "The browser does not allow notifications."));
    } }, "Tell me when it is done");
  }

  async cancel() {
    try {
      await call(`/exports/${this.job.exportId}`, { method: "DELETE" });
    } catch (error) {
      this.element.append(problem(error));
    }
  }
}

const LIVES = [["10 minutes", 600], ["a day", 86400], ["a week", 604800]];

/** Makes a link and shows it. */
export function linkDialog(job, file = null) {
  return ask("Link for a colleague", (close) => {
    const life = h("select", {}, LIVES.map(([name, seconds]) => h("option", { value: seconds }, name)));
    const once = h("input", { type: "checkbox", id: "once" });
    const made = h("div", {});
    const make = h("button", { type: "button", class: "primary", onclick: async () => {
      try {
        const body = { expiresIn: Number(life.value), once: once.checked, ...(file === null ? {} : { file }) };
        const link = await call(`/exports/${job.exportId}/links`, { method: "POST", body });
        const url = link.url.startsWith("/") ? String(address(pathOf(link.url))) : link.url;
        made.replaceChildren(
          h("p", {}, h("code", { class: "link" }, url), " ", copyButton(() => url)),
          h("p", { class: "hint" }, `It ends ${new Date(link.expiresAt).toLocaleString()}${link.once ? ", or with the first download" : ""}. Whoever has it has the file.`));
      } catch (error) {
        made.replaceChildren(problem(error));
      }
    } }, "Make the link");
    return [field("It holds for", life), h("p", {}, once, " ", h("label", { htmlFor: "once" }, "For one download only")), made,
      h("p", { class: "actions" }, make, h("button", { type: "button", onclick: () => close(null) }, "Close"))];
  });
}
