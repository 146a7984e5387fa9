// The lines to paste: how to connect and how to send, to this server, as this user. Secrets stand in them by their names.

import { may } from "./api.js";
import { copyButton, el, panel } from "./dom.js";
import { shellQuoted } from "./words.js";

const socketAddress = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`;

/** Panels of lines; `fill(user, message)` writes these names into them. */
export function snippets() {
  const blocks = [
    ["snippet-token", "A token, on the command line", tokenLines],
    ["snippet-browser", "Connect: JavaScript in a page", browserLines],
    ["snippet-curl-connect", "Connect: curl, to see the answer", curlConnectLines],
    ["snippet-curl", "Send: curl", curlSendLines],
    ["snippet-fetch", "Send: JavaScript in your back end", fetchLines],
  ].map(([id, title, lines]) => {
    const code = el("pre", "snippet");
    Object.assign(code, { id, tabIndex: 0, ariaLabel: title });
    code.role = "group";
    return { code, lines, node: panel("code", title, [copyButton(title, code)], code) };
  });
  return {
    nodes: blocks.map(({ node }) => node),
    fill: (user, message) => blocks.forEach(({ code, lines }) => (code.textContent = lines(user, message))),
  };
}

function tokenLines(user) {
  if (!may("mint")) return `TOKEN=$(silverback token --user=${shellQuoted(user)})   # where SILVERBACK_AUTH_SECRET is set`;
  return [
    `# SILVERBACK_API_KEY is the key that you logged in with.`,
    `TOKEN=$(curl --silent ${location.origin}/v1/tokens \\`,
    `  -H "Authorization: Bearer $SILVERBACK_API_KEY" \\`,
    `  --json ${shellQuoted(JSON.stringify({ user }))} | sed 's/.*"token":"\\([^"]*\\)".*/\\1/')`,
  ].join("\n");
}

function browserLines() {
  return [
    `const token = "…"; // from your back end: what $TOKEN is on the command line`,
    `const url = ${JSON.stringify(socketAddress)};`,
    `const socket = new WebSocket(url, ["silverback", "silverback.bearer." + token]);`,
    `socket.onopen = () => socket.send("hello");`,
    `socket.onmessage = ({ data }) => console.log(data);`,
    `socket.onclose = ({ code, reason }) => console.log("closed", code, reason);`,
  ].join("\n");
}

function curlConnectLines() {
  return [
    `curl --include --no-buffer ${location.origin}/ws \\`,
    `  -H "Connection: Upgrade" -H "Upgrade: websocket" -H "Sec-WebSocket-Version: 13" \\`,
    `  -H "Sec-WebSocket-Key: $(openssl rand -base64 16)" \\`,
    `  -H "Authorization: Bearer $TOKEN"`,
  ].join("\n");
}

const messages = (user) => `/v1/users/${encodeURIComponent(user)}/messages`;

function curlSendLines(user, message) {
  return [
    `curl ${shellQuoted(location.origin + messages(user))} \\`,
    `  -H "Authorization: Bearer $SILVERBACK_API_KEY" \\`,
    `  -H "Content-Type: text/plain" \\`,
    `  --data-raw ${shellQuoted(message)}`, // --data would take a message that begins with @ for a file
  ].join("\n");
}

function fetchLines(user, message) {
  return [
    `const answer = await fetch(${JSON.stringify(location.origin + messages(user))}, {`,
    `  method: "POST",`,
    `  headers: {`,
    `    authorization: \`Bearer \${process.env.SILVERBACK_API_KEY}\`,`,
    `    "content-type": "text/plain",`,
    `  },`,
    `  body: ${JSON.stringify(message)},`,
    `});`,
    `console.log(await answer.json()); // {"sessions":1,"queued":1,"dropped":0}`,
  ].join("\n");
}
