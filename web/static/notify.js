// Tells of an ask in a notification of the system while the tab is in the background, if somebody wished it here.
// Sessions in Discord are left out: the bot pings for them, and one ask shall ping once.

import { byId, toast } from "./requests.js";

const button = byId("notify");
const known = new Set();
const open = () => document.querySelectorAll(".ask.open");
const isWished = () => localStorage.getItem("notify") === "on" && Notification.permission === "granted";

function tell(ask) {
  const row = ask.closest("li");
  const place = row?.querySelector("a").href ?? location.href;
  const title = (row?.querySelector("a") ?? byId("title")).textContent;
  try {
    // The same tag in several tabs is one notification.
    const told = new Notification(title, { body: ask.querySelector("h2").textContent, tag: ask.id });
    told.onclick = () => { window.focus(); if (place !== location.href) location.href = place; told.close(); };
  } catch { /* a phone's browser takes notifications from service workers only */ }
}

export function tellOfAsks() {
  for (const ask of open()) {
    if (known.has(ask.id)) continue;
    known.add(ask.id);
    if (document.hidden && "Notification" in window && isWished() && !ask.closest("[data-pings]")) tell(ask);
  }
}

function show() {
  button.hidden = !("Notification" in window);
  if (!button.hidden) button.textContent = isWished() ? "Do not tell me of asks here" : "Tell me of asks while this tab is in the background";
}

// Asks that the page came with are no news.
for (const ask of open()) known.add(ask.id);
if (button) {
  show();
  button.addEventListener("click", async () => {
    const wishes = !isWished();
    if (wishes && await Notification.requestPermission() !== "granted") {
      toast("The browser does not allow it for this page. Change that in its settings.");
      return;
    }
    localStorage.setItem("notify", wishes ? "on" : "off");
    show();
  });
}
