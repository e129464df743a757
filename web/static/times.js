// Shows moments in the reader's time zone; the server knows UTC only.

const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
for (const each of document.querySelectorAll("time")) each.textContent = format.format(new Date(each.dateTime));
