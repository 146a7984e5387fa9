// Numbers, sizes, times and close codes, as people say them.

export const counted = (count, thing) => `${number(count)} ${thing}${count === 1 ? "" : "s"}`;

export const number = (count) => count.toLocaleString("en");

export function bytes(size) {
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (size < 1024 || unit === "GiB") return `${size < 10 && unit !== "B" ? size.toFixed(1) : Math.round(size)} ${unit}`;
    size /= 1024;
  }
  return "";
}

/** So many a second, with as many digits as say something. */
export function rate(value) {
  if (value >= 10_000) return `${(value / 1000).toFixed(value < 100_000 ? 1 : 0)}k`;
  if (value >= 10 || Number.isInteger(value)) return number(Math.round(value));
  return value.toFixed(1);
}

export function duration(ms) {
  const seconds = Math.floor(ms / 1000);
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (seconds < 60) return seconds < 10 ? `${(ms / 1000).toFixed(1)} s` : `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`;
}

export const since = (text) => duration(Math.max(0, Math.floor((Date.now() - Date.parse(text)) / 1000) * 1000));

/** A moment: only the clock where it is of today. */
export function clock(text) {
  const date = new Date(text);
  const time = date.toTimeString().slice(0, 8);
  if (date.toDateString() === new Date().toDateString()) return time;
  return `${date.toLocaleDateString("en", { month: "short", day: "numeric" })} ${time}`;
}

/** The last digits of a session's id: those in front are the time, and alike for everybody who came at once. */
export const shortId = (id) => `…${id.slice(-8)}`;

export const codeAndReason = (code, reason) => (reason ? `${code} “${reason}”` : `${code}`);

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

export function closeInWords(code) {
  if (CLOSE_CODES[code]) return CLOSE_CODES[code];
  if (code >= 4400 && code < 4500) return `refused, as HTTP would with ${code - 4000}`;
  if (code >= 4000) return "a code of the application's own";
  return code >= 3000 ? "a code that a library or framework registered" : "a code that is seldom seen";
}

export const shellQuoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);
