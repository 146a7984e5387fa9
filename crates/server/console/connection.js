// Your own connection: a WebSocket of this page, which lives on while other pages of the console are shown.

import { json, may } from "./api.js";
import { button, el, field, form, input, panel, sendsOnEnter, textarea } from "./dom.js";
import { boundedList, bytesOf, entry } from "./lines.js";
import { closeInWords, codeAndReason, duration, shellQuoted } from "./words.js";

const socketAddress = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`;

const state = {
  word: "disconnected",
  attempt: 0, // number of the latest press on Connect or Disconnect; an answer to an older one is dropped
  socket: null, // from CONNECTING to its close event
};

let ui = null;

/** The panel, which is the same each time. `name` is the box of the user's name. */
export function connectionPanel() {
  ui ??= make();
  show(state.word);
  return ui.node;
}

/** Whose connection it is, or would be. */
export const name = () => ui.name.value || ui.name.placeholder;
export const onName = (listener) => ui.name.addEventListener("input", listener);

function make() {
  const list = Object.assign(el("ol", "lines"), { id: "log", tabIndex: 0, ariaLabel: "Messages of your connection" });
  const log = boundedList(list);
  const parts = {
    log,
    name: input({ id: "name", placeholder: "alice", maxLength: 200, value: localStorage.getItem("silverback.name") ?? "" }),
    token: input({ id: "token", placeholder: "eyJ…" }),
    connect: Object.assign(el("button", "primary", "Connect"), { id: "connect" }),
    pill: el("span", "state"),
    message: sendsOnEnter(textarea({ id: "message" })),
    kind: Object.assign(el("select", "", new Option("Text", "text"), new Option("Hex", "binary")), { id: "kind", ariaLabel: "Send as" }),
    send: Object.assign(el("button", "primary", "Send"), { id: "send" }),
    command: el("code", ""),
  };
  parts.message.ariaLabel = "Message";
  parts.pill.id = "state";
  parts.pill.role = "status";
  const hint = el("p", "hint", "The server's secret is configured, so tokens are made where it is known: ", parts.command);
  parts.tokenField = el("div", "wide", field("Token", parts.token), hint);
  const joining = form("join", () => (state.word === "disconnected" ? connect() : disconnect()), field("Name", parts.name), parts.connect, parts.tokenField);
  const empty = el("p", "empty", el("strong", "", "No messages yet."), " Choose a name and press Connect. What you send and receive appears here.");
  const feed = el("div", "feed", list, empty);
  feed.role = "log";
  feed.ariaLabel = "What you send and receive";
  const composer = form("composer", sendMessage, parts.message, parts.kind, parts.send);
  const tools = [parts.pill, button("quiet", "Clear", log.clear)];
  parts.node = panel("own", "Your connection", tools, joining, feed, composer);
  return parts;
}

const note = (text) => ui.log.add(entry("note", text));

async function connect() {
  const attempt = ++state.attempt;
  const user = (ui.name.value ||= ui.name.placeholder);
  localStorage.setItem("silverback.name", user);
  show("connecting");
  try {
    const token = may("mint") ? await mint(user) : ui.token.value.trim();
    if (attempt !== state.attempt) return;
    if (token) return open(token, may("mint") ? ` as ${user}` : "");
    note("Paste a token to connect.");
    ui.token.focus();
  } catch (error) {
    if (attempt !== state.attempt) return;
    note(error instanceof DOMException ? "That is not a token." : `No token: ${error.message}.`);
  }
  show("disconnected");
}

async function mint(user) {
  const body = JSON.stringify({ user });
  return (await json("/v1/tokens", { method: "POST", headers: { "content-type": "application/json" }, body })).token;
}

function open(token, whose) {
  const socket = new WebSocket(socketAddress, ["silverback", `silverback.bearer.${token}`]);
  const { attempt } = state;
  const began = performance.now();
  let opened = false;
  socket.binaryType = "arraybuffer";
  socket.onopen = () => {
    opened = true;
    note(`Connected${whose} in ${duration(performance.now() - began)}.`);
    show("connected");
  };
  socket.onmessage = ({ data }) => ui.log.add(entry("in", data));
  socket.onclose = ({ code, reason }) => {
    state.socket = null;
    if (opened) note(`Closed with ${codeAndReason(code, reason)}: ${closeInWords(code)}.`);
    else note(attempt === state.attempt ? REFUSED : "Cancelled.");
    show("disconnected");
  };
  state.socket = socket;
}

const REFUSED =
  "The connection was not accepted: the handshake was refused, or nothing answered. Browsers do not tell pages which; " +
  "the page Handshakes shows what the server refused and why.";

function disconnect() {
  state.attempt++;
  if (state.socket) state.socket.close(1000, "disconnected from the console");
  else show("disconnected");
}

function sendMessage() {
  if (state.socket?.readyState !== WebSocket.OPEN || !ui.message.value) return;
  const data = ui.kind.value === "text" ? ui.message.value : bytesOf(ui.message.value);
  if (!data) return note("Hex is pairs of digits: 48 65 6c 6c 6f.");
  state.socket.send(data);
  ui.log.add(entry("out", data));
  ui.message.value = "";
}

function show(word) {
  state.word = word;
  ui.pill.textContent = word;
  ui.pill.className = `state ${{ connected: "live", connecting: "waiting", disconnected: "ended" }[word]}`;
  ui.connect.textContent = word === "disconnected" ? "Connect" : "Disconnect";
  ui.connect.className = word === "disconnected" ? "primary" : "";
  ui.name.readOnly = ui.token.readOnly = word !== "disconnected";
  ui.send.disabled = word !== "connected";
  ui.message.placeholder = word === "connected" ? "Message" : "Connect to send";
  ui.tokenField.hidden = may("mint");
  ui.command.textContent = `silverback token --user=${shellQuoted(name())}`;
}
