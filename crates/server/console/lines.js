// Lists that grow: everyone's activity, and the messages of one connection.

import { el, link, time } from "./dom.js";
import { bytes, codeAndReason, counted, duration } from "./words.js";

const MAX_LINES = 300; // per list; a console left open overnight must not grow
const MAX_SHOWN = 10_000; // characters of one message; the rest is counted, not drawn

/** A list that keeps its last lines, draws once per frame, and follows its end while the reader is there. */
export function boundedList(list) {
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
    toEnd: () => (list.scrollTop = list.scrollHeight),
  };
}

/** What is written of each event. */
export const HAPPENINGS = {
  "session.connected": ({ session }) => happening("connected", "+", userLink(session.user), "connected", session.remote),
  "session.ended": ({ session, report }) => happening("ended", "×", userLink(session.user), report.cause, reportInWords(report)),
  "session.message": ({ user, kind, size, text, cut }) => {
    const shown = kind === "binary" ? "binary" : cut ? `${text}…` : text;
    return happening("message", "→", userLink(user), shown, bytes(size));
  },
  "handshake.refused": ({ handshake }) => {
    const to = link(`#/handshakes?cause=${encodeURIComponent(handshake.cause)}`, "user", handshake.cause);
    return happening("refused", "!", to, handshake.title, handshake.remote);
  },
  lagged: ({ missed }) => happening("lagged", "…", null, `${counted(missed, "event")} left out: more happens than can be shown`),
};

export const userLink = (user) => link(`#/users/${encodeURIComponent(user)}`, "user", el("bdi", "", user));

/** A line of everyone's activity. */
function happening(kind, sign, who, what, detail) {
  const mark = el("span", "arrow", sign);
  mark.ariaHidden = "true";
  const said = el("div", "what", who, who && " ", el("bdi", "", what));
  return el("li", `event ${kind}`, time(Date.now()), mark, said, detail && el("span", "detail", detail));
}

export function reportInWords(report) {
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

/** A line of one connection: a message that went `in` or `out`, or a `note`. */
export function entry(kind, data) {
  const mark = el("span", "arrow", { in: "↓", out: "↑", note: "·" }[kind]);
  const heard = el("span", "unseen", { in: "received", out: "sent", note: "note" }[kind]);
  mark.ariaHidden = "true";
  const isText = typeof data === "string";
  const isJson = kind !== "note" && isText && looksLikeJson(data);
  const shown = isText ? (isJson ? coloured(data) : [cut(data)]) : [hex(data)];
  const tag = isJson ? "JSON" : isText ? "" : `${bytes(data.byteLength)} binary`;
  return el("li", `entry ${kind}`, time(Date.now()), mark, heard, el("div", "text", ...shown), tag && el("span", "tag", tag));
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

export function bytesOf(hex) {
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
