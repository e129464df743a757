// The page of a run is read again when the run changes, unless somebody writes on it.

import { base, byId } from "./requests.js";

const run = document.querySelector("[data-run]");

function isWritten() {
  const fields = [...document.querySelectorAll("main textarea")];
  return fields.some((field) => field.value !== field.defaultValue) || fields.includes(document.activeElement);
}

if (run) {
  const events = new EventSource(`${base}/api/sessions/${run.dataset.run}/events?after=${run.dataset.after}`);
  events.addEventListener("event", ({ data }) => {
    if (JSON.parse(data).event.type !== "run_changed") return;
    if (isWritten()) byId("stale").hidden = false;
    else location.reload();
  });
  addEventListener("pagehide", () => events.close());
}
