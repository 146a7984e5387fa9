// What may be done to a session or a user: send a message, and close.

import { json, may, whyNot } from "./api.js";
import { announce, button, el, field, form, input, panel, sendsOnEnter, textarea } from "./dom.js";
import { counted } from "./words.js";

/** Sends to whoever is at this path of the API: `/v1/users/alice`. */
export function sendPanel(path, whom) {
  if (!may("send")) return panel("send", "Send a message", [], el("p", "unavailable", whyNot("send")));
  const message = sendsOnEnter(textarea({ id: "send-message", placeholder: `A message to ${whom}` }));
  const result = el("output", "result");
  result.id = "send-result";
  const send = async () => {
    try {
      const request = { method: "POST", headers: { "content-type": "text/plain" }, body: message.value };
      result.textContent = delivery(await json(`${path}/messages`, request));
      message.value = "";
    } catch (error) {
      result.textContent = said(error);
    }
  };
  return panel("send", "Send a message", [], form("stack", send, field("Text", message), el("div", "row", result, el("button", "primary", "Send"))));
}

export function delivery({ sessions, queued, dropped }) {
  if (!sessions) return "Nobody was there: 0 sessions.";
  return `Queued for ${counted(queued, "session")}${dropped ? `; dropped for ${dropped}, whose queue is full` : ""}.`;
}

const said = (error) => `${error.message[0].toUpperCase()}${error.message.slice(1)}.`.replace("..", ".");

/** Closes whoever is at this path, after a question; `done` is told. */
export function closeButton(path, title, go, explanation, done) {
  const open = button("danger", go, () => ask(path, title, go, explanation, done));
  if (may("close")) return open;
  open.disabled = true;
  open.title = whyNot("close");
  return el("span", "refusal", open, el("span", "hint", whyNot("close")));
}

function ask(path, title, go, explanation, done) {
  const code = input({ id: "close-code", type: "number", min: 1000, max: 4999, value: "4000", required: true });
  const reason = input({ id: "close-reason", value: "closed from the console", maxLength: 123 });
  const problem = el("p", "problem");
  problem.role = "alert";
  const dialog = el("dialog", "");
  const name = el("h2", "", title);
  name.id = "dialog-title";
  dialog.setAttribute("aria-labelledby", name.id);
  const close = async () => {
    try {
      const query = new URLSearchParams({ code: code.value, reason: reason.value });
      const { closed } = await json(`${path}?${query}`, { method: "DELETE" });
      dialog.close();
      announce(`${counted(closed, "session")} closed`);
      done?.(closed);
    } catch (error) {
      problem.textContent = said(error);
    }
  };
  const buttons = el("div", "row end", button("", "Cancel", () => dialog.close()), el("button", "danger", go));
  const fields = el("div", "row", field("Code", code, "code"), field("Reason", reason));
  dialog.append(form("stack", close, name, el("p", "hint", explanation), fields, problem, buttons));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  reason.select();
}

/** What was asked for cannot be shown, and why. */
export const failed = (error) => el("p", "problem", said(error));
