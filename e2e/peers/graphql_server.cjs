'use strict';
// One GraphQL schema on one path: queries over HTTP, subscriptions over WebSocket (graphql-transport-ws).

const http = require('node:http');
const { buildSchema, graphql } = require('graphql');
const { WebSocketServer } = require('ws');
const { useServer } = require('graphql-ws/lib/use/ws');
const { serve } = require('./lines.cjs');

const schema = buildSchema(`
  type Query { greet(name: String!): String! }
  type Subscription { count(to: Int!): Int! }
`);
const rootValue = {
  greet: ({ name }) => `Hello, ${name}`,
  count: async function* ({ to }) {
    for (let i = 1; i <= to; i++) yield { count: i };
  },
};

async function answer(request, response) {
  let body = '';
  for await (const chunk of request) body += chunk;
  const { query, variables } = JSON.parse(body);
  const result = await graphql({ schema, source: query, rootValue, variableValues: variables });
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(result));
}

function listen() {
  const server = http.createServer((request, response) => {
    answer(request, response).catch((error) => {
      response.statusCode = 400;
      response.end(String(error));
    });
  });
  const roots = { query: rootValue, subscription: rootValue };
  useServer({ schema, roots }, new WebSocketServer({ server, path: '/graphql' }));
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve({ port: server.address().port }));
  });
}

serve({ listen });
