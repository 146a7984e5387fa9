// The key, what it may do, and requests to the server's API.

const KEY = "silverback.key"; // of the tab's own store, which ends with the tab

/** Whose key it is, and what it may do. Without a key the log-in is shown. */
export const account = { key: null, name: "", rights: new Set(), problem: "" };

const listeners = [];

/** Calls `listener` whenever somebody has logged in or out. */
export const onAccount = (listener) => listeners.push(listener);

export const may = (right) => account.rights.has(right);

/** Why something is not available to this key. */
export const whyNot = (right) =>
  `Not available: the key “${account.name}” does not have the right “${right}”. ` +
  `Log in with another key, or add "${right}" to the rights of this one in api.keys.`;

/** Takes the key out of `#key=…`, and out of the address bar, so that it is in no screenshot and no bookmark. Else that of the tab. */
export async function takeKeyFromAddress() {
  const { hash, pathname, search } = location;
  if (hash.startsWith("#key=")) {
    history.replaceState(null, "", pathname + search);
    await logIn(hash);
    return true;
  }
  const kept = sessionStorage.getItem(KEY);
  if (!account.key && kept) await logIn(kept);
  return false;
}

/** Accepts a bare key, `#key=…`, and the whole address that `serve` printed. */
export async function logIn(pasted) {
  const [bare, inAddress] = pasted.trim().split("#key=");
  // Unlike decodeURIComponent, this leaves a stray percent sign alone.
  const key = inAddress ? new URLSearchParams(`key=${inAddress.replaceAll("+", "%2B")}`).get("key") : bare;
  if (!key) return logout("");
  if (!/^[\x21-\x7e]+$/.test(key)) return logout("That is not a key: it has spaces or unusual characters in it.");
  try {
    const response = await request("/v1/key", key, {});
    const { name, rights } = await response.json();
    Object.assign(account, { key, name, rights: new Set(rights), problem: "" });
    sessionStorage.setItem(KEY, key);
    tell();
  } catch (error) {
    if (error.status === 401) return logout("The server did not accept this key. Was it started anew?");
    // The key may be good: it is kept for when the page is loaded again.
    sessionStorage.setItem(KEY, key);
    Object.assign(account, { key: null, problem: `The key could not be tried: ${error.message}. Reload the page to try again.` });
    tell();
  }
}

export function logout(problem) {
  sessionStorage.removeItem(KEY);
  Object.assign(account, { key: null, name: "", rights: new Set(), problem });
  tell();
}

const tell = () => listeners.forEach((listener) => listener());

/** A call to the server's API. Every failure is an `Error` whose message is for people; an answer's has its `status` and `cause`. */
export async function api(path, options = {}) {
  const { key } = account;
  try {
    return await request(path, key, options);
  } catch (error) {
    if (error.status === 401 && key && key === account.key) logout("The server did not accept this key. Was it started anew?");
    throw error;
  }
}

export async function json(path, options) {
  return (await api(path, options)).json();
}

export const isAbort = (error) => error.name === "AbortError";

async function request(path, key, options) {
  const headers = { ...options.headers, authorization: `Bearer ${key}` };
  const response = await fetch(path, { ...options, headers, cache: "no-store" }).catch((error) => {
    throw isAbort(error) ? error : new Error("the server cannot be reached");
  });
  if (response.ok) return response;
  const { detail, title, cause, cure } = await response.json().catch(() => ({}));
  const message = [title ?? `the server answered ${response.status}`, cause !== "right-missing" && detail, cure].filter(Boolean).join(". ");
  throw Object.assign(new Error(message), { status: response.status, cause });
}
