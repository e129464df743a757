// Buttons and forms. A button says in its data attributes which request it sends.

import { chosen, listFiles, stored } from "./attachments.js";
import { base, byId, doing, forgetKey, keyOf, ofSession, open, send, toast } from "./requests.js";

function decide(ask, button, decision) {
  const chat = button.closest("[data-chat]")?.dataset.chat; // in the list each ask names its session
  const act = () => send("POST", ofSession(`asks/${ask}/decision`, chat), JSON.stringify({ decision }));
  // Somebody was faster: the card itself says who, where and when.
  return doing(button, () => act().catch((error) => { if (error.code !== "already_decided") throw error; }));
}

function valueOf(field) {
  if (field.type === "checkbox") return field.checked;
  if (field.name === "line") return Number(field.value);
  return field.name === "isRemoved" ? field.value === "true" : field.value;
}

const place = () => document.querySelector("[data-of]").dataset.of;

// The fields of a form as the body of a request; a box is true or false.
function wishOf(form) {
  const wish = {};
  for (const field of form.elements) if (field.name) wish[field.name] = valueOf(field);
  return wish;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const { act, path, body, sure, decision, note, end, all, then, said } = button.dataset;
  const ask = button.closest("[data-ask]")?.dataset.ask;
  if (sure && !confirm(sure)) return;
  if (button.dataset.print) print();
  if (decision) await decide(ask, button, JSON.parse(decision));
  if (note) {
    const words = button.parentElement.querySelector("input").value.trim();
    if (!words) { toast("Write some words for Claude first."); return; }
    button.parentElement.querySelector("input").blur();
    await decide(ask, button, { type: note, note: words });
  }
  if (act) {
    const done = await doing(button, () => send(act, ofSession(path), body).catch((error) => {
      // Some refusals are questions: the same act once more, with a yes.
      if (error.code !== button.dataset.asks || !confirm(`${error.message} Go on all the same?`)) throw error;
      return send(act, ofSession(button.dataset.anyway), body);
    }));
    if (done && path === "branch" && act === "POST") open(`/chat/${done.id}`);
    else if (done && act === "DELETE" && path === "") open("/");
    else if (done && then) open(then, said);
  }
  if (all && await doing(button, () => send("POST", all))) location.reload();
  if (end) { if (await doing(button, () => send("DELETE", end))) location.reload(); }
});

// Begins a session. Files belong to a session, so with files it is made first; each step can be sent again.
async function begun(data, key) {
  const wish = { prompt: data.get("prompt"), project: data.get("project"), model: data.get("model") };
  if (data.get("mode")) wish.mode = data.get("mode");
  if (!chosen.length) return send("POST", "sessions", JSON.stringify(wish), key);
  const made = await send("POST", "sessions", JSON.stringify({ ...wish, prompt: "" }), key);
  const attachments = await stored(key, made.id);
  const message = JSON.stringify({ content: wish.prompt, attachments });
  await send("POST", ofSession("messages", made.id), message, `${key}-prompt`);
  return made;
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.getAttribute("method") === "get" || form.matches(".by-form")) return;
  event.preventDefault();
  const button = form.querySelector("button");
  const data = new FormData(form);
  if (form.id === "composer") {
    const field = form.elements.prompt;
    const text = field.value;
    const key = keyOf(form, `${text} ${chosen.map(({ id }) => id)}`);
    const done = await doing(button, async () => {
      const attachments = await stored(key);
      return send("POST", ofSession("messages"), JSON.stringify({ content: text, attachments }), key);
    });
    // The words stay until they have arrived; the key too, so that a second try is no second prompt.
    if (done) { field.value = ""; forgetKey(form); chosen.length = 0; listFiles(); fit(field); }
  } else if (form.matches(".change")) {
    const name = form.dataset.changes;
    if (await doing(button, () => send("PATCH", ofSession(""), JSON.stringify({ [name]: data.get(name) })))) toast("Changed.");
  } else if (form.dataset.post) {
    const { post, to, opens, method, stays, said } = form.dataset;
    const wish = JSON.stringify(wishOf(form)), key = keyOf(form, wish);
    const done = await doing(button, () => send(method ?? "POST", ofSession(post, to), wish, key));
    if (done && stays) { document.activeElement.blur(); form.closest("details").open = false; }
    else if (done) open(opens ? `/chat/${to ?? done.id ?? place()}` : ".", said);
    if (done) forgetKey(form);
  } else if (form.id === "new") {
    const key = keyOf(form, `${[...data.values()]} ${chosen.map(({ id }) => id)}`);
    const done = await doing(button, () => begun(data, key));
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

function fit(field) {
  field.style.height = "auto";
  field.style.height = `${Math.min(field.scrollHeight + 2, innerHeight * 0.4)}px`;
}

document.addEventListener("input", (event) => { if (event.target.matches("textarea")) fit(event.target); });
document.addEventListener("keydown", (event) => {
  // On a phone Enter is a new line: there is a button.
  // `isComposing`: in an input method Enter accepts the word that is being written.
  const sends = event.key === "Enter" && !event.shiftKey && !event.isComposing && matchMedia("(pointer: fine)").matches;
  if (sends && event.target.matches("textarea")) { event.preventDefault(); event.target.form.requestSubmit(); }
});

// On paper nothing can be opened: what tools did is printed, too.
addEventListener("beforeprint", () => { for (const each of document.querySelectorAll("#turns details")) each.open = true; });
