// Calls of the service. The key is in the memory of this page, or of this tab where its user has asked for that.

import { ask, field, h } from "./dom.js";

const KEPT = "polyglot-key";
const ADVICE = {
  "busy": "Try again in a moment.",
  "overloaded": "Try again in a moment.",
  "database-away": "The database does not answer now; nothing is lost.",
  "took-too-long": "Choose fewer rows or another order, or run the export: it has more time.",
};
const base = new URL(".", document.baseURI);
let key = takeKey();
let asking = null;

/**
 * The key of the address, which is taken away from it, or that of this tab. `&keep` behind it is what `polyglot ui`
 * writes for its user: a page that is loaded again still has it.
 */
function takeKey() {
  const given = /^#key=([^&]+)(&keep)?&?(.*)$/.exec(location.hash);
  if (!given) return sessionStorage.getItem(KEPT);
  history.replaceState(null, "", given[3] ? `#${given[3]}` : location.pathname);
  const taken = decodeURIComponent(given[1]);
  if (given[2]) sessionStorage.setItem(KEPT, taken);
  return taken;
}

export class Problem extends Error {
  constructor(status, body) {
    const advice = ADVICE[body.code];
    super([sentence(body.detail ?? body.error ?? `The service answered ${status}`), advice].filter(Boolean).join(" "));
    this.status = status;
    this.code = body.code;
    this.field = body.field;
  }
}

function sentence(text) {
  const clean = text.trim();
  // A field of the request keeps its name: "limit: must be …".
  return (/^[\w.]+: /.test(clean) ? clean : clean.charAt(0).toUpperCase() + clean.slice(1)) + (/[.!?]$/.test(clean) ? "" : ".");
}

export const hasKey = () => key !== null;

export function forgetKey() {
  key = null;
  sessionStorage.removeItem(KEPT);
}

export const address = (path) => new URL(path.replace(/^\//, ""), base);

/** A number that JavaScript would change: 13.70, or an id of 19 digits. */
export class Exact {
  constructor(source) {
    this.source = source;
  }

  toString() {
    return this.source;
  }

  toJSON() {
    return JSON.rawJSON ? JSON.rawJSON(this.source) : this.source;
  }
}

/** Keeps every digit, where the browser tells what was written (JSON.parse source text access). */
function exact(_, value, context) {
  return typeof value === "number" && context?.source && String(value) !== context.source ? new Exact(context.source) : value;
}

/** Calls the service; asks for a key where it wants one, and then goes on. */
export async function call(path, { method = "GET", body = null, signal = null } = {}) {
  for (;;) {
    const headers = key ? { Authorization: `Bearer ${key}` } : {};
    if (body !== null) headers["Content-Type"] = "application/json";
    const sent = key;
    let answer;
    try {
      answer = await fetch(address(path), {
        method, headers, signal, body: body === null ? null : JSON.stringify(body), cache: "no-store",
      });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Problem(0, { detail: "The service cannot be reached. Is it still running, and is the network there?" });
    }
    if (answer.status === 401) {
      if (sent === key) await askForKey(sent !== null);
      continue;
    }
    if (answer.status === 204) return null;
    const text = await answer.text();
    let read = {};
    try {
      read = JSON.parse(text, exact);
    } catch {
      // A proxy's page in place of an answer.
    }
    if (!answer.ok) throw new Problem(answer.status, read);
    return read;
  }
}

/** One question at a time, however many calls want the answer. What was chosen stays as it is. */
function askForKey(refused) {
  asking ??= ask(refused ? "The key is not known any more" : "Which key?", (close) => {
    const input = h("input", { type: "password", autocomplete: "off", required: true, spellcheck: false });
    const keep = h("input", { type: "checkbox", id: "keep" });
    const form = h("form", { method: "dialog" },
      h("p", {}, refused
        ? "It has expired, or was taken away. Enter another one; what you have chosen stays."
        : "Ask your administrator for a key. It is sent to this service only, and kept in the memory of this page."),
      field("Key", input),
      h("p", {}, keep, " ", h("label", { htmlFor: "keep" }, "Keep it until this tab is closed")),
      h("button", { class: "primary" }, "Continue"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (input.value.trim()) close({ key: input.value.trim(), keep: keep.checked });
    });
    setTimeout(() => input.focus());
    return [form];
  }).then((answer) => {
    asking = null;
    if (answer === null) throw new Problem(401, { detail: "Without a key nothing can be shown. Load the page again." });
    key = answer.key;
    if (answer.keep) sessionStorage.setItem(KEPT, key);
    else sessionStorage.removeItem(KEPT);
    document.dispatchEvent(new Event("key"));
  });
  return asking;
}
