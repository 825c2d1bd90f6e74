'use strict';
// A WebSocket client on the Node.js library `ws`.

const WebSocket = require('ws');
const { serve } = require('./lines.cjs');
const { payload, send } = require('./pattern.cjs');

let ws;
let inbox; // messages and, at the end, one {code, reason}
let waiting;

function deliver(item) {
  if (waiting) {
    const take = waiting;
    waiting = undefined;
    take(item);
  } else {
    inbox.push(item);
  }
}

function next() {
  if (inbox.length > 0) return Promise.resolve(inbox.shift());
  return new Promise((resolve) => (waiting = resolve));
}

async function message() {
  const item = await next();
  if (item.code !== undefined) throw new Error(`closed with ${item.code} '${item.reason}'`);
  return item;
}

async function closed() {
  let item;
  do item = await next();
  while (item.code === undefined);
  return item;
}

function connect({ address, port, host, path, subprotocols, compress, headers, ca }) {
  inbox = [];
  const authority = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
  ws = new WebSocket(`${ca ? 'wss' : 'ws'}://${authority}${path}`, subprotocols || [], {
    headers: { ...headers, Host: host },
    perMessageDeflate: compress ? { threshold: 0 } : false,
    maxPayload: 64 << 20,
    ...(ca ? { ca, servername: host } : {}),
  });
  ws.on('message', (data, isBinary) => deliver({ data, isBinary }));
  ws.on('close', (code, reason) => deliver({ code, reason: reason.toString() }));
  return new Promise((resolve, reject) => {
    ws.once('open', () => resolve({ subprotocol: ws.protocol, extensions: ws.extensions }));
    ws.on('error', reject);
  });
}

async function echo({ kind, size, seed, fragments = 1 }) {
  const sent = payload(kind, size, seed);
  send(ws, kind, sent, fragments);
  const { data, isBinary } = await message();
  if (isBinary !== (kind === 'binary')) throw new Error(`sent ${kind}, got ${isBinary ? 'binary' : 'text'}`);
  if (!sent.equals(data)) throw new Error(`sent ${sent.length} bytes, got ${data.length} others`);
}

async function ask({ text }) {
  ws.send(text);
  return { text: (await message()).data.toString() };
}

function order({ text }) {
  ws.send(text);
}

function ping({ payload }) {
  return new Promise((resolve) => {
    const onPong = (data) => {
      if (data.toString() !== payload) return;
      ws.off('pong', onPong);
      resolve();
    };
    ws.on('pong', onPong);
    ws.ping(payload);
  });
}

function close({ code, reason }) {
  ws.close(code, reason);
  return closed();
}

serve({ connect, echo, ask, order, ping, close, closed });
