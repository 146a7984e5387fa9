// The log of handshakes that were refused: what was wrong, what arrived, and what to do about it.

import { isAbort, json, may, whyNot } from "./api.js";
import { failed } from "./actions.js";
import { button, el, heading, link, marked, time } from "./dom.js";
import { feed } from "./feed.js";
import { counted, number } from "./words.js";

const ROWS = 50;
const DRAW = 1000; // ms; in a flood the causes are counted once in this time

export function handshakes({ query, signal }) {
  const node = el("section", "page", heading("Handshakes", el("p", "hint", "Those that were refused, the last first.")));
  if (!may("read")) {
    node.append(el("p", "unavailable", whyNot("read")));
    return { title: "Handshakes", node };
  }
  const cause = query.get("cause");
  const causes = el("div", "causes");
  const list = el("ol", "refusals");
  list.id = "refusals";
  const place = el("div", "", el("p", "empty", "Looking…"));
  const newest = button("", "Newest", () => load(null));
  const older = button("", "Older", () => load(following));
  let following = null;
  let isNewest = true;
  let counting = 0;

  const load = async (after) => {
    const words = new URLSearchParams({ limit: ROWS, ...(cause && { cause }), ...(after && { after }) });
    try {
      const page = await json(`/v1/handshakes?${words}`, { signal });
      following = page.next;
      isNewest = !after;
      newest.disabled = isNewest;
      older.disabled = following === null;
      list.replaceChildren(...page.refused.map(refusal));
      causes.replaceChildren(...summary(page, cause));
      place.replaceChildren(page.refused.length ? list : none(cause));
    } catch (error) {
      if (!isAbort(error)) place.replaceChildren(failed(error));
    }
  };
  const count = async () => {
    counting = 0;
    const page = await json("/v1/handshakes?limit=1", { signal }).catch(() => null);
    if (page) causes.replaceChildren(...summary(page, cause));
  };
  const add = ({ handshake }) => {
    counting ||= setTimeout(count, DRAW);
    if (!isNewest || (cause && handshake.cause !== cause)) return;
    list.prepend(refusal(handshake));
    while (list.childElementCount > ROWS) list.lastElementChild.remove();
    if (!list.isConnected) place.replaceChildren(list);
  };
  feed.on("handshake.refused", add, signal);
  feed.on("fresh", () => isNewest && load(null), signal);
  signal.addEventListener("abort", () => clearTimeout(counting));
  node.append(causes, el("div", "panel", place), el("div", "row end", newest, older));
  load(null);
  return { title: "Handshakes", node };
}

/** How many of each cause there were; each is a way to those. */
function summary({ total, causes }, chosen) {
  const chip = (cause, text, count) => {
    const to = link(cause ? `#/handshakes?cause=${encodeURIComponent(cause)}` : "#/handshakes", "chip", text, " ", el("b", "", number(count)));
    if (cause === chosen) to.setAttribute("aria-current", "true");
    return to;
  };
  return [chip(null, "all", total), ...causes.map(({ cause, count }) => chip(cause, cause, count))];
}

function none(cause) {
  const what = cause ? `None with the cause ${cause} is remembered.` : "No handshake was refused since the server was started.";
  return el("p", "empty", el("strong", "", "None."), ` ${what}`);
}

function refusal({ at, remote, status, cause, title, detail, cure, origin, user_agent, left_out }) {
  const from = [remote, origin && `a page of ${origin}`, user_agent].filter(Boolean).map((part) => el("bdi", "", part));
  return el(
    "li",
    "refusal-line",
    el("div", "row", time(at), el("span", "state wrong", String(status)), el("strong", "", ...marked(title)), el("code", "cause", cause)),
    el(
      "dl",
      "facts",
      fact("From", ...from.flatMap((part, index) => (index ? [" · ", part] : [part]))),
      detail && fact("What arrived", ...marked(detail)),
      cure && fact("What to do", ...marked(cure)),
      left_out > 0 && fact("Besides", `${counted(left_out, "other")} of this cause just before it`),
    ),
  );
}

const fact = (name, ...value) => el("div", name === "What to do" ? "cure" : "", el("dt", "", name), el("dd", "", ...value));
