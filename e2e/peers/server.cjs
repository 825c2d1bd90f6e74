'use strict';
// A WebSocket echo server on the Node.js library `ws`; see README.md for what it can be asked.

const { WebSocketServer } = require('ws');
const { say, serve } = require('./lines.cjs');
const { payload, send } = require('./pattern.cjs');

function command(ws, request, text) {
  const [name, ...args] = text.split(' ');
  if (name === '!info') {
    const raw = request.rawHeaders;
    const headers = [];
    for (let i = 0; i < raw.length; i += 2) headers.push([raw[i].toLowerCase(), raw[i + 1]]);
    ws.send(JSON.stringify({ path: request.url, headers, subprotocol: ws.protocol, extensions: ws.extensions }));
  } else if (name === '!close') {
    ws.close(Number(args[0]), args.slice(1).join(' '));
  } else if (name === '!ping') {
    ws.once('pong', (data) => ws.send(`pong ${data}`));
    ws.ping(args[0]);
  } else if (name === '!send') {
    send(ws, args[0], payload(args[0], Number(args[1]), Number(args[2])), Number(args[3]));
  }
}

function listen({ subprotocols, compress }) {
  const server = new WebSocketServer({
    host: '127.0.0.1',
    port: 0,
    perMessageDeflate: compress ? { threshold: 0 } : false,
    maxPayload: 64 << 20,
    handleProtocols: (offered) => (subprotocols || []).find((name) => offered.has(name)) || false,
  });
  server.on('connection', (ws, request) => {
    ws.on('error', () => {});
    ws.on('message', (data, isBinary) => {
      const text = isBinary ? '' : data.toString();
      if (text.startsWith('!')) command(ws, request, text);
      else ws.send(data, { binary: isBinary });
    });
    ws.on('close', (code, reason) => say({ event: 'closed', code, reason: reason.toString() }));
  });
  return new Promise((resolve) => server.once('listening', () => resolve({ port: server.address().port })));
}

serve({ listen });
