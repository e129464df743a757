// The files of the next prompt: chosen, photographed, pasted or dropped.

import { base, byId, ofSession, toast } from "./requests.js";

export const chosen = [];
let added = 0;

function add(files) {
  for (const file of files) {
    // The server's bound, said before 25 MB are sent for nothing.
    if (file.size > 25 * 2 ** 20) { toast(`${file.name} is larger than 25 MB.`); continue; }
    // Pasted pictures are all called the same.
    const twins = chosen.filter((each) => each.name === file.name).length;
    chosen.push({ file, name: twins ? `${twins}-${file.name}` : file.name, id: added += 1 });
  }
  listFiles();
}

export function listFiles() {
  byId("files")?.replaceChildren(...chosen.map(({ name }, index) => {
    const item = document.createElement("li");
    const away = document.createElement("button");
    away.type = "button";
    away.setAttribute("aria-label", `Leave ${name} out`);
    away.append("×");
    away.addEventListener("click", () => { chosen.splice(index, 1); listFiles(); });
    item.append(name, away);
    return item;
  }));
}

// Each file is an act of its own, with a key that is the same when the prompt is sent again.
export async function stored(key, session) {
  const done = [];
  for (const { file, name, id } of chosen) {
    const headers = { "Idempotency-Key": `${key}-file-${id}`, "Content-Type": file.type || "application/octet-stream" };
    const address = `${base}/api/${ofSession(`attachments/${encodeURIComponent(name)}`, session)}`;
    const response = await fetch(address, { method: "PUT", headers, body: file });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.title);
    done.push(answer);
  }
  return done;
}

if (byId("attach")) {
  // Emptied, because choosing the same file again would be no change.
  byId("attach").addEventListener("change", ({ target }) => { add(target.files); target.value = ""; });
  document.addEventListener("paste", ({ clipboardData }) => add(clipboardData.files));
  // Without this the browser opens a dropped file in place of the page.
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => { event.preventDefault(); add(event.dataTransfer.files); });
}
