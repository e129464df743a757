// Shows moments in the reader's time zone; the server knows UTC only.

const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export function localise() {
  for (const each of document.querySelectorAll("time:not([data-local])")) {
    each.textContent = format.format(new Date(each.dateTime));
    each.dataset.local = "1";
  }
}

localise();
