// The feed of events: `/v1/events`, followed for as long as the key is good. `EventSource` would be shorter, but cannot carry the key.

import { account, api, may } from "./api.js";

const SILENCE = 60_000; // ms; the server's keep-alive comments come more often than this
const LONGEST_PAUSE = 15_000; // ms
const LAGGED = 3000; // ms

const listeners = new Map();
let number = 0; // of the loop that may run
let abort = new AbortController(); // ends its request

export const feed = {
  /** `word` is `off`, `connecting`, `live` or `waiting`; `wait` is the time to the next attempt, in ms. */
  state: { word: "off", wait: 0 },

  /** Calls `listener` with each event of that name, and with `state` and `fresh` (what is known is to be asked for again). */
  on(name, listener, signal) {
    if (!listeners.has(name)) listeners.set(name, new Set());
    listeners.get(name).add(listener);
    signal?.addEventListener("abort", () => listeners.get(name).delete(listener));
  },
};

const tell = (name, data) => listeners.get(name)?.forEach((listener) => listener(data));

/** Begins anew with the key that there is now, or ends. */
export async function follow() {
  const own = ++number;
  let failures = 0;
  abort.abort();
  if (!account.key || !may("read")) return show("off");
  while (own === number) {
    const attempt = (abort = new AbortController());
    if (!failures) show("connecting");
    try {
      const { body } = await api("/v1/events", { signal: attempt.signal });
      failures = 0;
      show("live");
      tell("fresh");
      await read(body, attempt);
    } catch {
      // However it broke, the cure is the same.
    } finally {
      attempt.abort(); // so that two never run side by side
    }
    if (own !== number) return;
    const pause = Math.min(500 * 2 ** failures++, LONGEST_PAUSE) * (0.75 + Math.random() / 2);
    show("waiting", pause);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

function show(word, wait = 0) {
  feed.state = { word, wait };
  tell("state", feed.state);
}

async function read(body, attempt) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  while (true) {
    const silence = setTimeout(() => attempt.abort(), SILENCE);
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
  if (!data) return;
  const name = field("event:").trim();
  tell(name, JSON.parse(data));
  if (name === "lagged") missed();
}

let asking = 0;

/** Some were left out, so what is known is to be asked for again: once in a while, however many are left out. */
function missed() {
  asking ||= setTimeout(() => {
    asking = 0;
    tell("fresh");
  }, LAGGED);
}
