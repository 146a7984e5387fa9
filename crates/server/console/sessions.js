// The search: sessions that are live or have ended, by user, device or id, page by page. Never all of them: there may be 100,000.

import { isAbort, json, may, whyNot } from "./api.js";
import { failed } from "./actions.js";
import { announce, button, el, field, form, heading, input, link, time, unseen } from "./dom.js";
import { feed } from "./feed.js";
import { userLink } from "./lines.js";
import { cause } from "./story.js";
import { codeAndReason, counted, number, shortId, since } from "./words.js";

const ROWS = 50;
const MOST_ASKS = 20; // for one page: a rare session is found after several, each of which looks at 100,000
const TYPING = 250; // ms
const SOON = 300; // ms

export function sessions({ query, signal }) {
  const node = el("section", "page", heading("Sessions"));
  if (!may("read")) {
    node.append(el("p", "unavailable", whyNot("read")));
    return { title: "Sessions", node };
  }
  const state = choice(query.get("state") === "ended" ? "ended" : "live");
  const prefix = input({ id: "search-user", type: "search", placeholder: "al…", value: query.get("prefix") ?? "" });
  const device = input({ id: "search-device", type: "search", placeholder: "phone", value: query.get("device") ?? "" });
  const id = input({ id: "search-id", type: "search", placeholder: "01890a5d-…", value: "" });
  const results = listing(() => asked(state.value(), prefix.value, device.value), signal);

  const search = () => {
    const wanted = id.value.trim();
    if (wanted) return (location.hash = `#/sessions/${encodeURIComponent(wanted)}`);
    const words = new URLSearchParams(asked(state.value(), prefix.value, device.value));
    history.replaceState(null, "", `#/sessions?${words}`);
    results.first();
  };
  let typed = 0;
  for (const box of [prefix, device]) {
    box.addEventListener("input", () => {
      clearTimeout(typed);
      typed = setTimeout(search, TYPING);
    });
  }
  state.node.addEventListener("change", search);
  signal.addEventListener("abort", () => clearTimeout(typed));
  const fields = [state.node, field("User begins with", prefix), field("Device", device), field("Session id", id), el("button", "primary", "Search")];
  const searching = form("panel search", search, ...fields);
  searching.role = "search";
  searching.ariaLabel = "Sessions";
  node.append(searching, results.node);
  results.first();
  return { title: "Sessions", node };
}

/** The parameters of the API for a search. */
function asked(state, prefix, device) {
  const words = { state };
  if (prefix) words.prefix = prefix;
  if (device) words.device = device;
  return words;
}

function choice(chosen) {
  const radio = (value, text) => {
    const box = Object.assign(el("input"), { type: "radio", name: "state", value, checked: value === chosen, id: `state-${value}` });
    const label = el("label", "", text);
    label.htmlFor = box.id;
    return [box, label];
  };
  const node = el("fieldset", "choice", el("legend", "unseen", "Which sessions"), ...radio("live", "Live"), ...radio("ended", "Ended"));
  return { node, value: () => node.querySelector(":checked").value };
}

/** A table of what `words` ask for, with ways to the next page and back. */
export function listing(words, signal, { withUser = true, id = "results" } = {}) {
  const place = el("div", "");
  place.id = id;
  const count = el("p", "count");
  const changed = button("quiet", "", () => load(true));
  changed.hidden = true;
  const back = button("", "Previous", () => turn(-1));
  const next = button("", "Next", () => turn(1));
  const foot = el("div", "row end", count, changed, back, next);
  const node = el("div", "panel listing", place, foot);
  let cursors = [null]; // where each page up to the one that is shown begins
  let following = null;
  let abort = new AbortController();
  let changes = 0;
  let soon = undefined;

  const turn = (by) => {
    if (by > 0) cursors.push(following);
    else cursors.pop();
    load(true).then(() => place.querySelector("a")?.focus());
  };
  const load = async (isAsked = false) => {
    abort.abort();
    abort = new AbortController();
    soon = clearTimeout(soon);
    place.classList.add("loading");
    place.ariaBusy = "true";
    if (!place.hasChildNodes()) place.append(el("p", "empty", "Looking…"));
    try {
      const page = await ask(words(), cursors.at(-1), abort.signal);
      following = page.next;
      show(page);
      if (isAsked) announce(`${counted(page.sessions.length, "session")} shown`);
    } catch (error) {
      if (isAbort(error)) return;
      place.replaceChildren(failed(error));
    }
    place.classList.remove("loading");
    place.ariaBusy = "false";
    changes = 0;
    changed.hidden = true;
    back.disabled = cursors.length === 1;
    next.disabled = following === null;
    back.hidden = next.hidden = back.disabled && next.disabled;
  };
  const show = (page) => {
    const isLive = page.state === "live";
    const first = (cursors.length - 1) * ROWS + 1;
    const found = page.sessions.length;
    const isAll = cursors.length === 1 && page.next === null;
    const range = isAll ? counted(found, "session") : `${number(first)}–${number(first + found - 1)}`;
    const total = isLive && withUser ? `, of ${number(page.total)} connected` : "";
    count.textContent = `${range}${total}`;
    place.replaceChildren(found ? table(page, isLive, withUser) : nothing(words(), withUser));
  };
  const more = ({ session }) => {
    if (!isMeant(session, words())) return;
    if (!withUser) return void (soon ||= setTimeout(load, SOON)); // few, so they are shown as they come
    changes++;
    changed.hidden = false;
    changed.textContent = `${counted(changes, "change")} since: bring up to date`;
  };
  feed.on("session.connected", (event) => words().state === "live" && more(event), signal);
  feed.on("session.ended", more, signal);
  feed.on("fresh", () => load(), signal);
  signal.addEventListener("abort", () => {
    abort.abort();
    clearTimeout(soon);
  });
  return {
    node,
    first() {
      cursors = [null];
      return load(true);
    },
  };
}

const isMeant = ({ user, device }, words) =>
  (!words.user || user === words.user) && (!words.prefix || user.startsWith(words.prefix)) && (!words.device || device === words.device);

/** A page, which the API may give in several parts. */
async function ask(words, after, signal) {
  let page = null;
  for (let asks = 0; asks < MOST_ASKS; asks++) {
    const limit = ROWS - (page?.sessions.length ?? 0);
    const cursor = page ? page.next : after;
    const query = new URLSearchParams({ ...words, limit, ...(cursor !== null && { after: cursor }) });
    const part = await json(`/v1/sessions?${query}`, { signal });
    page = { ...part, sessions: [...(page?.sessions ?? []), ...part.sessions] };
    if (page.next === null || page.sessions.length >= ROWS) break;
  }
  return page;
}

function nothing({ state, prefix, device }, withUser) {
  const isAll = !prefix && !device;
  const live = !withUser ? "This user is not connected." : isAll ? "Nobody is connected yet. A client connects to /ws; “Try it” shows how." : "Nobody who is connected matches.";
  const ended = !withUser ? "No session of this user has ended." : isAll ? "No session has ended yet." : "No session that has ended matches.";
  const remembered = "The last 10,000 since the server was started are remembered.";
  return el("p", "empty", el("strong", "", "Nothing found."), " ", state === "live" ? live : `${ended} ${remembered}`);
}

function table({ sessions: found }, isLive, withUser) {
  const columns = [
    withUser && ["User", ({ user }) => userLink(user)],
    ["Device", ({ device }) => (device ? el("bdi", "", device) : "–")],
    isLive ? ["From", ({ remote }) => remote ?? "–"] : ["Why", (life) => (life.report ? cause(life) : "–")],
    isLive ? ["Token", ({ token_from }) => token_from] : ["Close", ({ report }) => close(report)],
    isLive ? ["Connected", ({ connected_at }) => el("span", "", since(connected_at))] : ["Ended", ({ ended_at }) => time(ended_at)],
    ["Session", ({ id }) => sessionLink(id)],
  ].filter(Boolean);
  const head = columns.map(([name]) => Object.assign(el("th", "", name), { scope: "col" }));
  const rows = found.map((session) => {
    const row = el("tr", "", ...columns.map(([name, cell]) => labelled(name, cell(session))));
    row.dataset.user = session.user;
    return row;
  });
  return el("table", "sessions", el("thead", "", el("tr", "", ...head)), el("tbody", "", ...rows));
}

/** On a narrow page there is no head, so each cell says what it is. */
function labelled(name, content) {
  const cell = el("td", "", content);
  cell.dataset.label = name;
  if (content === "–") cell.className = "none";
  return cell;
}

function sessionLink(id) {
  const to = link(`#/sessions/${id}`, "id", unseen("Session "), shortId(id));
  to.title = id;
  return to;
}

function close(report) {
  const frame = report && (report.began === "peer" ? report.received : report.sent);
  return frame ? codeAndReason(frame.code, frame.reason) : "–";
}
