// A session: who it is, what happened to it, and what may be done about it.

import { isAbort, json, may, whyNot } from "./api.js";
import { closeButton, failed, sendPanel } from "./actions.js";
import { copyButton, el, facts, heading, panel, time } from "./dom.js";
import { feed } from "./feed.js";
import { boundedList, entry, userLink } from "./lines.js";
import { story, why } from "./story.js";
import { bytes, counted, since } from "./words.js";

const EVERY = 5000; // ms; its queue tells of nothing by itself

export function session({ parameters: [id], signal }) {
  const node = el("section", "page session");
  const title = `Session ${id.slice(-8)}`;
  if (!may("read")) {
    node.append(heading(title), el("p", "unavailable", whyNot("read")));
    return { title, node };
  }
  const path = `/v1/sessions/${encodeURIComponent(id)}`;
  const list = el("ol", "lines");
  list.ariaLabel = "What it says";
  list.tabIndex = 0;
  const said = boundedList(list);
  let shown = null; // the state of what is drawn

  const load = async () => {
    try {
      const life = await json(path, { signal });
      if (shown === life.state) return update(node, life);
      shown = life.state;
      draw(node, life, { path, list, load });
    } catch (error) {
      if (isAbort(error)) return;
      if (!shown) node.replaceChildren(heading(title), failed(error));
    }
  };
  node.append(heading(title), el("p", "empty", "Looking…"));
  feed.on("session.ended", (event) => event.session.id === id && load(), signal);
  feed.on("session.message", (event) => event.session === id && said.add(entry("in", event.text ?? `${event.size} bytes of binary`)), signal);
  feed.on("fresh", load, signal);
  const again = setInterval(() => !document.hidden && shown === "live" && load(), EVERY);
  signal.addEventListener("abort", () => clearInterval(again));
  load();
  return { title, node };
}

function draw(node, life, { path, list, load }) {
  const isLive = life.state === "live";
  const name = el("code", "", life.id);
  name.id = "session-id";
  const state = el("span", `state ${life.state}`, isLive ? "live" : "ended");
  const close = isLive && closeButton(path, "Close this session?", "Close", "The client sees the code and the reason. It may connect again.", load);
  const place = (id) => Object.assign(el("div", ""), { id });
  const left = [panel("", "What happened", [], place("story-place"))];
  if (isLive) {
    const empty = el("p", "empty", el("strong", "", "Nothing so far."), " What the client says while this page is open appears here.");
    left.push(panel("says", "What it says now", [], el("div", "feed", list, empty)));
  }
  const right = [panel("", "Facts", [], place("facts-place"))];
  if (isLive) right.push(sendPanel(path, "this session"));
  else right.unshift(panel("", "How it ended", [], facts(why(life))));
  node.replaceChildren(
    heading(el("span", "", "Session of ", userLink(life.user)), state, close),
    el("p", "row id-line", name, copyButton("the session's id", name)),
    el("div", "columns", el("div", "column", ...left), el("div", "column", ...right)),
  );
  update(node, life);
}

/** What changes while it lives: not while somebody is at it. */
function update(node, life) {
  const isInUse = (place) => place.contains(document.activeElement) || getSelection().containsNode(place, true);
  for (const [place, drawn] of [["#story-place", story(life)], ["#facts-place", known(life)]].map(([id, part]) => [node.querySelector(id), part])) {
    if (!place.hasChildNodes() || !isInUse(place)) place.replaceChildren(drawn);
  }
}

function known(life) {
  const { queue } = life;
  const fill = `${counted(queue.messages, "message")}, ${bytes(queue.bytes)} now; ${bytes(queue.peak_bytes)} at most; ${queue.dropped} dropped`;
  return facts([
    ["User", userLink(life.user)],
    ["Device", life.device],
    ["From", life.remote],
    ["Connected", el("span", "", time(life.connected_at), life.state === "live" && `, ${since(life.connected_at)} ago`)],
    ["Ended", life.ended_at && time(life.ended_at)],
    ["Token from", life.token_from],
    ["Token good until", life.expires_at && time(life.expires_at)],
    ["Handshake", life.handshake],
    ["Queue", fill],
    ["Attributes", life.attributes && el("code", "", JSON.stringify(life.attributes, null, 1))],
    ["Epoch", String(life.epoch)],
  ]);
}
