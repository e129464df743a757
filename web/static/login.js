// The login: reads the code from the link's fragment and asks first.

import { base, byId, doing, send } from "./requests.js";

if (byId("login")) {
  const code = location.hash.slice(1);
  // Out of the address, or the code would stay in the browser's history.
  history.replaceState(null, "", location.pathname + location.search);
  const next = new URLSearchParams(location.search).get("next") ?? "";
  const ask = (confirmed) => send("POST", "logins", JSON.stringify({ code, confirmed }));
  if (code) {
    doing(null, async () => {
      const { userId, name } = await ask(false);
      byId("who").textContent = `Log in as ${name || userId.replace(/^terminal:/, "")} in this browser?`;
      byId("confirm").hidden = false;
      byId("confirm").focus();
    });
    byId("confirm").addEventListener("click", () => doing(byId("confirm"), async () => {
      await ask(true);
      // Read as the browser reads it, which drops tabs and takes "\\" for "/": an address elsewhere is refused.
      const place = URL.canParse(next, location.href) ? new URL(next, location.href) : null;
      const isOurs = next && place?.origin === location.origin && place.pathname.startsWith(`${base}/`);
      location.href = isOurs ? place.href : `${base}/`;
    }));
  }
}
