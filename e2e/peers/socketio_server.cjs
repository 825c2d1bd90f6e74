'use strict';
// A Socket.IO server as its documentation starts one, beside a plain HTTP page.

const http = require('node:http');
const { Server } = require('socket.io');
const { serve } = require('./lines.cjs');

function listen() {
  const polls = { count: 0 };
  const server = http.createServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ page: request.url }));
  });
  const io = new Server(server);
  io.engine.on('headers', () => (polls.count += 1));
  io.on('connection', (socket) => {
    socket.on('chat', (text, reply) => {
      io.emit('chat', text);
      reply({ text, transport: socket.conn.transport.name, polls: polls.count });
    });
    socket.on('leave', () => socket.disconnect(true));
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve({ port: server.address().port }));
  });
}

serve({ listen });
