// A user: the sessions that there are and were, and what may be done about them.

import { may, whyNot } from "./api.js";
import { closeButton, sendPanel } from "./actions.js";
import { el, heading } from "./dom.js";
import { listing } from "./sessions.js";

export function user({ parameters: [name], signal }) {
  const path = `/v1/users/${encodeURIComponent(name)}`;
  const explanation = "Every session of this user is closed with this code and reason. The client may connect again.";
  const live = may("read") && listing(() => ({ state: "live", user: name }), signal, { withUser: false, id: "live" });
  const ended = may("read") && listing(() => ({ state: "ended", user: name }), signal, { withUser: false, id: "ended" });
  const close = closeButton(path, `Disconnect ${name}?`, "Disconnect", explanation, () => live && live.first());
  const lists = may("read")
    ? [el("h3", "", "Connected"), live.node, el("h3", "", "Ended"), ended.node]
    : [el("p", "unavailable", whyNot("read"))];
  const node = el(
    "section",
    "page user-page",
    heading(el("bdi", "user", name), close),
    el("div", "columns", el("div", "column", ...lists), el("div", "column", sendPanel(path, name))),
  );
  if (live) live.first();
  if (ended) ended.first();
  return { title: name, node };
}
