// Arranges the turns on the page: of several answers to one prompt one is in view, and the next prompt follows it;
// waiting prompts stand in the order of the queue. Without scripts all answers are there, one below the other.

import { byId, doing, ofSession, send } from "./requests.js";

const MOST_TURNS = 60;
const KEPT_TURNS = 30;
const picked = new Map();
const known = new Map();

export function arrange() {
  const turns = byId("turns");
  if (!turns) return;
  const { on, queue } = byId("status").dataset;
  const waiting = queue ? queue.split(" ") : [];
  waiting.forEach((id, place) => {
    const turn = byId(`t-${id}`);
    if (!turn) return;
    if (turns.children[turns.children.length - waiting.length + place] !== turn) turns.append(turn);
    const words = turn.querySelector(".in-line");
    const front = turn.querySelector("button[data-path$='/front']");
    if (front) front.hidden = !place;
    if (words) words.textContent = place ? ` · ${place + 1} in line` : " · next";
  });
  trim(turns);
  const groups = new Map();
  for (const turn of turns.children) {
    const root = turn.dataset.group;
    if (!root || turn.querySelector(":scope > header.withdrawn")) continue;
    groups.set(root, [...(groups.get(root) ?? []), turn]);
  }
  const last = [...groups.keys()].pop();
  for (const [root, answers] of groups) show(root, answers, root === last, on);
}

// A page that is open for days would grow for ever: older turns are one link away.
function trim(turns) {
  if (turns.children.length <= MOST_TURNS) return;
  while (turns.children.length > KEPT_TURNS) turns.firstElementChild.remove();
  let line = document.querySelector(".older");
  if (!line) {
    line = document.createElement("p");
    line.className = "older";
    const link = document.createElement("a");
    link.append("Earlier turns");
    line.append(link);
    turns.before(line);
  }
  line.firstElementChild.href = `?before=${turns.firstElementChild.dataset.number}`;
}

function show(root, answers, isLast, on) {
  const ids = answers.map((each) => each.id.slice(2));
  // A new answer comes into view; so does one that somebody chose, here or elsewhere.
  if (known.get(root) !== `${ids} ${isLast && on}`) picked.delete(root);
  known.set(root, `${ids} ${isLast && on}`);
  const linked = ids.indexOf(location.hash.slice(3));
  const chosen = ids.indexOf(picked.get(root) ?? (isLast && on ? on : ids[linked] ?? ids.at(-1)));
  answers.forEach((turn, index) => {
    turn.hidden = index !== (chosen < 0 ? answers.length - 1 : chosen);
    turn.classList.toggle("at-end", isLast && !turn.hidden);
    pager(turn, answers, index, isLast);
  });
}

function pager(turn, answers, index, isLast) {
  let nav = turn.querySelector(":scope > footer .pager");
  if (answers.length < 2) { nav?.remove(); return; }
  if (!nav) {
    nav = document.createElement("nav");
    nav.className = "pager";
    nav.setAttribute("aria-label", "Answers to this prompt");
    const [back, place, next] = ["button", "span", "button"].map((kind) => document.createElement(kind));
    back.append("‹");
    next.append("›");
    back.setAttribute("aria-label", "The answer before");
    next.setAttribute("aria-label", "The next answer");
    nav.append(back, place, next);
    turn.querySelector(":scope > footer").append(nav);
  }
  const [back, place, next] = nav.children;
  place.textContent = `${index + 1}/${answers.length}`;
  for (const [button, to] of [[back, index - 1], [next, index + 1]]) {
    button.type = "button";
    button.disabled = !answers[to];
    // Assigned, not added: the pager stays, and its buttons get new targets each time.
    button.onclick = () => pick(button, turn.dataset.group, answers[to], turn, isLast);
  }
}

async function pick(button, root, answer, from, isLast) {
  const id = answer.id.slice(2);
  if (isLast && byId("composer")) {
    // The answer in view is the one that the next prompt follows; if that is refused, the view stays.
    if (!await doing(button, () => send("POST", ofSession(`turns/${id}/go-on`)))) return;
  }
  picked.set(root, id);
  arrange();
  answer.querySelector(".pager button:not(:disabled)")?.focus({ preventScroll: true });
}

arrange();
