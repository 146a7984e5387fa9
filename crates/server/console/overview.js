// The overview: how much is going on, and what happens.

import { may, whyNot } from "./api.js";
import { chart } from "./chart.js";
import { button, el, heading, panel } from "./dom.js";
import { feed } from "./feed.js";
import { HAPPENINGS, boundedList } from "./lines.js";
import { stats } from "./stats.js";
import { bytes, number, rate, since } from "./words.js";

const MINUTE = 60_000; // ms

const list = el("ol", "lines");
list.id = "activity";
list.tabIndex = 0;
list.ariaLabel = "Connects, messages from clients, ends and refusals";
const activity = boundedList(list);

// From the beginning on, whichever page is shown.
for (const [name, line] of Object.entries(HAPPENINGS)) feed.on(name, (data) => activity.add(line(data)));

export function overview({ signal }) {
  const node = el("section", "page overview");
  if (!may("read")) {
    node.append(heading("Overview"), el("p", "unavailable", whyNot("read")));
    return { title: "Overview", node };
  }
  const started = el("p", "hint");
  const series = (name, field) => ({ name, at: (index) => stats.samples[index][field] });
  const rates = (name, field) => ({ name, at: (index) => stats.rate(index, field) });
  const aMinute = (name, field) => ({ name, at: (index) => times60(stats.rate(index, field, MINUTE)) });
  node.append(
    heading("Overview", started),
    tiles(started, signal),
    el(
      "div",
      "board",
      el(
        "div",
        "charts",
        chart("Connected", [series("sessions", "sessions"), series("users", "users")], whole, signal),
        chart("Messages a second", [rates("in", "messages_in"), rates("out", "messages_out")], rate, signal),
        chart("Bytes a second", [rates("in", "bytes_in"), rates("out", "bytes_out")], bytes, signal),
        chart("Trouble a minute", [aMinute("refused", "refused"), aMinute("dropped", "dropped")], rate, signal),
      ),
      panel(
        "everyone",
        "Activity",
        [button("quiet", "Clear", activity.clear)],
        el(
          "div",
          "feed",
          list,
          el("p", "empty", el("strong", "", "All quiet."), " Connects, messages from clients, refusals and ends appear here as they happen."),
        ),
      ),
    ),
  );
  requestAnimationFrame(activity.toEnd);
  return { title: "Overview", node };
}

const whole = (value) => number(Math.round(value));
const times60 = (value) => (value === null ? null : value * 60);

/** The numbers of now. */
function tiles(started, signal) {
  const kinds = [
    ["Sessions", (last) => number(last.sessions)],
    ["Users", (last) => number(last.users)],
    ["Messages in", (_, at) => perSecond(stats.rate(at, "messages_in"))],
    ["Messages out", (_, at) => perSecond(stats.rate(at, "messages_out"))],
    ["Refused", (last) => number(last.refused)],
    ["Memory", (last) => (last.memory ? bytes(last.memory) : "–")],
  ];
  const shown = kinds.map(([name, say]) => ({ say, value: el("dd", "", "–"), name }));
  const node = el("dl", "tiles", ...shown.map(({ name, value }) => el("div", "tile panel", el("dt", "", name), value)));
  stats.on(() => {
    const at = stats.samples.length - 1;
    if (at < 0) return;
    for (const { say, value } of shown) value.textContent = say(stats.samples[at], at);
    if (stats.startedAt) started.textContent = `silverback ${stats.version}, up for ${since(stats.startedAt)}`;
  }, signal);
  return node;
}

const perSecond = (value) => (value === null ? "–" : `${rate(value)}/s`);
