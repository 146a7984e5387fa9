// npm's ws as a peer: see ../README.md.

const assert = require('node:assert');
const { on, once } = require('node:events');
const { WebSocket, WebSocketServer } = require('ws');

function deflate(compression) {
  if (compression === 'off') return false;
  const parameters = { threshold: 0 }; // compress what is short too
  for (const parameter of compression === 'on' ? [] : compression.split(',')) {
    const [name, value] = parameter.split('=');
    parameters[name.replace(/_(.)/g, (_, letter) => letter.toUpperCase())] = value ? Number(value) : true;
  }
  return parameters;
}

function serve(compression) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: deflate(compression) });
  server.on('listening', () => console.log(`listening on 127.0.0.1:${server.address().port}`));
  server.on('headers', (headers) => {
    const prefix = 'Sec-WebSocket-Extensions: ';
    const extensions = headers.find((header) => header.startsWith(prefix));
    console.log(`extensions ${extensions ? extensions.slice(prefix.length) : 'none'}`);
  });
  server.on('connection', (ws) => {
    ws.on('close', (code, reason) => console.log(`closed ${code} ${reason}`));
    ws.on('message', async (data, binary) => {
      const text = binary ? '' : data.toString();
      if (text === 'ping me') {
        ws.ping('are you there?');
        await once(ws, 'pong');
        ws.send('pong came');
      } else if (text === 'close me') {
        ws.close(4322, 'as you wish: どうぞ');
      } else if (text.startsWith('in pieces')) {
        inPieces(ws, data, false);
      } else {
        ws.send(data, { binary });
      }
    });
  });
}

async function connect(url, compression) {
  const ws = new WebSocket(url, { perMessageDeflate: deflate(compression) });
  const messages = on(ws, 'message');
  const closed = once(ws, 'close');
  const [[response]] = await Promise.all([once(ws, 'upgrade'), once(ws, 'open')]);
  console.log(`extensions ${response.headers['sec-websocket-extensions'] ?? 'none'}`);

  const comes = async (expected) => {
    const [data, binary] = (await messages.next()).value;
    assert.strictEqual(binary, typeof expected !== 'string');
    assert.deepStrictEqual(data, Buffer.from(expected), `not what was sent: ${data.subarray(0, 40)}`);
  };
  const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  for (const message of ['hello', 'Grüße, κόσμε, 世界, 🦍', everyByte, '', Buffer.alloc(0), '0123456789abcdef'.repeat(65536)]) {
    ws.send(message);
    await comes(message);
  }
  inPieces(ws, Buffer.from('in pieces: 世界'), false); // a character is cut
  await comes('in pieces: 世界');
  inPieces(ws, everyByte, true);
  await comes(everyByte);

  const burst = Array.from({ length: 2000 }, (_, i) => `message ${i}`);
  for (const message of burst) ws.send(message);
  for (const message of burst) await comes(message);

  const pong = once(ws, 'pong');
  ws.ping('are you there?');
  assert.strictEqual((await pong)[0].toString(), 'are you there?');
  ws.close(4321, 'done: 完了');
  const [code, reason] = await closed;
  console.log(`closed ${code} ${reason}`);
}

function inPieces(ws, data, binary) {
  ws.send(data.subarray(0, 12), { binary, fin: false });
  ws.send(data.subarray(12, 12), { binary, fin: false });
  ws.send(data.subarray(12), { binary, fin: true });
}

const [mode, ...rest] = process.argv.slice(2);
({ serve, connect })[mode](...rest);
