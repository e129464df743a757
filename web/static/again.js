// *Ask again*: if the last answer changed files, first the question whether to put them back; the server has its words.

import { byId, doing, newKey, ofSession, send, toast } from "./requests.js";

const dialog = byId("again");

async function ask(button) {
  const turn = button.dataset.again, path = ofSession(`turns/${turn}/rewind`);
  const looked = await doing(button, () => send("POST", path, JSON.stringify({ dryRun: true })));
  if (!looked) return;
  if (!looked.question) { await again(button, ""); return; }
  byId("again-words").textContent = looked.question;
  dialog.dataset.turn = turn;
  dialog.showModal();
}

// The key is that of one choice: sent again after a broken connection, it asks Claude once.
async function again(button, turn, key = newKey()) {
  const query = turn ? `?putBack=${encodeURIComponent(turn)}` : "";
  return doing(button, () => send("POST", ofSession(`regenerate${query}`), undefined, key));
}

if (dialog) {
  document.addEventListener("click", ({ target }) => {
    const button = target.closest?.("button[data-again]");
    if (button) ask(button);
  });
  byId("again-back").addEventListener("click", async ({ target }) => {
    if (await again(target, dialog.dataset.turn)) toast("Put back; Claude is asked again.");
    dialog.close();
  });
  byId("again-keep").addEventListener("click", async ({ target }) => { await again(target, ""); dialog.close(); });
  byId("again-leave").addEventListener("click", () => dialog.close());
}
