// How much is going on: samples of the last fifteen minutes, from the server's own memory and then every two seconds.

import { account, json, may } from "./api.js";
import { feed } from "./feed.js";

const EVERY = 2000; // ms
const KEPT = 15 * 60_000; // ms
const GAP = 15_000; // ms; what lies further apart is not joined
const WINDOW = 4500; // ms; a rate is that of so long at least where there is so much, or it would jump

let samples = [];
let timer = 0;
let round = 0;
const listeners = new Set();

export const stats = {
  startedAt: null,
  version: "",
  get samples() {
    return samples;
  },

  /** Calls `listener` at each sample, while somebody looks. */
  on(listener, signal) {
    listeners.add(listener);
    signal.addEventListener("abort", () => {
      listeners.delete(listener);
      if (!listeners.size) clearTimeout(timer);
    });
    if (listeners.size === 1) begin();
    else listener();
  },

  /** So many of a counter a second, as it was at a sample; `null` where that is not known. */
  rate(at, name, window = WINDOW) {
    const now = samples[at];
    let before = at;
    while (before > 0 && now.time - samples[before].time < window) before--;
    const then = samples[before];
    const passed = now.time - then.time;
    if (passed < WINDOW / 3 || passed > window + GAP || now[name] < then[name]) return null; // less than before: it was started anew
    return ((now[name] - then[name]) * 1000) / passed;
  },

  isGap: (at) => at > 0 && samples[at].time - samples[at - 1].time > GAP,
};

async function begin() {
  const own = ++round;
  clearTimeout(timer);
  if (!may("read")) return;
  try {
    const { samples: before } = await json("/v1/stats/history");
    if (own !== round) return;
    samples = before.map(timed);
    await look(own);
  } catch {
    again(own);
  }
}

async function look(own) {
  try {
    const { now, started_at, version } = await json("/v1/stats");
    if (own !== round) return;
    Object.assign(stats, { startedAt: started_at, version });
    add(timed(now));
  } catch {
    // The feed tells that the server is away.
  }
  again(own);
}

function again(own) {
  clearTimeout(timer);
  if (own !== round || !listeners.size || !account.key) return;
  timer = setTimeout(() => (document.hidden ? again(own) : look(own)), EVERY);
}

function add(sample) {
  const last = samples.at(-1);
  if (last && sample.time <= last.time) return;
  samples.push(sample);
  while (samples[0].time < sample.time - KEPT) samples.shift();
  listeners.forEach((listener) => listener());
}

const timed = (sample) => ({ ...sample, time: Date.parse(sample.at) });

// What was missed meanwhile, the server remembers.
feed.on("fresh", () => listeners.size && begin());
document.addEventListener("visibilitychange", () => !document.hidden && listeners.size && begin());
