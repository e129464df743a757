// The page's own facts, and requests to the API: what people do goes through `send`.

export const base = document.body.dataset.base;
export const byId = (id) => document.getElementById(id);
export const session = document.querySelector("[data-session]");

// `randomUUID` exists on https and on loopback only.
export const newKey = () => crypto.randomUUID?.() ?? [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16)).join("");

// The key of what a form sends: the same when it is sent again, another one once its content differs.
// Weak: forms are replaced while the page is open.
const sent = new WeakMap();
export function keyOf(form, content) {
  if (sent.get(form)?.content !== content) sent.set(form, { content, key: newKey() });
  return sent.get(form).key;
}
export const forgetKey = (form) => sent.delete(form);

export function toast(words) {
  byId("toast").textContent = words;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => { byId("toast").textContent = ""; }, 6000);
}

export async function send(method, path, body, key = newKey()) {
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
  // A proxy in between may answer with a page of its own.
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw Object.assign(new Error(answer.title ?? "The request was refused."), answer);
  return answer;
}

export async function doing(button, act) {
  if (button) button.disabled = true;
  try { return await act(); } catch (error) { toast(error.message); return undefined; } finally {
    if (button) button.disabled = false;
  }
}

const of = document.querySelector("[data-of]")?.dataset.of;

export const ofSession = (path = "", id = of) => `sessions/${id}${path && path[0] !== "?" ? "/" : ""}${path}`;

// Opens a page of ours, or this one anew (`.`); `words` are said there.
export function open(place, words) {
  if (words) sessionStorage.setItem("said", words);
  if (place === ".") location.reload();
  else location.href = `${base}${place}`;
}

const said = sessionStorage.getItem("said");
if (said) { sessionStorage.removeItem("said"); toast(said); }

