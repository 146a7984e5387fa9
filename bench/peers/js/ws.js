// npm's ws with bufferutil: `node ws.js PORT`. /fan-out publishes to everyone, /deflate compresses without context takeover, every other
// path echoes.
const http = require('http');
const { WebSocketServer } = require('ws');

const options = { noServer: true, maxPayload: 64 << 20, perMessageDeflate: false };
const plain = new WebSocketServer(options);
const deflate = new WebSocketServer({
  ...options,
  perMessageDeflate: { serverNoContextTakeover: true, clientNoContextTakeover: true, threshold: 0 },
});
const everyone = new Set();

function connected(socket, request) {
  socket.on('error', () => {});
  if (request.url === '/fan-out') {
    everyone.add(socket);
    socket.on('close', () => everyone.delete(socket));
    socket.on('message', (message, binary) => everyone.forEach((to) => to.send(message, { binary })));
  } else {
    socket.on('message', (message, binary) => socket.send(message, { binary }));
  }
}

const server = http.createServer();
server.on('upgrade', (request, stream, head) => {
  const upgrader = request.url === '/deflate' ? deflate : plain;
  upgrader.handleUpgrade(request, stream, head, (socket) => connected(socket, request));
});
server.listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 4096 });
