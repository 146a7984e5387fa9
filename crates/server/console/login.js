// The log-in: an API key.

import { account, logIn } from "./api.js";
import { el, field, form, input } from "./dom.js";

export function login() {
  const key = input({ id: "key-input", type: "password", required: true });
  const problem = el("p", "problem", account.problem);
  problem.id = "key-problem";
  problem.role = "alert";
  const open = el("button", "primary", "Log in");
  const action = async () => {
    open.disabled = true;
    await logIn(key.value);
    open.disabled = false;
  };
  const asked = form("login", action, field("API key", key), problem, open);
  asked.id = "key-form";
  queueMicrotask(() => key.focus());
  const serve = el("code", "", "silverback serve");
  const part = el("code", "", "#key=…");
  return el(
    "section",
    "panel key-panel",
    el("h2", "", "Log in with an API key"),
    el("p", "hint", "Paste a key of the API, or open the address that ", serve, " printed; it ends in ", part, "."),
    asked,
    el("p", "hint", "It stays in this tab, and is sent to this server alone. A key with few rights shows what it may see."),
  );
}
