// A comment on a line of a diff: the form goes below the line that somebody chose. Comments of others come in while
// the page is open.

import { contentOf, keepOpen } from "./changes.js";
import { byId } from "./requests.js";
import { localise } from "./times.js";

const form = byId("comment");

function place(row) {
  const fields = form.elements;
  fields.path.value = row.closest("[data-path]").dataset.path;
  fields.line.value = row.dataset.line;
  fields.isRemoved.value = row.classList.contains("removed");
  fields.snippet.value = row.cells[2].textContent;
  const below = document.createElement("tr");
  below.className = "writing";
  const cell = below.insertCell();
  cell.colSpan = 3;
  cell.append(form);
  for (const old of document.querySelectorAll("tr.writing")) old.remove();
  row.after(below);
  form.hidden = false;
  fields.text.focus();
}

if (form) {
  document.addEventListener("click", ({ target }) => {
    const row = target.closest("tr[data-line]");
    // Somebody who selects text wants to copy it, not to comment.
    if (row && !String(getSelection())) place(row);
    if (target.id === "leave") {
      form.hidden = true;
      document.body.append(form);
      for (const old of document.querySelectorAll("tr.writing")) old.remove();
    }
  });
}

// The line of a diff that a row of comments stands below.
const lineOf = (row) => `${row.closest("[data-path]").dataset.path} ${row.className} ${row.querySelector(".no").textContent}`;

function lineAbove(notes) {
  const above = notes.previousElementSibling;
  return above.classList.contains("writing") ? above.previousElementSibling : above;
}

// Takes the comments over from the page as it is now. The lines of a turn's changes stay the same, so does the form.
function takeOver(old, fresh) {
  const lines = new Map([...old.querySelectorAll("tr:not(.notes, .writing, .place)")].map((row) => [lineOf(row), row]));
  const notes = [...fresh.querySelectorAll("tr.notes")].map((row) => [lineOf(lineAbove(row)), row]);
  for (const row of old.querySelectorAll("tr.notes")) row.remove();
  for (const [line, row] of notes) lines.get(line)?.after(row);
  const tray = old.querySelector(".tray"), next = fresh.querySelector(".tray");
  if (tray && next) keepOpen(tray, next);
  if (tray?.contains(document.activeElement) && next?.querySelector("#note")) {
    // Somebody writes the words before the comments: only the list of them changes.
    tray.querySelector("h2").textContent = next.querySelector("h2").textContent;
    tray.querySelector("ul").replaceWith(next.querySelector("ul"));
  } else {
    tray?.remove();
    if (next) old.append(next);
  }
  localise();
}

let reading = null;

// Several changes at once are read once; one that comes meanwhile is read afterwards.
async function readAgain(old) {
  if (reading) { reading.again = true; return; }
  reading = { again: false };
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (answer.ok) takeOver(old, contentOf(await answer.text()).getElementById("review"));
  } catch { /* the connection broke; what was missed comes with the next one */ }
  const { again } = reading;
  reading = null;
  if (again) await readAgain(old);
}

document.addEventListener("stale", ({ detail }) => {
  const old = byId(detail);
  if (old) readAgain(old);
});
