// The live part of the pages: applies the changes that the server sends, and sends what people do.
// Nothing here makes HTML: the server does, and the browser takes it only through the policy below.

const base = document.body.dataset.base;
const policy = window.trustedTypes
  ? trustedTypes.createPolicy("server-html", { createHTML: (html) => html })
  : { createHTML: (html) => html };
const byId = (id) => document.getElementById(id);

// --- what the server sends -----------------------------------------------------------------------------

function elementOf(html) {
  const template = document.createElement("template");
  template.innerHTML = policy.createHTML(html);
  return template.content.firstElementChild;
}

function put({ id, html, parent, before, once }) {
  const old = byId(id);
  if (old && once) return;
  const fresh = elementOf(html);
  if (old) {
    if (old.contains(document.activeElement) && old.matches("[data-ask], .ask.open")) {
      // Somebody types an answer in here: only a closed ask takes that away.
      if (fresh.classList.contains("open")) return;
    }
    keepOpen(old, fresh);
    old.replaceWith(fresh);
  } else {
    const place = byId(parent);
    if (place) place.insertBefore(fresh, before ? byId(before) : null);
  }
}

function keepOpen(old, fresh) {
  const opened = [...old.querySelectorAll("details")].map((each) => each.open);
  [...fresh.querySelectorAll("details")].forEach((each, index) => { each.open = opened[index] ?? each.open; });
}

function grow({ id, parent, kind, text, fresh }) {
  let element = byId(id);
  if (fresh && element) { element.remove(); element = null; }
  if (!element) {
    const place = byId(parent);
    if (!place) return;
    element = document.createElement("div");
    element.id = id;
    element.className = `block ${kind} growing`;
    const settled = document.createElement("div");
    settled.className = "settled";
    const tail = document.createElement("div");
    tail.className = "tail";
    tail.append(document.createTextNode(""));
    element.append(settled, tail);
    place.append(element);
  }
  element.lastElementChild.firstChild.appendData(text);
}

function settle({ id, html, tail }) {
  const element = byId(id);
  if (!element) return;
  const template = document.createElement("template");
  template.innerHTML = policy.createHTML(html);
  element.firstElementChild.append(template.content);
  element.lastElementChild.firstChild.data = tail;
}

function children({ id, html }) {
  const place = byId(id);
  if (!place) return;
  const template = document.createElement("template");
  template.innerHTML = policy.createHTML(html);
  const wanted = [...template.content.children];
  const names = new Set(wanted.map((each) => each.id));
  for (const old of [...place.children]) if (!names.has(old.id)) old.remove();
  wanted.forEach((fresh, index) => {
    const old = byId(fresh.id);
    if (old && old.outerHTML === fresh.outerHTML) {
      if (place.children[index] !== old) place.insertBefore(old, place.children[index] ?? null);
    } else {
      if (old) old.remove();
      place.insertBefore(fresh, place.children[index] ?? null);
    }
  });
}

function apply(change) {
  switch (change.type) {
    case "put": put(change); break;
    case "grow": grow(change); break;
    case "settle": settle(change); break;
    case "remove": byId(change.id)?.remove(); break;
    case "children": children(change); break;
  }
}

function applyAll(changes) {
  const down = session && window.innerHeight + window.scrollY > document.body.scrollHeight - 120;
  for (const change of changes) apply(change);
  // Only who is at the end is taken along; who reads further up stays there.
  if (down) window.scrollTo(0, document.body.scrollHeight);
}

const session = document.querySelector("[data-session]");
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
      break;
    case "event":
      applyAll(frame.changes);
      if (frame.sub === "s" && frame.n !== null) after = frame.n;
      break;
    case "closed": broken("You may not see this any more, or it is gone."); break;
  }
}

function say(message) { if (socket?.readyState === 1) socket.send(JSON.stringify(message)); }

function lost(code) {
  if (code === 4401) { broken("Your login has ended. Log in again."); return; }
  broken("The connection broke. Trying again …");
  tries += 1;
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
  for (const event of ["pageshow", "online"]) addEventListener(event, look);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
  setInterval(() => { if (heard && Date.now() - heard > 2500 * beat) look(); }, 5000);
  if (session) window.scrollTo(0, document.body.scrollHeight);
}

// --- what people do ------------------------------------------------------------------------------------

const newKey = () => crypto.randomUUID?.() ?? [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16)).join("");

function toast(words) {
  byId("toast").textContent = words;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => { byId("toast").textContent = ""; }, 6000);
}

async function send(method, path, body, key = newKey()) {
  const headers = { "Idempotency-Key": key };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  for (let attempt = 0; ; attempt += 1) {
    try {
      response = await fetch(`${base}/api/${path}`, { method, headers, body });
      break;
    } catch {
      // The same key again: what did arrive is not done twice.
      if (attempt === 4) throw new Error("The bridge does not answer. Nothing is lost: try again.");
      await new Promise((done) => setTimeout(done, 300 * 2 ** attempt));
    }
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw Object.assign(new Error(answer.title ?? "The request was refused."), answer);
  return answer;
}

async function doing(button, act) {
  if (button) button.disabled = true;
  try { return await act(); } catch (error) { toast(error.message); return undefined; } finally {
    if (button) button.disabled = false;
  }
}

const ofSession = (path) => `sessions/${session.dataset.session}${path ? `/${path}` : ""}`;

function decide(ask, button, decision) {
  return doing(button, () => send("POST", ofSession(`asks/${ask}/decision`), JSON.stringify({ decision })));
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const { act, path, body, sure, decision, note, end, all } = button.dataset;
  const ask = button.closest("[data-ask]")?.dataset.ask;
  if (sure && !confirm(sure)) return;
  if (decision) await decide(ask, button, JSON.parse(decision));
  if (note) {
    const words = button.parentElement.querySelector("input").value.trim();
    if (!words) { toast("Write some words for Claude first."); return; }
    button.parentElement.querySelector("input").blur();
    await decide(ask, button, { type: note, note: words });
  }
  if (act) {
    const done = await doing(button, () => send(act, ofSession(path), body));
    if (done && path === "branch") location.href = `${base}/chat/${done.id}`;
    if (done && act === "DELETE" && path === "") location.href = `${base}/`;
  }
  if (all && await doing(button, () => send("POST", all))) location.reload();
  if (end) { if (await doing(button, () => send("DELETE", end))) location.reload(); }
});

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.matches(".search")) return;
  event.preventDefault();
  const button = form.querySelector("button");
  const data = new FormData(form);
  if (form.id === "composer") {
    const field = form.elements.prompt;
    const text = field.value;
    const key = form.dataset.key ??= newKey();
    const done = await doing(button, async () => {
      const attachments = await stored(key);
      return send("POST", ofSession("messages"), JSON.stringify({ content: text, attachments }), key);
    });
    // The words stay until they have arrived; the key too, so that a second try is no second prompt.
    if (done) { field.value = ""; delete form.dataset.key; chosen.length = 0; listFiles(); fit(field); }
  } else if (form.matches(".change")) {
    const name = form.dataset.changes;
    if (await doing(button, () => send("PATCH", ofSession(""), JSON.stringify({ [name]: data.get(name) })))) toast("Changed.");
  } else if (form.id === "new") {
    const key = form.dataset.key ??= newKey();
    const wish = { prompt: data.get("prompt"), project: data.get("project") };
    const done = await doing(button, () => send("POST", "sessions", JSON.stringify(wish), key));
    if (done) location.href = `${base}/chat/${done.id}`;
  } else if (form.id === "token") {
    const wish = { name: data.get("name"), scope: data.get("scope") };
    const done = await doing(button, () => send("POST", "tokens", JSON.stringify(wish)));
    if (done) {
      byId("secret").hidden = false;
      byId("secret").textContent = `Copy it now, it is shown this once: ${done.secret}`;
    }
  } else if (form.matches(".form")) {
    const values = {};
    for (const field of form.querySelectorAll("fieldset")) {
      values[field.dataset.field] = data.getAll(field.dataset.field).map(String);
    }
    document.activeElement.blur();
    await decide(form.dataset.ask, button, { type: "fill_form", values });
  } else if (form.matches(".questions")) {
    const answers = {};
    form.querySelectorAll("fieldset").forEach((field, number) => {
      const chosen = data.getAll(`q${number}`);
      const own = data.get(`own${number}`).trim();
      if (own) chosen.push(own);
      if (chosen.length) answers[field.dataset.question] = chosen.join(", ");
    });
    document.activeElement.blur();
    await decide(form.dataset.ask, button, { type: "answer", answers });
  }
});

// --- files of the next prompt: chosen, photographed, pasted or dropped -----------------------------------

const chosen = [];

function add(files) {
  for (const file of files) {
    if (file.size > 25 * 2 ** 20) { toast(`${file.name} is larger than 25 MB.`); continue; }
    // Pasted pictures are all called the same.
    const twins = chosen.filter((each) => each.name === file.name).length;
    chosen.push({ file, name: twins ? `${twins}-${file.name}` : file.name });
  }
  listFiles();
}

function listFiles() {
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

async function stored(key) {
  const done = [];
  for (const { file, name } of chosen) {
    const headers = { "Idempotency-Key": key, "Content-Type": file.type || "application/octet-stream" };
    const address = `${base}/api/${ofSession(`attachments/${encodeURIComponent(name)}`)}`;
    const response = await fetch(address, { method: "PUT", headers, body: file });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.title);
    done.push(answer);
  }
  return done;
}

if (byId("attach")) {
  byId("attach").addEventListener("change", ({ target }) => { add(target.files); target.value = ""; });
  document.addEventListener("paste", ({ clipboardData }) => add(clipboardData.files));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => { event.preventDefault(); add(event.dataTransfer.files); });
}

function fit(field) {
  field.style.height = "auto";
  field.style.height = `${Math.min(field.scrollHeight + 2, innerHeight * 0.4)}px`;
}

document.addEventListener("input", (event) => { if (event.target.matches("textarea")) fit(event.target); });
document.addEventListener("keydown", (event) => {
  // On a phone Enter is a new line: there is a button.
  const sends = event.key === "Enter" && !event.shiftKey && !event.isComposing && matchMedia("(pointer: fine)").matches;
  if (sends && event.target.matches("textarea")) { event.preventDefault(); event.target.form.requestSubmit(); }
});

// --- the login -----------------------------------------------------------------------------------------

if (byId("login")) {
  const code = location.hash.slice(1);
  history.replaceState(null, "", location.pathname + location.search);
  const next = new URLSearchParams(location.search).get("next") ?? "";
  const ask = (confirmed) => send("POST", "logins", JSON.stringify({ code, confirmed }));
  if (code) {
    doing(null, async () => {
      const { userId } = await ask(false);
      byId("who").textContent = `Log in as ${userId.replace(/^terminal:/, "")} in this browser?`;
      byId("confirm").hidden = false;
      byId("confirm").focus();
    });
    byId("confirm").addEventListener("click", () => doing(byId("confirm"), async () => {
      await ask(true);
      // Only a path of this page: an address elsewhere would be an open redirect.
      location.href = /^\/(?![/\\])/.test(next) && next.startsWith(`${base}/`) ? next : `${base}/`;
    }));
  }
}
