'use strict';
// GraphQL queries over HTTP and subscriptions over WebSocket, to the same URL.

const http = require('node:http');
const WebSocket = require('ws');
const { createClient } = require('graphql-ws');
const { serve } = require('./lines.cjs');

let target;

function connect(to) {
  target = to;
}

function query({ query, variables }) {
  const { address, port, host } = target;
  const headers = { host, 'content-type': 'application/json' };
  return new Promise((resolve, reject) => {
    const request = http.request({ address, host: address, port, path: '/graphql', method: 'POST', headers }, (response) => {
      let body = '';
      response.on('data', (chunk) => (body += chunk));
      response.on('end', () => resolve({ status: response.statusCode, body: JSON.parse(body) }));
    });
    request.on('error', reject);
    request.end(JSON.stringify({ query, variables }));
  });
}

async function subscribe({ query, variables }) {
  const { address, port, host } = target;
  class Named extends WebSocket {
    constructor(url, protocols) {
      super(url, protocols, { headers: { Host: host } });
    }
  }
  const client = createClient({ url: `ws://${address}:${port}/graphql`, webSocketImpl: Named, retryAttempts: 0 });
  const results = [];
  for await (const result of client.iterate({ query, variables })) results.push(result.data);
  await client.dispose();
  return { results };
}

serve({ connect, query, subscribe });
