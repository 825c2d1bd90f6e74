// A WebSocket server that greets and echoes: node server.js ADDRESS PORT (needs the package 'ws').
const { WebSocketServer } = require("ws");

const [host, port] = process.argv.slice(2);
const server = new WebSocketServer({ host, port: Number(port) });
server.on("connection", (socket) => {
  socket.send(`welcome, this is ${host}:${port}`);
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
});
