// A chat back end: Silverback holds the connections, this says what happens on them. See ../README.md.

const http = require("node:http");
const { createHmac, timingSafeEqual } = require("node:crypto");

const silverback = process.env.SILVERBACK_URL ?? "http://127.0.0.1:8080";
const { SILVERBACK_API_KEY: apiKey, SILVERBACK_HOOKS_SECRET: secret } = process.env;

// Throws unless this came from our Silverback, and recently.
function verify(secret, headers, body) {
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const seconds = headers["webhook-timestamp"];
  if (!(Math.abs(Date.now() / 1000 - seconds) <= 300)) throw new Error("too old, or from the future");
  const signed = createHmac("sha256", key).update(`${headers["webhook-id"]}.${seconds}.`).update(body);
  const expected = Buffer.from("v1," + signed.digest("base64"));
  const given = headers["webhook-signature"].split(" ").map((text) => Buffer.from(text));
  if (!given.some((one) => one.length === expected.length && timingSafeEqual(one, expected))) throw new Error("the signature is wrong");
}

async function api(path, body) {
  const answer = await fetch(silverback + path, {
    method: body ? "POST" : "GET",
    headers: { Authorization: `Bearer ${apiKey}`, "Content-Type": "application/json" },
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(5000),
  });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

const tellEveryone = (text) => api("/v1/messages", { to: "everyone", message: { text } });

// What to answer: a status, and perhaps a body.
async function hook(headers, body) {
  const user = decodeURIComponent(headers["ce-user"] ?? "");
  const text = body.toString();
  switch (headers["ce-type"]) {
    case "silverback.session.connect":
      if (JSON.parse(text).user === "admin") return [403, "nobody is called admin here"];
      break;
    case "silverback.session.connected":
      await tellEveryone(`* ${user} is here`);
      break;
    case "silverback.session.ended":
      await tellEveryone(`* ${user} has left`);
      break;
    case "silverback.message":
      if (text === "/who") {
        const { sessions } = await api("/v1/sessions?limit=1000");
        return [200, "* here: " + [...new Set(sessions.map((session) => session.user))].sort().join(", ")];
      }
      await tellEveryone(`${user}: ${text}`);
  }
  return [204];
}

const server = http.createServer(async (request, response) => {
  const answer = (status, text = "") => response.writeHead(status, text && { "Content-Type": "text/plain" }).end(text);
  try {
    const body = Buffer.concat(await request.toArray());
    try {
      verify(secret, request.headers, body);
    } catch (error) {
      return answer(401, error.message);
    }
    answer(...(await hook(request.headers, body)));
  } catch (error) {
    console.error(error); // Silverback sends it again
    answer(500);
  }
});
server.listen(process.env.PORT ?? 3000, "127.0.0.1");
