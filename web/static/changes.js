// Applies the changes that the server sends. Nothing here makes HTML: the server does, and the browser takes it
// only through the policy below.

import { byId } from "./requests.js";

const policy = window.trustedTypes
  ? trustedTypes.createPolicy("server-html", { createHTML: (html) => html })
  : { createHTML: (html) => html };

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
    if (old.contains(document.activeElement) && old.querySelector("[data-post]")) {
      // Somebody edits a waiting prompt. Once it is sent, their words go to the field for the next one.
      if (fresh.querySelector("[data-post]")) return;
      const typed = old.querySelector("textarea"), next = byId("prompt");
      if (next && !next.value && typed.value !== typed.defaultValue) next.value = typed.value;
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

// Somebody types an answer in here, and the ask is still open: the old element stays until they are done.
function isAnswering(old, fresh) {
  const ask = old.contains(document.activeElement) && document.activeElement.closest("[data-ask]")?.dataset.ask;
  return Boolean(ask) && [...fresh.querySelectorAll("[data-ask]")].some((each) => each.dataset.ask === ask);
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
    if (old && (old.outerHTML === fresh.outerHTML || isAnswering(old, fresh))) {
      if (place.children[index] !== old) place.insertBefore(old, place.children[index] ?? null);
    } else {
      if (old) { keepOpen(old, fresh); old.remove(); }
      place.insertBefore(fresh, place.children[index] ?? null);
    }
  });
}

export function apply(change) {
  switch (change.type) {
    case "put": put(change); break;
    case "grow": grow(change); break;
    case "settle": settle(change); break;
    case "remove": byId(change.id)?.remove(); break;
    case "children": children(change); break;
  }
}
