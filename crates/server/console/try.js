// Try it: a connection of your own, a message through the API, and the lines to do the same from your programs.

import { json, may, whyNot } from "./api.js";
import { delivery } from "./actions.js";
import { connectionPanel, name, onName } from "./connection.js";
import { el, field, form, heading, input, panel, sendsOnEnter, textarea } from "./dom.js";
import { snippets } from "./snippets.js";

export function tryIt() {
  const own = connectionPanel();
  const to = input({ id: "api-user", placeholder: name(), required: false });
  const message = sendsOnEnter(textarea({ id: "api-message", placeholder: "hello from the back end" }));
  const result = Object.assign(el("output", "result"), { id: "api-result" });
  const lines = snippets();
  const fill = () => {
    to.placeholder = name();
    lines.fill(to.value || to.placeholder, message.value || message.placeholder);
  };
  for (const box of [to, message]) box.addEventListener("input", fill);
  onName(fill);
  fill();
  const send = async () => {
    const user = to.value || to.placeholder;
    const request = { method: "POST", headers: { "content-type": "text/plain" }, body: message.value || message.placeholder };
    try {
      const outcome = await json(`/v1/users/${encodeURIComponent(user)}/messages`, request);
      result.textContent = outcome.sessions ? delivery(outcome) : `${user} is not connected: 0 sessions.`;
    } catch (error) {
      result.textContent = error.message;
    }
  };
  const button = Object.assign(el("button", "primary", "Send"), { id: "api-send" });
  const sending = may("send")
    ? form("stack", send, field("To user", to), field("Message", message), el("div", "row", result, button))
    : el("p", "unavailable", whyNot("send"));
  const [token, ...rest] = lines.nodes;
  const node = el(
    "section",
    "page try",
    heading("Try it", el("p", "hint", "Connect from here, send through the API, and paste the same into your programs.")),
    el("div", "columns", el("div", "column", own, panel("", "Send through the API", [], sending)), el("div", "column", token, ...rest)),
  );
  return { title: "Try it", node };
}
