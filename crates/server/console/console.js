// The console: one page over the server's own API. It reads from the top: `start` wires the page; then come the key, your
// own connection, sending through the API, the feed of events, who is connected; what draws a line stands at the end.
//
// Whatever comes from outside is text, and reaches the page as a text node. Nothing here parses HTML.

const MAX_LINES = 500; // per list; a console left open overnight must not grow
const MAX_SHOWN = 10_000; // characters of one message; the rest is counted, not drawn
const MAX_SESSIONS_SHOWN = 20; // per user
const FEED_SILENCE = 60_000; // ms; the server's keep-alive comments come more often than this

const ui = Object.fromEntries([...document.querySelectorAll("[id]")].map((node) => [node.id, node]));
const log = boundedList(ui.log);
const activity = boundedList(ui.activity);
const socketAddress = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`;

const state = {
  key: null, // the API key; null while the key panel is shown
  pastesToken: false, // true once the server said that it does not mint tokens
  attempt: 0, // number of the latest press on Connect or Disconnect; an answer to an older one is dropped
  socket: null, // your own WebSocket, from CONNECTING to its close event
  user: null, // who you are connected as, when the server minted the token
  feed: 0, // number of the feed loop that may run
  feedAbort: new AbortController(), // ends the feed's current request
  sessions: new Map(), // id -> session: who is connected
  snapshot: 0, // number of the latest request for all sessions
  backlog: null, // changes to make after that request's answer; null when none is under way
  people: new Map(), // user -> { node, signature }: what is drawn
  peopleFrame: 0, // the frame that will draw it again
  leaving: null, // the user whom the dialog is about
};

function start() {
  ui.host.textContent = location.host;
  ui.name.value = localStorage.getItem("silverback.name") ?? "";

  onSubmit("key-form", () => useKey(ui["key-input"].value));
  onSubmit("connect-form", () => (isBusy() ? disconnect() : connect()));
  onSubmit("send-form", sendMessage);
  onSubmit("api-form", sendThroughApi);
  onSubmit("confirm-form", closeUser);
  for (const id of ["message", "api-message"]) ui[id].addEventListener("keydown", sendOnEnter);
  for (const id of ["api-user", "api-message"]) ui[id].addEventListener("input", showCurl);
  ui.name.addEventListener("input", showTokenCommand);
  ui["confirm-cancel"].addEventListener("click", () => ui.confirm.close());
  ui["api-copy"].addEventListener("click", copyCurl);
  ui["log-clear"].addEventListener("click", log.clear);
  ui["activity-clear"].addEventListener("click", activity.clear);
  window.addEventListener("hashchange", keyFromAddress);

  showCurl();
  showTokenCommand();
  if (!keyFromAddress()) useKey(sessionStorage.getItem("silverback.key") ?? "");
}

function onSubmit(form, action) {
  ui[form].addEventListener("submit", (event) => {
    event.preventDefault();
    action();
  });
}

// ── The key ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Takes the key out of `#key=…`, and out of the address bar, so that it is in no screenshot and no bookmark. */
function keyFromAddress() {
  const { hash, pathname, search } = location;
  if (!hash.startsWith("#key=")) return false;
  history.replaceState(null, "", pathname + search);
  useKey(hash);
  return true;
}

/** Accepts a bare key, `#key=…`, and the whole address that `serve` printed. */
function useKey(pasted) {
  const [bare, inAddress] = pasted.trim().split("#key=");
  // Unlike decodeURIComponent, this leaves a stray percent sign alone.
  const key = inAddress ? new URLSearchParams(`key=${inAddress.replaceAll("+", "%2B")}`).get("key") : bare;
  if (!key) return askForKey("");
  if (!/^[\x21-\x7e]+$/.test(key)) return askForKey("That is not a key: it has spaces or unusual characters in it.");
  state.key = key;
  sessionStorage.setItem("silverback.key", key);
  ui["key-input"].value = "";
  ui["key-panel"].hidden = true;
  ui.console.hidden = false;
  followFeed();
}

function askForKey(problem) {
  state.key = null;
  state.feed++;
  state.feedAbort.abort();
  sessionStorage.removeItem("silverback.key");
  showFeed("off");
  ui.confirm.close();
  ui["key-problem"].textContent = problem;
  ui.console.hidden = true;
  ui["key-panel"].hidden = false;
  ui["key-input"].focus();
}

/** A call to the server's API. Every failure is an `Error` whose message is for people; an answer's has its `status`. */
async function api(path, options = {}) {
  const key = state.key;
  const headers = { ...options.headers, authorization: `Bearer ${key}` };
  const response = await fetch(path, { ...options, headers, cache: "no-store" }).catch(() => {
    throw new Error("the server cannot be reached");
  });
  if (response.ok) return response;
  if (response.status === 401 && key === state.key) askForKey("The server did not accept this key. Was it started anew?");
  const { detail, title } = await response.json().catch(() => ({}));
  throw Object.assign(new Error(detail || title || `the server answered ${response.status}`), { status: response.status });
}

// ── Your own connection ──────────────────────────────────────────────────────────────────────────────────────────────

async function connect() {
  const attempt = ++state.attempt;
  const name = (ui.name.value ||= ui.name.placeholder);
  localStorage.setItem("silverback.name", name);
  showState("connecting");
  try {
    const token = state.pastesToken ? ui.token.value.trim() : await mintToken(name);
    if (attempt !== state.attempt) return;
    if (token) return openSocket(token);
    note("Paste a token to connect.");
    ui.token.focus();
  } catch (error) {
    if (attempt !== state.attempt) return;
    note(error instanceof DOMException ? "That is not a token." : `No token: ${error.message}.`);
  }
  showState("disconnected");
}

/** A fresh token, or null if this server leaves that to the command line; then the page asks for one. */
async function mintToken(user) {
  try {
    const body = JSON.stringify({ user });
    const response = await api("/v1/tokens", { method: "POST", headers: { "content-type": "application/json" }, body });
    const minted = await response.json();
    state.user = minted.user;
    return minted.token;
  } catch (error) {
    if (error.status !== 404) throw error;
    state.pastesToken = true;
    state.user = null;
    ui["token-field"].hidden = false;
    return null;
  }
}

function openSocket(token) {
  const socket = new WebSocket(socketAddress, ["silverback", `silverback.bearer.${token}`]);
  const { attempt } = state;
  const began = performance.now();
  let opened = false;
  socket.binaryType = "arraybuffer";
  socket.onopen = () => {
    opened = true;
    note(`Connected${state.user ? ` as ${state.user}` : ""} in ${duration(performance.now() - began)}.`);
    showState("connected");
  };
  socket.onmessage = ({ data }) => log.add(entry("in", data));
  socket.onclose = ({ code, reason }) => {
    state.socket = null;
    if (opened) note(`Closed with ${codeAndReason(code, reason)}: ${closeInWords(code)}.`);
    else note(attempt === state.attempt ? REFUSED : "Cancelled.");
    showState("disconnected");
  };
  state.socket = socket;
}

function disconnect() {
  state.attempt++;
  if (state.socket) state.socket.close(1000, "disconnected from the console");
  else showState("disconnected");
}

const isBusy = () => ui.state.textContent !== "disconnected";

function sendMessage() {
  if (state.socket?.readyState !== WebSocket.OPEN || !ui.message.value) return;
  const data = ui.kind.value === "text" ? ui.message.value : bytesOf(ui.message.value);
  if (!data) return note("Hex is pairs of digits: 48 65 6c 6c 6f.");
  state.socket.send(data);
  log.add(entry("out", data));
  ui.message.value = "";
}

function sendOnEnter(event) {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  event.target.form.requestSubmit();
}

function showState(word) {
  const enteredHere = ui["connect-form"].contains(document.activeElement) && matchMedia("(pointer: fine)").matches;
  document.body.dataset.state = ui.state.textContent = word;
  ui.connect.textContent = word === "disconnected" ? "Connect" : "Disconnect";
  ui.name.readOnly = ui.token.readOnly = word !== "disconnected";
  ui.send.disabled = word !== "connected";
  ui.message.placeholder = word === "connected" ? "Message" : "Connect to send";
  if (word === "connected" && enteredHere) ui.message.focus();
  drawPeople();
}

function showTokenCommand() {
  ui["token-command"].textContent = `silverback token --user=${shellQuoted(ui.name.value || ui.name.placeholder)}`;
}

// ── Sending through the API ──────────────────────────────────────────────────────────────────────────────────────────

async function sendThroughApi() {
  const user = ui["api-user"].value;
  const request = { method: "POST", headers: { "content-type": "text/plain" }, body: ui["api-message"].value };
  try {
    const { sessions, queued, dropped } = await (await api(messagesPath(user), request)).json();
    const delivery = `${counted(sessions, "session")}: ${queued} queued, ${dropped} dropped`;
    ui["api-result"].textContent = sessions ? delivery : `${user} is not connected: 0 sessions`;
  } catch (error) {
    ui["api-result"].textContent = error.message;
  }
}

function showCurl() {
  const user = ui["api-user"].value || ui["api-user"].placeholder;
  const message = ui["api-message"].value || ui["api-message"].placeholder;
  ui["api-curl"].textContent = [
    `curl ${shellQuoted(location.origin + messagesPath(user))}`,
    `-H "Authorization: Bearer $SILVERBACK_API_KEY"`,
    `-H "Content-Type: text/plain"`,
    `--data-raw ${shellQuoted(message)}`, // --data would take a message that begins with @ for a file
  ].join(" \\\n  ");
}

async function copyCurl() {
  getSelection().selectAllChildren(ui["api-curl"]);
  // The clipboard belongs to secure origins; elsewhere the selection is what we can offer.
  const copied = await navigator.clipboard?.writeText(ui["api-curl"].textContent).then(() => true, () => false);
  ui["api-copy"].textContent = copied ? "Copied" : "Selected";
  setTimeout(() => (ui["api-copy"].textContent = "Copy"), 1500);
}

const messagesPath = (user) => `/v1/users/${encodeURIComponent(user)}/messages`;
const shellQuoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

// ── The feed of events ───────────────────────────────────────────────────────────────────────────────────────────────

/** Follows `/v1/events` for as long as the key is good. `EventSource` would be shorter, but cannot carry the key. */
async function followFeed() {
  const feed = ++state.feed;
  let failures = 0;
  state.feedAbort.abort();
  while (feed === state.feed) {
    const abort = (state.feedAbort = new AbortController());
    showFeed("connecting");
    try {
      const { body } = await api("/v1/events", { signal: abort.signal });
      failures = 0;
      showFeed("live");
      loadSessions();
      await readEvents(body, abort);
    } catch {
      // However it broke, the cure is the same.
    } finally {
      abort.abort(); // so that two never run side by side
    }
    if (feed !== state.feed) return;
    const pause = Math.min(500 * 2 ** failures++, 15_000) * (0.75 + Math.random() / 2);
    showFeed(`reconnecting in ${Math.ceil(pause / 1000)} s`);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

async function readEvents(body, abort) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  while (true) {
    const silence = setTimeout(() => abort.abort(), FEED_SILENCE);
    const { value, done } = await reader.read().finally(() => clearTimeout(silence));
    if (done) return;
    const blocks = (rest + value.replaceAll("\r", "")).split("\n\n");
    rest = blocks.pop();
    blocks.forEach(readEvent);
  }
}

/** One event as the wire has it: `event:` and `data:` lines, and comments, which begin with a colon. */
function readEvent(block) {
  const field = (name) => block.split("\n").filter((line) => line.startsWith(name)).map((line) => line.slice(name.length)).join("");
  const data = field("data:");
  if (data) EVENTS[field("event:").trim()]?.(JSON.parse(data));
}

const EVENTS = {
  "session.connected": ({ session }) => {
    changeSessions(() => state.sessions.set(session.id, session));
    activity.add(happening("connected", "+", session.user, "connected", session.remote));
  },
  "session.ended": ({ session, report }) => {
    changeSessions(() => state.sessions.delete(session.id));
    activity.add(happening("ended", "×", session.user, report.cause, reportInWords(report)));
  },
  "session.message": ({ user, kind, size, text, cut }) => {
    const shown = kind === "binary" ? "binary" : cut ? `${text}…` : text;
    activity.add(happening("message", "→", user, shown, bytes(size)));
  },
  lagged: ({ missed }) => {
    activity.add(happening("lagged", "!", "", `${counted(missed, "event")} missed: this page was too slow`));
    loadSessions();
  },
};

function reportInWords(report) {
  const close = report.began === "peer" ? report.received : report.sent;
  const parts = [
    close && codeAndReason(close.code, close.reason),
    `after ${duration(report.lived_ms)}`,
    `${report.messages_in} in, ${report.messages_out} out`,
    report.unsent > 0 && `${report.unsent} unsent`,
    report.transport !== "finished" && `TCP ${report.transport}`,
  ];
  return parts.filter(Boolean).join(" · ");
}

function showFeed(words) {
  ui["feed-state"].textContent = words;
  document.body.dataset.feed = words.split(" ")[0];
}

// ── Who is connected ─────────────────────────────────────────────────────────────────────────────────────────────────

/** Asks for all sessions. Events that come while the answer is on its way may be newer, so they are applied after it. */
async function loadSessions() {
  const snapshot = ++state.snapshot;
  state.backlog = [];
  try {
    const { sessions } = await (await api("/v1/sessions")).json();
    if (snapshot !== state.snapshot) return;
    state.sessions = new Map(sessions.map((session) => [session.id, session]));
    state.backlog.forEach((change) => change());
    state.backlog = null;
    drawPeople();
  } catch {
    if (snapshot === state.snapshot) state.feedAbort.abort(); // the feed's next attempt asks again
  }
}

function changeSessions(change) {
  if (state.backlog) return state.backlog.push(change);
  change();
  drawPeople();
}

/** Draws once per frame however many events come, and touches only users that changed, so that focus stays where it is. */
function drawPeople() {
  cancelAnimationFrame(state.peopleFrame);
  state.peopleFrame = requestAnimationFrame(() => {
    const sessionsOf = Map.groupBy(state.sessions.values(), (session) => session.user);
    const users = [...sessionsOf.keys()].sort((a, b) => a.localeCompare(b));
    const shown = users.slice(0, MAX_LINES);
    const drawn = new Map(shown.map((user) => [user, person(user, sessionsOf.get(user))]));
    for (const [user, { node }] of state.people) if (drawn.get(user)?.node !== node) node.remove();
    state.people = drawn;
    let next = ui.people.firstElementChild;
    for (const { node } of drawn.values()) {
      if (node === next) next = next.nextElementSibling;
      else ui.people.insertBefore(node, next);
    }
    ui["people-count"].textContent = users.length ? `${counted(users.length, "user")}, ${counted(state.sessions.size, "session")}` : "";
    ui["people-more"].textContent = users.length > shown.length ? `and ${counted(users.length - shown.length, "more user")}` : "";
  });
}

function person(user, sessions) {
  const isYou = isBusy() && user === state.user;
  const signature = [isYou, ...sessions.map((session) => session.id)].join();
  const drawn = state.people.get(user);
  if (drawn?.signature === signature) return drawn;

  const names = [el("span", "initial", [...user][0]), el("bdi", "user", user), isYou && el("span", "you", "you")];
  const pick = button("pick", `Send to ${user} through the API`, () => sendTo(user), ...names);
  const leave = button("quiet", `Disconnect ${user}`, () => confirmClose(user, sessions.length), "Disconnect");
  const lines = sessions.slice(0, MAX_SESSIONS_SHOWN).map(sessionLine);
  if (sessions.length > lines.length) lines.push(el("li", "more", `and ${sessions.length - lines.length} more`));
  const node = el("li", "person", el("div", "row", pick, leave), el("ul", "sessions", ...lines));
  node.dataset.user = user;
  return { node, signature };
}

function sessionLine({ id, remote, token_from, connected_at }) {
  // The last digits: those in front are the time, and alike for everybody who came at once.
  const short = el("code", "id", id.slice(-8));
  short.title = `Session ${id}`;
  const from = el("span", "", token_from);
  from.title = "Where the token was";
  return el("li", "", short, el("span", "", remote), time(new Date(connected_at)), from);
}

function sendTo(user) {
  ui["api-user"].value = user;
  showCurl();
  ui["api-message"].focus();
}

function confirmClose(user, sessions) {
  state.leaving = user;
  ui["confirm-title"].replaceChildren("Disconnect ", el("bdi", "", user), "?");
  ui["confirm-go"].textContent = `Close ${counted(sessions, "session")}`;
  ui["confirm-problem"].textContent = "";
  ui.confirm.showModal();
}

async function closeUser() {
  const query = new URLSearchParams({ code: ui["confirm-code"].value, reason: ui["confirm-reason"].value });
  try {
    await api(`/v1/users/${encodeURIComponent(state.leaving)}?${query}`, { method: "DELETE" });
    ui.confirm.close();
  } catch (error) {
    ui["confirm-problem"].textContent = error.message;
  }
}

// ── Lines ────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A list that keeps its last lines, draws once per frame, and follows its end while the reader is there. */
function boundedList(list) {
  let pending = [];
  const draw = () => {
    const follows = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    list.append(...pending);
    pending = [];
    while (list.childElementCount > MAX_LINES) list.firstElementChild.remove();
    if (follows) list.scrollTop = list.scrollHeight;
  };
  return {
    add(line) {
      if (pending.push(line) === 1) requestAnimationFrame(draw);
      if (pending.length > MAX_LINES) pending.shift(); // a hidden tab has no frames
    },
    clear: () => list.replaceChildren(),
  };
}

const note = (text) => log.add(entry("note", text));

/** A line of your own connection: a message that went `in` or `out`, or a `note`. */
function entry(kind, data) {
  const mark = el("span", "arrow", { in: "↓", out: "↑", note: "·" }[kind]);
  const heard = el("span", "unseen", { in: "received", out: "sent", note: "note" }[kind]);
  mark.ariaHidden = "true";
  const isText = typeof data === "string";
  const isJson = kind !== "note" && isText && looksLikeJson(data);
  const shown = isText ? (isJson ? coloured(data) : [cut(data)]) : [hex(data)];
  const tag = isJson ? "JSON" : isText ? "" : `${bytes(data.byteLength)} binary`;
  return el("li", `entry ${kind}`, time(new Date()), mark, heard, el("div", "text", ...shown), tag && el("span", "tag", tag));
}

/** A line of everyone's activity. */
function happening(kind, sign, user, what, detail) {
  const mark = el("span", "arrow", sign);
  mark.ariaHidden = "true";
  const said = el("div", "what", user && el("bdi", "user", user), what);
  return el("li", `event ${kind}`, time(new Date()), mark, said, detail && el("span", "detail", detail));
}

function looksLikeJson(text) {
  try {
    return text.length <= MAX_SHOWN && /^\s*[{[]/.test(text) && Boolean(JSON.parse(text));
  } catch {
    return false;
  }
}

const JSON_PART = /(?<key>"(?:[^"\\]|\\.)*"(?=\s*:))|(?<string>"(?:[^"\\]|\\.)*")|(?<literal>[-+.\w]+)|[{}[\],:]|\s+/g;

/** The text as it came, to the character; only keys, strings and literals wear a colour. */
function coloured(json) {
  return [...json.matchAll(JSON_PART)].map(({ 0: part, groups }) => {
    const kind = Object.keys(groups).find((name) => groups[name] !== undefined);
    return kind ? el("span", kind, part) : part;
  });
}

const REFUSED =
  "The connection was not accepted: the handshake was refused, or nothing answered. " +
  `Browsers do not tell pages which; silverback doctor ${socketAddress} does.`;

const CLOSE_CODES = {
  1000: "a normal end; both sides were done",
  1001: "the other side is going away: a shutdown, or a page that was left",
  1002: "a protocol error: something on the wire was not WebSocket as RFC 6455 has it",
  1003: "a kind of data that the other side does not take",
  1005: "no code was given",
  1006: "there was no Close frame: the connection broke, or a proxy cut it",
  1007: "text that was not UTF-8, or compressed data that was damaged",
  1008: "it went against a rule of the server",
  1009: "the message was too big",
  1011: "the server failed at something unexpected",
  1012: "the server is restarting; connect again in a moment",
  1013: "the server is busy; try again later",
  4401: "not signed in: the token is missing, wrong or expired",
  4403: "not allowed",
  4429: "too many connections or messages",
};

function closeInWords(code) {
  if (CLOSE_CODES[code]) return CLOSE_CODES[code];
  if (code >= 4400 && code < 4500) return `refused, as HTTP would with ${code - 4000}`;
  if (code >= 4000) return "a code of the application's own";
  return code >= 3000 ? "a code that a library or framework registered" : "a code that is seldom seen";
}

const codeAndReason = (code, reason) => (reason ? `${code} “${reason}”` : `${code}`);

/** An element with text and other elements in it; `false`, "" and the like leave nothing. */
function el(tag, className, ...children) {
  const node = document.createElement(tag);
  node.className = className;
  node.append(...children.filter(Boolean));
  return node;
}

function button(className, label, action, ...children) {
  const node = el("button", className, ...children);
  node.type = "button";
  node.title = node.ariaLabel = label;
  node.addEventListener("click", action);
  return node;
}

function time(date) {
  const isToday = date.toDateString() === new Date().toDateString();
  const shown = isToday ? date.toTimeString().slice(0, 8) : date.toLocaleDateString("en", { month: "short", day: "numeric" });
  const node = el("time", "", shown);
  node.title = node.dateTime = date.toISOString();
  return node;
}

function bytesOf(hex) {
  const digits = hex.replace(/\s/g, "");
  return /^([0-9a-f]{2})+$/i.test(digits) ? Uint8Array.from(digits.match(/../g), (pair) => parseInt(pair, 16)).buffer : null;
}

function hex(buffer) {
  const shown = new Uint8Array(buffer.slice(0, 256));
  return Array.from(shown, (byte) => byte.toString(16).padStart(2, "0")).join(" ") + (buffer.byteLength > 256 ? " …" : "");
}

function cut(text) {
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}… (${text.length.toLocaleString("en")} characters in all)` : text;
}

const counted = (number, thing) => `${number.toLocaleString("en")} ${thing}${number === 1 ? "" : "s"}`;

function bytes(size) {
  if (size < 1024) return `${size} B`;
  return size < 1024 ** 2 ? `${(size / 1024).toFixed(1)} KiB` : `${(size / 1024 ** 2).toFixed(1)} MiB`;
}

function duration(ms) {
  const seconds = Math.floor(ms / 1000);
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (seconds < 60) return `${(ms / 1000).toFixed(1)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

start();
