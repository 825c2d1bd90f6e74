'use strict';
// JSON lines on standard input and output; ends with standard input.

const readline = require('node:readline');

function say(fields) {
  process.stdout.write(JSON.stringify(fields) + '\n');
}

/** Runs `operations[op](arguments)` for each line, one after the other, and says what it returns. */
async function serve(operations) {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const call = JSON.parse(line);
    try {
      say((await operations[call.op](call)) || { ok: true });
    } catch (error) {
      say({ error: String((error && error.message) || error) });
    }
  }
  process.exit(0);
}

module.exports = { say, serve };
