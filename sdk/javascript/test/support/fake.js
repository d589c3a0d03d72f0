'use strict';

// An API that answers what a test says, over a real socket, and remembers what it was asked.

const http = require('node:http');
const { once } = require('node:events');
const { text } = require('node:stream/consumers');

const KEY = 'sk_test_FakeKeyForTests0123456789ABCDEFGHIJKLMNOPQRSTUVWXY';

/**
 * @param {((request, response) => void)[]} answers one for each request, the last one for all that follow
 * @returns {Promise<{ url: string, asked: object[], stop: () => Promise<void> }>}
 */
async function fake(...answers) {
  const asked = [];
  const server = http.createServer(async (request, response) => {
    const { method, url, headers } = request;
    asked.push({ method, url, headers, body: await text(request), at: performance.now() });
    (answers[asked.length - 1] ?? answers.at(-1))(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    asked,
    async stop() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

const json = (status, body, headers = {}) => (request, response) =>
  response.writeHead(status, { 'content-type': 'application/json', 'request-id': 'req_1', ...headers }).end(JSON.stringify(body));

const refusal = (status, code, headers) =>
  json(status, { status, error: [{ code, message: 'No.' }], request_id: 'req_1' }, headers);

/** The connection breaks: nothing is answered. */
const dropped = (request) => request.socket.destroy();

/** Nothing is answered, and the connection stays. */
const silent = () => {};

/** The first half of an answer. */
const cut = (body) => (request, response) => {
  const all = JSON.stringify(body);
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': all.length });
  response.write(all.slice(0, all.length / 2), () => request.socket.destroy());
};

module.exports = { fake, json, refusal, dropped, silent, cut, KEY };
