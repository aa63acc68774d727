// The files of an export that was delivered into a destination.

import { call } from "./api.js";
import { ask, count, h, problem, size } from "./dom.js";
import { download } from "./run.js";

const SHOWN = 200;

/** Lists them, each to be downloaded. */
export async function filesDialog(job) {
  const { files } = await call(`/exports/${job.exportId}/files`);
  return ask("Files", (close) => {
    const wrong = h("div", {});
    const get = (file) => download(job, file.number).catch((error) => wrong.replaceChildren(problem(error)));
    return [
      h("p", { class: "hint" }, `In ${job.delivered.destination}, folder ${job.delivered.folder}`),
      h("ul", { class: "terms files" }, files.slice(0, SHOWN).map((file) => h("li", {},
        h("span", {}, file.path, h("small", {}, ` ${count(file.rows)} rows, ${size(file.bytes)}`)),
        h("button", { type: "button", class: "quiet", "aria-label": `Download ${file.path}`, onclick: () => get(file) }, "Download")))),
      files.length > SHOWN ? h("p", { class: "hint" }, `The first ${SHOWN} of ${count(files.length)}; polyglot and the API have all.`) : "",
      wrong,
      h("p", { class: "actions" }, h("button", { type: "button", onclick: () => close(null) }, "Close"))];
  });
}
