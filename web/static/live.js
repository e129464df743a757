// The socket of a tab: connects, resumes after the last event that the page has, and hands changes on.

import { apply } from "./changes.js";
import { tellOfAsks } from "./notify.js";
import { base, byId, session } from "./requests.js";
import { localise } from "./times.js";
import { arrange } from "./turns.js";

const list = document.querySelector("[data-list]");
let after = session ? Number(session.dataset.after) : 0;
let socket = null;
let heard = 0;
let beat = 20;
let tries = 0;

function connect() {
  if (socket && socket.readyState < 2) return;
  const address = new URL(`${base}/api/live`, location.href);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  const mine = socket = new WebSocket(address);
  // A socket that was replaced may still speak: only the newest one counts.
  mine.onmessage = ({ data }) => { if (mine === socket) take(JSON.parse(data)); };
  mine.onclose = ({ code }) => { if (mine === socket) lost(code); };
}

function take(frame) {
  heard = Date.now();
  switch (frame.type) {
    case "hello":
      tries = 0;
      beat = frame.beat_s;
      broken("");
      // What grew before is sent again from its beginning.
      for (const each of document.querySelectorAll(".growing")) each.remove();
      if (session) say({ type: "sub", sub: "s", session: session.dataset.session, after });
      if (list) say({ type: "sub", sub: "l" });
      if (document.hidden) say({ type: "look", visible: false });
      break;
    case "event":
      // The number follows the changes: if one of them fails, the event comes again.
      applyAll(frame.changes);
      if (frame.sub === "s" && frame.n !== null) after = frame.n;
      break;
    case "closed": broken("You may not see this any more, or it is gone."); break;
  }
}

function say(message) { if (socket?.readyState === 1) socket.send(JSON.stringify(message)); }

function lost(code) {
  // The server's code for an ended login: trying again would not help.
  if (code === 4401) { broken("Your login has ended. Log in again."); return; }
  broken("The connection broke. Trying again …");
  tries += 1;
  // Spread by chance: all tabs lose a bridge that restarts at the same moment.
  setTimeout(connect, Math.min(200 * 2 ** Math.min(tries, 6), 10000) * (0.75 + Math.random() / 2));
}

function broken(words) {
  let line = byId("broken");
  if (!line) {
    line = document.createElement("p");
    line.id = "broken";
    line.setAttribute("role", "status");
    document.querySelector(".top").append(line);
  }
  line.textContent = words;
}

function look() {
  // A phone that slept keeps a dead socket that says nothing.
  if (!socket || socket.readyState > 1) { connect(); return; }
  const asked = Date.now();
  say({ type: "ping" });
  setTimeout(() => { if (heard < asked) { const old = socket; socket = null; old.close(); connect(); } }, 1000);
}

if (session || list) {
  connect();
  // A phone that wakes a tab fires one of these, and not always the same one.
  for (const event of ["pageshow", "online"]) addEventListener(event, look);
  document.addEventListener("visibilitychange", () => {
    say({ type: "look", visible: !document.hidden });
    if (!document.hidden) look();
  });
  // Two and a half beats without a sign: one may be late, two are not.
  setInterval(() => { if (heard && Date.now() - heard > 2500 * beat) look(); }, 5000);
  // A link to a place has a fragment, which the browser follows.
  if (byId("turns") && !location.hash) toEnd(4);
}

// Turns out of view have no height of their own yet (content-visibility), so the end moves while they come into view.
function toEnd(frames) {
  window.scrollTo(0, document.body.scrollHeight);
  if (frames) requestAnimationFrame(() => toEnd(frames - 1));
}

function applyAll(changes) {
  const down = byId("turns") && window.innerHeight + window.scrollY > document.body.scrollHeight - 120;
  for (const change of changes) apply(change);
  arrange();
  localise();
  tellOfAsks();
  // Only who is at the end is taken along; who reads further up stays there.
  if (down) window.scrollTo(0, document.body.scrollHeight);
}
