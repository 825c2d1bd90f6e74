'use strict';
// The payload of test messages: a block of 251 (prime) bytes repeated, which a shift by any power of two spoils.

function payload(kind, size, seed) {
  const block = Buffer.alloc(251);
  for (let i = 0; i < 251; i++) {
    block[i] = kind === 'text' ? 97 + ((seed + 7 * i + Math.floor(i / 26)) % 26) : (seed + 7 * i) % 256;
  }
  return size === 0 ? Buffer.alloc(0) : Buffer.alloc(size, block);
}

/** Cuts a message into that many nearly equal fragments, some of which may be empty. */
function split(body, fragments) {
  const cut = (i) => Math.floor((body.length * i) / fragments);
  return Array.from({ length: fragments }, (_, i) => body.subarray(cut(i), cut(i + 1)));
}

function send(ws, kind, body, fragments) {
  split(body, fragments).forEach((part, i) => {
    ws.send(part, { binary: kind === 'binary', fin: i === fragments - 1 });
  });
}

module.exports = { payload, send };
