// The format, its options with what each does, compression, and the name of the file.

import { field, h } from "./dom.js";

/** `known` is formats.json; `changed` gets the members of the state that are new. */
export function formatPanel(known, state, changed) {
  const options = h("div", { class: "options" });
  const choice = h("select", {}, known.formats.map((format) => h("option", { value: format.name }, format.title)));
  choice.value = state.format;
  const packing = h("select", {}, h("option", { value: "" }, "none"), known.compressions.map(({ name }) => h("option", { value: name }, name)));
  packing.value = state.compression ?? "";
  packing.addEventListener("change", () => changed({ compression: packing.value || null }));
  const packingField = field("Compression of the file", packing);
  const filename = h("input", { type: "text", value: state.filename ?? "", maxLength: 200, placeholder: "the dataset's name", spellcheck: false });
  filename.addEventListener("input", () => changed({ filename: filename.value.trim() || null }));

  function draw() {
    const format = known.formats.find((each) => each.name === choice.value);
    packingField.hidden = !format.text;
    options.replaceChildren(...format.options.map((option) => optionField(option, state.options[option.name], (value) => {
      const given = { ...state.options };
      if (value === null) delete given[option.name];
      else given[option.name] = value;
      state.options = given;
      changed({ options: given });
    })));
  }

  choice.addEventListener("change", () => {
    const text = known.formats.find((each) => each.name === choice.value).text;
    if (!text) packing.value = "";
    changed({ format: choice.value, options: {}, compression: text ? state.compression : null });
    draw();
  });
  draw();
  return h("section", { class: "panel", "aria-label": "Format and file" },
    field("Format", choice), packingField, field("Name of the file", filename),
    h("details", {}, h("summary", {}, "Options of the format"), options));
}

function optionField(option, value, given) {
  const shown = option.default === null || option.default === undefined ? "" : String(option.default);
  if (option.type === "boolean" || option.choices) {
    const choices = option.choices ?? ["true", "false"];
    const choice = h("select", {}, h("option", { value: "" }, shown ? `usual (${shown})` : "usual"), choices.map((each) => h("option", { value: each }, String(each))));
    choice.value = value === undefined ? "" : String(value);
    choice.addEventListener("change", () => given(choice.value === "" ? null : option.type === "boolean" ? choice.value === "true" : choice.value));
    return field(words(option.name), choice, option.about);
  }
  const list = option.type === "array";
  const input = h("input", { type: "text", value: list && value ? value.join(", ") : value ?? "", placeholder: shown, spellcheck: false });
  input.addEventListener("input", () => given(input.value === "" ? null : typed(option, input.value)));
  return field(words(option.name), input, list ? `${option.about} Commas stand between.` : option.about);
}

function typed(option, text) {
  if (option.type === "array") return text.split(",").map((each) => each.trim()).filter(Boolean);
  return option.type === "integer" && /^-?\d+$/.test(text.trim()) ? Number(text) : text;
}

/** `nullString` as people say it. */
function words(name) {
  const text = name.replace(/([A-Z])/g, " $1").toLowerCase();
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Fields for the parameters of a configured query. */
export function parametersPanel(dataset, values, changed) {
  if (!dataset.parameters.length) return null;
  const fields = dataset.parameters.map((parameter) => {
    const list = parameter.type.endsWith("[]");
    const input = h(list ? "textarea" : "input", {
      type: list ? null : { date: "date" }[parameter.type] ?? "text",
      value: list ? (values[parameter.name] ?? []).join("\n") : values[parameter.name] ?? "",
      required: parameter.required, placeholder: parameter.default === null ? "" : String(parameter.default),
    });
    input.addEventListener("input", () => {
      const given = { ...values };
      if (input.value === "") delete given[parameter.name];
      else given[parameter.name] = list ? input.value.split("\n").filter((line) => line !== "") : input.value;
      values = given;
      changed(given);
    });
    const about = [parameter.comment, parameter.type + (list ? ", one in each line" : ""), parameter.required ? "must be given" : null];
    return field(parameter.name, input, about.filter(Boolean).join(" – "));
  });
  return h("section", { class: "panel", "aria-label": "Parameters" }, h("h3", {}, "Parameters"), fields);
}
