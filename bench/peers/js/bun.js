// bun, whose WebSocket server is uWebSockets inside JavaScript: `bun bun.js PORT`. /fan-out publishes to everyone, every other path echoes.
const server = Bun.serve({
  port: Number(process.argv[2]),
  hostname: '127.0.0.1',
  fetch(request, server) {
    const everyone = new URL(request.url).pathname === '/fan-out';
    return server.upgrade(request, { data: { everyone } }) ? undefined : new Response('a WebSocket is wanted', { status: 426 });
  },
  websocket: {
    perMessageDeflate: false,
    maxPayloadLength: 64 << 20,
    backpressureLimit: 64 << 20,
    idleTimeout: 0,
    sendPings: false,
    open(socket) {
      if (socket.data.everyone) socket.subscribe('everyone');
    },
    message(socket, message) {
      if (socket.data.everyone) server.publish('everyone', message);
      else socket.send(message);
    },
  },
});
