// A comment on a line of a diff: the form goes below the line that somebody chose.

import { byId } from "./requests.js";

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
    if (row && !String(getSelection())) place(row);
    if (target.id === "leave") {
      form.hidden = true;
      document.body.append(form);
      for (const old of document.querySelectorAll("tr.writing")) old.remove();
    }
  });
}
