// The console: pages over the server's own API. This file reads the address and shows the page that it names; each page is a
// module of its own. Whatever comes from outside is text, and reaches the page as a text node. Nothing here parses HTML.
//
//   console.js ─▶ login.js, or one of: overview.js, sessions.js, session.js, user.js, handshakes.js, try.js
//                     with what they share: api.js (requests), feed.js (events), stats.js (samples), dom.js (elements), words.js

import { account, logout, onAccount, takeKeyFromAddress } from "./api.js";
import { announce, byId, el } from "./dom.js";
import { feed, follow } from "./feed.js";
import { handshakes } from "./handshakes.js";
import { login } from "./login.js";
import { overview } from "./overview.js";
import { session } from "./session.js";
import { sessions } from "./sessions.js";
import { tryIt } from "./try.js";
import { user } from "./user.js";

const PAGES = [
  [/^\/$/, overview],
  [/^\/sessions$/, sessions],
  [/^\/sessions\/([^/]+)$/, session],
  [/^\/users\/([^/]+)$/, user],
  [/^\/handshakes$/, handshakes],
  [/^\/try$/, tryIt],
];

const THEMES = ["auto", "light", "dark"];

const main = byId("main");
let leaving = new AbortController(); // told when the page that is shown is left

async function start() {
  byId("skip").addEventListener("click", (event) => {
    event.preventDefault(); // its address would be taken for a page's
    main.focus();
  });
  byId("logout").addEventListener("click", () => logout(""));
  byId("theme").addEventListener("click", nextTheme);
  showTheme();
  feed.on("state", showFeed);
  onAccount(() => {
    follow();
    show(false);
  });
  window.addEventListener("hashchange", async () => {
    if (!(await takeKeyFromAddress())) show(true);
  });
  await takeKeyFromAddress();
  if (!main.hasChildNodes()) show(false); // nobody has logged in, so nobody has told
}

/** Shows the page of the address. `isAsked` is false where nobody went there: then focus stays where it is. */
function show(isAsked) {
  leaving.abort();
  leaving = new AbortController();
  const isIn = Boolean(account.key);
  for (const id of ["nav", "logout", "feed-state"]) byId(id).hidden = !isIn;
  showFeed();
  if (!isIn) return put(login(), "Log in", false);

  const [path, query] = location.hash.replace(/^#/, "").split("?");
  for (const [pattern, page] of PAGES) {
    const found = pattern.exec(path || "/");
    if (!found) continue;
    const place = { parameters: found.slice(1).map(decoded), query: new URLSearchParams(query), signal: leaving.signal };
    const { title, node } = page(place);
    return put(node, title, isAsked);
  }
  const lost = el("section", "page", el("h2", "", "There is no such page"), el("p", "hint", "Choose one of those above."));
  put(lost, "Not found", isAsked);
}

function put(node, title, isAsked) {
  document.title = `${title} · Silverback console`;
  main.replaceChildren(node);
  const section = location.hash.split(/[/?]/)[1] ?? "";
  for (const link of byId("nav").children) {
    const isHere = link.getAttribute("href") === `#/${section === "users" ? "sessions" : section}`;
    if (isHere) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (!isAsked) return;
  scrollTo(0, 0);
  main.focus({ preventScroll: true });
  announce(title);
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Whether what is shown is of now: in the header for everybody, and across the page where it is not. */
function showFeed() {
  const { word, wait } = feed.state;
  document.body.dataset.feed = word;
  const pill = byId("feed-state");
  const said = { live: "Live", connecting: "Connecting", waiting: "Offline", off: "No live view" }[word];
  if (pill.textContent !== said) pill.textContent = said;
  const isLost = word === "waiting" && Boolean(account.key);
  byId("banner").hidden = !isLost;
  if (isLost && !byId("banner").textContent) byId("banner").textContent = LOST;
  if (!isLost) byId("banner").textContent = "";
  byId("banner").title = isLost ? `The next attempt is in ${Math.ceil(wait / 1000)} s` : "";
}

const LOST = "The server cannot be reached. What is shown is from before; it is brought up to date as soon as the server answers.";

function nextTheme() {
  const now = localStorage.getItem("silverback.theme") ?? "auto";
  const next = THEMES[(THEMES.indexOf(now) + 1) % THEMES.length];
  localStorage.setItem("silverback.theme", next);
  showTheme();
}

function showTheme() {
  const theme = localStorage.getItem("silverback.theme") ?? "auto";
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  const button = byId("theme");
  button.textContent = { auto: "Auto", light: "Light", dark: "Dark" }[theme];
  button.ariaLabel = `Colours: ${theme === "auto" ? "auto, as the system has them" : theme}`;
  button.title = button.ariaLabel;
}

start();
