// A page's own WebSocket as a client: see ../README.md. WebDriver runs this with an address and a function to call at the end.
// A page can neither ping nor send in fragments, and is not asked what compression to offer.

const [url, done] = arguments;

async function talk() {
  const ws = new WebSocket(url);
  ws.binaryType = 'arraybuffer';
  const arrived = [];
  let arrive;
  ws.onmessage = ({ data }) => (arrive ? arrive(data) : arrived.push(data));
  const closed = new Promise((resolve) => (ws.onclose = resolve));
  await new Promise((resolve, reject) => ([ws.onopen, ws.onerror] = [resolve, () => reject('no connection')]));
  const { extensions } = ws;

  const next = () => arrived.shift() ?? new Promise((resolve) => (arrive = (data) => resolve(data, (arrive = undefined))));
  const comes = async (expected) => {
    const data = await next();
    const bytes = (of) => (typeof of === 'string' ? of : String(new Uint8Array(of)));
    if (typeof data !== typeof expected || bytes(data) !== bytes(expected)) throw `not what was sent: ${bytes(data).slice(0, 80)}`;
  };
  const everyByte = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  const mebibyte = '0123456789abcdef'.repeat(65536);
  for (const message of ['hello', 'Grüße, κόσμε, 世界, 🦍', everyByte, '', new Uint8Array(0), mebibyte]) {
    ws.send(message);
    await comes(message);
  }
  const burst = Array.from({ length: 2000 }, (_, i) => `message ${i}`);
  for (const message of burst) ws.send(message);
  for (const message of burst) await comes(message);

  ws.close(4321, 'done: 完了');
  const { code, reason, wasClean } = await closed;
  return { extensions, code, reason, wasClean };
}

talk().then(done, (failure) => done({ failure: String(failure) }));
