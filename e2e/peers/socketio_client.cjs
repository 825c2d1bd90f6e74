'use strict';
// A Socket.IO client with its default transports: polling first, then the upgrade.

const dns = require('node:dns');
const { io } = require('socket.io-client');
const { serve } = require('./lines.cjs');

let socket;
let heard = [];

function connect({ address, port, host, transports }) {
  heard = [];
  // Its HTTP client overwrites the Host field, so the name in the URL is the one that counts.
  dns.lookup = (_, options, done) => done(null, options.all ? [{ address, family: 4 }] : address, 4);
  socket = io(`http://${host}:${port}`, {
    reconnection: false,
    forceNew: true,
    ...(transports ? { transports } : {}),
  });
  const seen = [];
  socket.io.engine.once('open', () => seen.push(socket.io.engine.transport.name));
  socket.on('chat', (text) => heard.push(text));
  return new Promise((resolve, reject) => {
    socket.once('connect_error', reject);
    socket.once('connect', () => {
      const engine = socket.io.engine;
      const done = () => resolve({ id: socket.id, transports: [...seen, engine.transport.name] });
      if (engine.transport.name === 'websocket' || transports) done();
      else engine.once('upgrade', done);
    });
  });
}

function chat({ text }) {
  return socket.timeout(60000).emitWithAck('chat', text);
}

async function closed() {
  const reason = await new Promise((resolve) => {
    socket.once('disconnect', resolve);
    socket.emit('leave');
  });
  return { reason };
}

serve({ connect, chat, heard: () => ({ heard }), closed });
