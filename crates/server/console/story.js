// The life of a session, told in words, as `silverback why` tells it.

import { el, link, time } from "./dom.js";
import { bytes, clock, codeAndReason, counted, closeInWords, duration, shortId } from "./words.js";

/** What happened, in order. */
export function story(life) {
  const began = Date.parse(life.connected_at);
  const lines = [moment("connected", life.connected_at, "", beginning(life))];
  if (life.forgotten) lines.push(el("li", "moment", el("span", "", "…"), el("div", "", `${counted(life.forgotten, "earlier moment")} forgotten`)));
  for (const { after_ms, what, note, close } of life.moments) {
    lines.push(moment(what, began + after_ms, `+${duration(after_ms)}`, happened(life, what, note, close)));
  }
  const { report } = life;
  if (report) lines.push(moment("ended", life.ended_at, `+${duration(report.lived_ms)}`, [ending(report), " ", said(report)]));
  const node = el("ol", "story", ...lines);
  node.id = "story";
  return node;
}

function moment(kind, at, after, text) {
  return el("li", `moment ${kind}`, el("span", "when", time(at), el("span", "after", after)), el("div", "", ...[text].flat().filter(Boolean)));
}

function beginning({ remote, device, token_from, expires_at, handshake }) {
  const parts = [`Connected from ${remote ?? "somewhere"}`];
  if (device) parts.push(`on the device ${device}`);
  if (token_from === "anonymous") parts.push("without a token");
  else if (token_from) parts.push(`with a token from the ${token_from}`);
  if (expires_at) parts.push(`good until ${clock(expires_at)}`);
  return `${parts.join(", ")}.${handshake ? ` The handshake: ${handshake}.` : ""}`;
}

function happened({ asked, displaced_by }, what, note, close) {
  if (what === "first-drop") return "Its queue was full, and a message was dropped for the first time.";
  if (what !== "asked-to-close") return `Noted: ${note ?? what}.`;
  const frame = codeAndReason(close.code, close.reason);
  if (asked === "newer-session") return ["A newer session, ", link(`#/sessions/${displaced_by}`, "", shortId(displaced_by)), `, took its place: ${frame}.`];
  return asked === "drain" ? `The server was drained: ${frame}.` : `The application asked to close it: ${frame}.`;
}

function ending(report) {
  const who = report.began === "peer" ? "the client, or its network" : "this server";
  return `Ended by ${who}, after ${duration(report.lived_ms)}: ${report.cause}.`;
}

function said({ sent, received, transport }) {
  const of = (frame) => (frame ? codeAndReason(frame.code, frame.reason) : "no close");
  return `This server sent ${of(sent)}, the client sent ${of(received)}; TCP ${transport}.`;
}

const ASKED = { application: "the application closed it", drain: "the server was drained", "newer-session": "a newer session took its place" };

/** Why it ended, in a few words. */
export const cause = ({ asked, report }) => (report.began === "local" && ASKED[asked]) || report.cause;

/** How it ended, and what that means. */
export function why(life) {
  const { report } = life;
  const frame = (close) => close && `${codeAndReason(close.code, close.reason)}: ${closeInWords(close.code)}`;
  return [
    ["Why", cause(life)],
    ["Who began", report.began === "peer" ? "the client, or its network" : "this server"],
    ["Close sent", frame(report.sent) ?? "none"],
    ["Close received", isSame(report) ? "the same" : (frame(report.received) ?? "none")],
    ["TCP", report.transport],
    ["Lived", duration(report.lived_ms)],
    ["From the client", `${counted(report.messages_in, "message")}, ${bytes(report.bytes_in)}`],
    ["To the client", `${counted(report.messages_out, "message")}, ${bytes(report.bytes_out)}`],
    ["Left unsent", counted(report.unsent, "message")],
    ["Round trip", report.round_trip_ms === null ? "not measured" : duration(report.round_trip_ms)],
    ["Unanswered pings", report.pings_unanswered > 0 && report.pings_unanswered],
    ["Pauses in reading", report.pauses > 0 && report.pauses],
  ];
}

const isSame = ({ sent, received }) => sent && received && sent.code === received.code && sent.reason === received.reason;
