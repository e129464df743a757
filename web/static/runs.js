// The page of a run is read again when the run or its open asks change, unless somebody writes on it.

import { base, byId } from "./requests.js";

const changes = ["run_changed", "ask_opened", "ask_decided", "ask_withdrawn"];
const run = document.querySelector("[data-run]");

function isWritten() {
  const fields = [...document.querySelectorAll("main textarea, main [data-ask] input:not([type=radio])")];
  return fields.some((field) => field.value !== field.defaultValue) || fields.includes(document.activeElement);
}

if (run) {
  // The browser reconnects by itself, and sends the number of its last event in a header.
  const events = new EventSource(`${base}/api/sessions/${run.dataset.run}/events?after=${run.dataset.after}`);
  events.addEventListener("event", ({ data }) => {
    if (!changes.includes(JSON.parse(data).event.type)) return;
    if (isWritten()) byId("stale").hidden = false;
    else location.reload();
  });
  addEventListener("pagehide", () => events.close());
}
