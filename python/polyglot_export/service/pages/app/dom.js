// Elements without innerHTML: what comes from the database is always text.

/** An element: `h("p", {class: "x", onclick: f}, "text", child)`. Null children are left out. */
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key in element && !["list", "form", "width", "height", "role"].includes(key)) element[key] = value;
    else element.setAttribute(key === "htmlFor" ? "for" : key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** A labelled field. */
export function field(label, control, help = null) {
  control.id ||= `f${++field.count}`;
  const about = help ? h("small", { id: `${control.id}-help` }, help) : null;
  if (about) control.setAttribute("aria-describedby", about.id);
  return h("div", { class: "field" }, h("label", { htmlFor: control.id }, label), control, about);
}
field.count = 0;

/** Says something to who listens to the page and does not look at it. */
export function announce(text) {
  const status = document.getElementById("status");
  status.textContent = "";
  requestAnimationFrame(() => (status.textContent = text));
}

const counts = new Intl.NumberFormat("en");

export function count(number) {
  return number === null || number === undefined ? "unknown" : counts.format(number);
}

export function size(bytes) {
  if (bytes === null || bytes === undefined) return "unknown";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (bytes >= 1000 && unit < units.length - 1) {
    bytes /= 1000;
    unit += 1;
  }
  return `${bytes >= 100 || unit === 0 ? Math.round(bytes) : bytes.toFixed(1)} ${units[unit]}`;
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "unknown";
  if (seconds < 1) return "less than a second";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

export function moment(text) {
  return text ? new Date(text).toLocaleString([], { dateStyle: "medium", timeStyle: "short" }) : "";
}

/** A function that is called once nothing has happened for a while. */
export function later(milliseconds, run) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...given), milliseconds);
  };
}

/** A button that copies a text. */
export function copyButton(text) {
  const button = h("button", { type: "button", class: "quiet" }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text());
      button.textContent = "Copied";
      announce("Copied");
    } catch {
      button.textContent = "Select the text and copy it";
    }
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
  return button;
}

/** Asks in a dialog. The content is made with a function that closes it with an answer. */
export function ask(title, content) {
  const dialog = document.getElementById("dialog");
  return new Promise((answered) => {
    let given = null;
    const close = (answer) => {
      given = answer;
      dialog.close();
    };
    dialog.replaceChildren(h("h2", { id: "dialog-title" }, title), ...content(close));
    dialog.addEventListener("close", () => answered(given), { once: true });
    if (!dialog.open) dialog.showModal();
  });
}

/** What went wrong, and what to do. */
export function problem(error) {
  return h("p", { class: "problem", role: "alert" }, error.message ?? String(error));
}
