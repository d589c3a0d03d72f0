'use strict';

// Retries never double. Between the SDK and the service stands a proxy that, at random, loses requests, loses answers to
// what was done, cuts them in the middle, answers for the service, or falls silent.

const assert = require('node:assert/strict');
const http = require('node:http');
const { after, before, test } = require('node:test');
const { once } = require('node:events');
const { buffer } = require('node:stream/consumers');
const KashIO = require('..');
const { start } = require('./support/kashio');

const CREATES = 1_000;
const PAYMENTS = 200;
const AT_ONCE = 16;

// Which requests are never answered though they were carried out: early ones, since each takes its caller ten seconds.
const SILENT = [50, 250, 450, 650];

// Of a hundred requests.
const FAULTS = [
  ['lost on the way there', 7],
  ['lost on the way back', 10],
  ['cut in the middle', 7],
  ['502 after it was done', 4],
  ['503 before it was done', 3],
];

// The same troubles each time, in the same order of requests: mulberry32.
function seeded(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

async function proxy(target) {
  const random = seeded(20_170_530);
  const told = { requests: 0, 'silent after it was done': 0 };
  const agent = new http.Agent({ keepAlive: true });

  const choose = () => {
    told.requests += 1;
    if (SILENT.includes(told.requests)) return 'silent after it was done';
    let left = random() * 100;
    return FAULTS.find(([, share]) => (left -= share) < 0)?.[0];
  };

  const forward = (request, body) => new Promise((resolve, reject) => {
    const { method, url: path, headers } = request;
    http.request(new URL(path, target), { agent, method, headers: { ...headers, host: new URL(target).host } }, async (answer) => {
      resolve({ status: answer.statusCode, headers: answer.headers, body: await buffer(answer) });
    }).on('error', reject).end(body);
  });

  const server = http.createServer(async (request, response) => {
    const body = await buffer(request);
    const trouble = choose();
    if (trouble) told[trouble] = (told[trouble] ?? 0) + 1;
    if (trouble === 'lost on the way there') return request.socket.destroy();
    if (trouble === '503 before it was done') return response.writeHead(503, { 'retry-after': '0' }).end();

    const answer = await forward(request, body);
    if (trouble === 'silent after it was done') return undefined;
    if (trouble === 'lost on the way back') return request.socket.destroy();
    if (trouble === '502 after it was done') return response.writeHead(502).end('<html>');
    response.writeHead(answer.status, answer.headers);
    if (trouble !== 'cut in the middle') return response.end(answer.body);
    return response.write(answer.body.subarray(0, answer.body.length / 2), () => request.socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    told,
    stop() {
      server.close();
      server.closeAllConnections();
      agent.destroy();
    },
  };
}

// Calls `work` with 0 … total - 1, a few at once.
async function all(total, work) {
  const results = new Array(total);
  let next = 0;
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (next < total) {
      const mine = next;
      next += 1;
      results[mine] = await work(mine);
    }
  }));
  return results;
}

async function collect(list) {
  const everything = [];
  for await (const one of list) everything.push(one);
  return everything;
}

let dev;
let direct;
let way;
let api;

before(async () => {
  dev = await start();
  direct = KashIO.authorize(dev.test_key, { baseUrl: dev.public_url });
  way = await proxy(dev.public_url);
  api = KashIO.authorize(dev.test_key, { baseUrl: way.url, timeout: 60_000 });
});
after(async () => {
  way?.stop();
  await dev?.stop();
});

test(`${CREATES} creates through a proxy that loses answers: ${CREATES} invoices`, async (context) => {
  // Every other one is past its time at once: its invoice_id is free again, so only the key keeps it single.
  const answered = await all(CREATES, (number) => api.invoices.create({
    invoice_id: `P-${number}`,
    currency: 'PEN',
    amount: `${number + 1}.00`,
    ...number % 2 && { expiration_datetime: '2026-01-01T00:00:00' },
  }));

  const invoices = await collect(direct.invoices.list({ limit: 500 }));
  assert.equal(invoices.length, CREATES);
  assert.deepEqual(invoices.map(({ id }) => id).sort(), answered.map(({ id }) => id).sort(), 'those that were answered, and no other');
  for (const [number, { invoice_id, amount }] of answered.entries()) {
    assert.deepEqual([invoice_id, amount], [`P-${number}`, `${number + 1}.00`]);
  }
  const created = await collect(direct.events.list({ after: 0, limit: 500, type: 'invoice.created' }));
  assert.equal(created.length, CREATES);
  assert.equal(new Set(created.map(({ data }) => data.invoice.id)).size, CREATES);

  for (const [fault] of FAULTS) assert.ok(way.told[fault] > CREATES / 100, `${fault}: ${way.told[fault]}`);
  assert.equal(way.told['silent after it was done'], SILENT.length);
  assert.ok(way.told.requests > CREATES * 1.2, `${way.told.requests}`);
  context.diagnostic(`${CREATES} creates, ${invoices.length} invoices; the proxy: ${JSON.stringify(way.told)}`);
});

test(`${PAYMENTS} payments through the same proxy: ${PAYMENTS} payments`, async (context) => {
  // Of money that the bank has already taken a second message would be kept as a duplicate.
  const open = (await collect(direct.invoices.list({ limit: 500, status: 'pending' }))).slice(0, PAYMENTS);
  const paid = await all(PAYMENTS, (number) => api.test.pay(open[number].id, { cash_taken: true }));
  assert.ok(paid.every(({ status, result }) => status === 'paid' && result.code === 'ok'));

  const payments = await collect(direct.payments.list({ limit: 500 }));
  assert.deepEqual(payments.map(({ status, invoice }) => [status, invoice]).sort(), open.map(({ id }) => ['applied', id]).sort());
  context.diagnostic(`${PAYMENTS} payments; the proxy: ${JSON.stringify(way.told)}`);
});
