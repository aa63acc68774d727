"use strict";
// Shows each call of openapi.json with its parameters and answers, and a form that makes the call.

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function answers(call) {
  const table = element("table", {}, element("tr", {}, element("th", {}, "Status"), element("th", {}, "Meaning")));
  for (const [status, answer] of Object.entries(call.responses)) {
    table.append(element("tr", {}, element("td", {}, status), element("td", {}, answer.description || "")));
  }
  return table;
}

function example(specification, call) {
  const schema = call.requestBody.content["application/json"].schema;
  const named = schema.$ref ? specification.components.schemas[schema.$ref.split("/").pop()] : schema;
  return JSON.stringify(named.example || {}, null, 2);
}

// The bodies of the forms, which get an example with a dataset of this service; what was typed into one stays.
const bodies = [];

async function suggest() {
  const key = document.getElementById("key").value;
  const response = await fetch("datasets", { headers: key ? { Authorization: `Bearer ${key}` } : {} });
  const dataset = response.ok ? (await response.json()).datasets[0] : undefined;
  if (!dataset) return;
  const columns = dataset.columns.slice(0, 2).map((column) => column.name);
  const text = JSON.stringify({ format: "csv", dataset: dataset.name, columns, limit: 1000 }, null, 2);
  for (const body of bodies) body.defaultValue = text;
}

// Only the beginning of a large answer is read; the rest is not asked for.
async function beginning(response, limit = 20000) {
  const reader = response.body ? response.body.getReader() : null;
  const decoder = new TextDecoder();
  let text = "";
  while (reader) {
    const { done, value } = await reader.read();
    if (done) return text;
    text += decoder.decode(value, { stream: true });
    if (text.length > limit) {
      await reader.cancel();
      return text.slice(0, limit) + "\n… (the rest was not read)";
    }
  }
  return text;
}

function readable(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

async function make(method, path, inputs, body, output) {
  const query = new URLSearchParams();
  let address = path.replace(/^\//, "");
  for (const { parameter, input } of inputs) {
    if (parameter.in === "path") address = address.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    else if (input.value) query.set(parameter.name, input.value);
  }
  if ([...query].length) address += `?${query}`;
  const headers = {};
  const key = document.getElementById("key").value;
  if (key) headers.Authorization = `Bearer ${key}`;
  if (body) headers["Content-Type"] = "application/json";
  output.textContent = "…";
  output.className = "";
  try {
    const response = await fetch(address, { method: method.toUpperCase(), headers, body: body ? body.value : undefined });
    const head = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
    output.textContent = `${response.status} ${response.statusText}\n${head}\n\n${readable(await beginning(response))}`;
    if (!response.ok) output.className = "error";
  } catch (error) {
    output.textContent = `The call failed: ${error.message}`;
    output.className = "error";
  }
}

function form(specification, method, path, call) {
  const made = element("form");
  const inputs = (call.parameters || []).filter((parameter) => ["path", "query"].includes(parameter.in)).map((parameter) => {
    const input = element("input", parameter.required ? { required: "" } : {});
    made.append(element("label", {}, `${parameter.name} (${parameter.in}) `, input, ` ${parameter.description || ""}`));
    return { parameter, input };
  });
  let body = null;
  if (call.requestBody) {
    body = element("textarea", { spellcheck: "false", "aria-label": "Body of the request" });
    body.defaultValue = example(specification, call);
    bodies.push(body);
    made.append(body);
  }
  const output = element("pre", { hidden: "" });
  made.append(element("button", {}, "Send"), output);
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    output.hidden = false;
    make(method, path, inputs, body, output);
  });
  return made;
}

async function show() {
  const specification = await (await fetch("openapi.json")).json();
  document.getElementById("about").textContent = specification.info.description || "";
  const calls = document.getElementById("calls");
  calls.textContent = "";
  for (const [path, item] of Object.entries(specification.paths)) {
    for (const [method, call] of Object.entries(item)) {
      calls.append(element("details", {},
        element("summary", {}, element("span", { class: "method" }, method.toUpperCase()), element("code", {}, path),
          element("span", { class: "what" }, call.summary || "")),
        element("p", {}, call.description || ""), answers(call), form(specification, method, path, call)));
    }
  }
  document.getElementById("key").addEventListener("change", () => suggest().catch(() => {}));
  // Without a key, or without a database, the example of the document stays.
  await suggest().catch(() => {});
}

show().catch((error) => {
  document.getElementById("calls").textContent = `openapi.json could not be read: ${error.message}`;
});
