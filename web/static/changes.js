// Applies the changes that the server sends. Nothing here makes HTML: the server does, and the browser takes it
// only through the policy below.

import { byId } from "./requests.js";

// The page's header allows one policy, by this name and once: no other code can turn a string into HTML.
const policy = window.trustedTypes
  ? trustedTypes.createPolicy("server-html", { createHTML: (html) => html })
  : { createHTML: (html) => html };

// The elements of a piece of HTML, or of a whole page.
export function contentOf(html) {
  // The content of a template is inert: nothing loads or runs before it is put into the page.
  const template = document.createElement("template");
  template.innerHTML = policy.createHTML(html);
  return template.content;
}

const elementOf = (html) => contentOf(html).firstElementChild;

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

// The name of a fold or field that stays the same when others appear before it: the element with an id that it is
// in, its own words, and its place among those of the same name. A fold whose words change has an id of its own.
function named(elements, wordsOf) {
  const seen = new Map(), names = new Map();
  for (const each of elements) {
    const name = each.id || `${each.closest("[id]")?.id} ${wordsOf(each)}`;
    const before = seen.get(name) ?? 0;
    seen.set(name, before + 1);
    names.set(`${name} ${before}`, each);
  }
  return names;
}

const foldsOf = (element) => named(element.querySelectorAll("details"), (each) => each.querySelector("summary").textContent);
const fieldsOf = (element) => named(
  element.querySelectorAll("input:not([type=hidden]):not([type=file]), textarea, select"),
  (each) => `${each.name || each.getAttribute("aria-label")} ${/radio|checkbox/.test(each.type) ? each.value : ""}`,
);

// What only the browser knows goes along: folds that were opened or closed, words and choices that are not sent yet.
export function keepOpen(old, fresh) {
  const folds = foldsOf(old), fields = fieldsOf(old);
  for (const [name, each] of foldsOf(fresh)) if (folds.has(name)) each.open = folds.get(name).open;
  for (const [name, each] of fieldsOf(fresh)) {
    const typed = fields.get(name);
    if (!typed) continue;
    if (/radio|checkbox/.test(each.type)) { if (typed.checked !== typed.defaultChecked) each.checked = typed.checked; }
    else if (typed.defaultValue !== undefined && typed.value !== typed.defaultValue) each.value = typed.value;
  }
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
  // One text node grows: setting the whole text anew would take longer with each piece.
  element.lastElementChild.firstChild.appendData(text);
}

function settle({ id, html, tail }) {
  const element = byId(id);
  if (!element) return;
  element.firstElementChild.append(contentOf(html));
  element.lastElementChild.firstChild.data = tail;
}

// The HTML as it came. `outerHTML` of an element in the page differs once somebody opens a fold in it.
const sources = new WeakMap();

function children({ id, html }) {
  const place = byId(id);
  if (!place) return;
  reconcile(place, [...contentOf(html).children]);
}

const rowsOf = (element) => element.querySelector(":scope > ul");

// Lets `place` have the elements `wanted`; one that is the same, or that somebody answers in, is not touched. In a
// group of rows each row is looked at by itself.
function reconcile(place, wanted) {
  const names = new Set(wanted.map((each) => each.id));
  for (const old of [...place.children]) if (!names.has(old.id)) old.remove();
  wanted.forEach((fresh, index) => {
    const old = byId(fresh.id), source = fresh.outerHTML;
    let shown = old;
    if (old && (old.parentElement !== place || !rowsOf(old) || !rowsOf(fresh))) {
      const same = (sources.get(old) ?? old.outerHTML) === source;
      if (!same && !isAnswering(old, fresh)) {
        keepOpen(old, fresh);
        old.remove();
        shown = fresh;
      }
    } else if (old) {
      old.querySelector(":scope > h2").textContent = fresh.querySelector(":scope > h2").textContent;
      reconcile(rowsOf(old), [...rowsOf(fresh).children]);
    } else {
      shown = fresh;
    }
    if (shown === fresh) sources.set(fresh, source);
    if (place.children[index] !== shown) place.insertBefore(shown, place.children[index] ?? null);
  });
}

export function apply(change) {
  switch (change.type) {
    case "put": put(change); break;
    case "grow": grow(change); break;
    case "settle": settle(change); break;
    case "remove": byId(change.id)?.remove(); break;
    case "children": children(change); break;
    case "stale": document.dispatchEvent(new CustomEvent("stale", { detail: change.id })); break;
  }
}
