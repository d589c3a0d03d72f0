'use strict';

// What is repeated, how, and for how long; and above all what is not.

const assert = require('node:assert/strict');
const { getEventListeners } = require('node:events');
const { test } = require('node:test');
const KashIO = require('..');
const { pauseBefore } = require('../lib/retry');
const { KEY, cut, dropped, fake, json, refusal, silent } = require('./support/fake');

const invoice = { object: 'invoice', id: 'inv_test_1', amount: '20.00' };
const order = { invoice_id: 'A-1', currency: 'PEN', amount: '20.00' };

async function against(answers, call, settings) {
  const server = await fake(...answers);
  try {
    const api = KashIO.authorize(KEY, { baseUrl: server.url, ...settings });
    const began = performance.now();
    const outcome = await call(api).then((value) => ({ value }), (error) => ({ error }));
    return { ...outcome, asked: server.asked, took: performance.now() - began };
  } finally {
    await server.stop();
  }
}

const create = (api) => api.invoices.create(order);
const busy = refusal(503, 'unavailable', { 'retry-after': '0' });
const inProgress = refusal(409, 'idempotency_in_progress', { 'retry-after': '0' });

for (const [name, trouble] of Object.entries({
  'a broken connection': dropped,
  'an answer that was cut off': cut(invoice),
  'half of a JSON text': (request, response) => response.writeHead(200).end('{"object":"inv'),
  503: busy,
  429: refusal(429, 'rate_limited', { 'retry-after': '0' }),
  408: refusal(408, 'request_timeout'),
  500: refusal(500, 'internal_error'),
  '502 of a proxy': (request, response) => response.writeHead(502).end('<html>'),
  'idempotency_in_progress': inProgress,
})) {
  test(`after ${name} a create is sent again, the same bytes under the same key`, async () => {
    const { value, asked } = await against([trouble, trouble, json(201, invoice)], create);
    assert.deepEqual(value, invoice);
    assert.equal(asked.length, 3);
    const [{ headers, body }] = asked;
    assert.match(headers['idempotency-key'], /^[0-9a-f-]{36}$/);
    assert.equal(body, JSON.stringify({ invoice: order }));
    for (const again of asked) {
      assert.equal(again.body, body);
      assert.deepEqual({ ...again.headers, host: '' }, { ...headers, host: '' });
    }
  });
}

test('two calls have two keys, and yours is kept', async () => {
  const { asked } = await against([json(201, invoice)], async (api) => {
    await create(api);
    await create(api);
    await api.invoices.create(order, { idempotencyKey: 'A-1/1' });
  });
  const keys = asked.map(({ headers }) => headers['idempotency-key']);
  assert.equal(new Set(keys).size, 3);
  assert.equal(keys[2], 'A-1/1');
});

for (const [status, code] of [[400, 'invalid_amount'], [401, 'unauthorized'], [403, 'ip_not_allowed'], [404, 'not_found'],
  [409, 'invoice_id_conflict'], [412, 'version_mismatch'], [413, 'body_too_large'], [422, 'idempotency_key_reused']]) {
  test(`${status} ${code} is an answer: nothing is repeated`, async () => {
    const { error, asked } = await against([refusal(status, code, { 'retry-after': '0' }), json(200, invoice)], create);
    assert.equal(error.code, code);
    assert.equal(asked.length, 1);
  });
}

test('what has no key, the ping, is repeated only when the API says that nothing was done', async () => {
  const ping = (api) => api.webhookEndpoints.test('whe_test_1');
  for (const trouble of [dropped, cut({}), refusal(500, 'internal_error'), refusal(502, 'x'), refusal(503, 'x'), refusal(408, 'request_timeout')]) {
    const { error, asked } = await against([trouble, json(200, {})], ping);
    assert.ok(error instanceof KashIO.KashIOError);
    assert.equal(asked.length, 1);
    assert.equal(asked[0].headers['idempotency-key'], undefined);
  }
  for (const trouble of [busy, refusal(429, 'rate_limited', { 'retry-after': '0' })]) {
    assert.equal((await against([trouble, json(200, {})], ping)).asked.length, 2);
  }
});

test('Retry-After is waited for', async () => {
  const { asked } = await against([refusal(429, 'rate_limited', { 'retry-after': '1' }), json(201, invoice)], create);
  assert.ok(asked[1].at - asked[0].at >= 990, String(asked[1].at - asked[0].at));
});

test('a Retry-After beyond the time of the call is told at once', async () => {
  const { error, asked, took } = await against([refusal(503, 'unavailable', { 'retry-after': '60' })], create);
  assert.ok(error instanceof KashIO.ServerError);
  assert.equal(error.retryAfter, 60);
  assert.equal(asked.length, 1);
  assert.ok(took < 10_000, `${took}`);
});

test('a call ends in time, whatever happens, and gives the key of the repeat', async () => {
  for (const [trouble, Class] of [[silent, KashIO.TimeoutError], [dropped, KashIO.ConnectionError], [busy, KashIO.ServerError]]) {
    const { error, took, asked } = await against([trouble], create, { timeout: 1_500 });
    assert.ok(error instanceof Class, error.stack);
    assert.ok(took < 5_000, `${took}`);
    assert.equal(error.idempotencyKey, asked[0].headers['idempotency-key']);
  }
  const { took } = await against([silent], (api) => api.invoices.create(order, { timeout: 200 }));
  assert.ok(took < 5_000, `${took}`);
});

test('a silent answer in the middle of its body is late too', async () => {
  const half = (request, response) => response.writeHead(200, { 'content-length': 99 }).write('{');
  const { error } = await against([half], create, { timeout: 300 });
  assert.ok(error instanceof KashIO.TimeoutError, error.stack);
});

test('a long poll has its waiting time on top', async () => {
  const slow = (request, response) => setTimeout(json(200, { object: 'list', has_more: false, data: [] }), 2_000, request, response);
  const { value, error } = await against([slow], (api) => api.events.list({ after: 0, wait: 8 }).then(), { timeout: 1_000 });
  assert.equal(error, undefined);
  assert.deepEqual(value.data, []);
});

test('a signal ends a call that waits for an answer, that waits to repeat, and that has not begun', async () => {
  const reason = new Error('the customer left');
  for (const trouble of [silent, dropped]) {
    const stop = new AbortController();
    setTimeout(() => stop.abort(reason), 400);
    const { error, took } = await against([trouble], (api) => api.invoices.create(order, { signal: stop.signal }));
    assert.equal(error, reason);
    assert.ok(took < 5_000, `${took}`);
  }
  const { error, asked } = await against([json(200, invoice)], (api) => api.invoices.get('inv_test_1', { signal: AbortSignal.abort(reason) }));
  assert.equal(error, reason);
  assert.equal(asked.length, 0);
});

test('many calls may share a signal, and leave nothing on it', async (context) => {
  const warnings = [];
  const warn = (warning) => warnings.push(warning.name);
  process.on('warning', warn);
  context.after(() => process.removeListener('warning', warn));
  const { signal } = new AbortController();
  const { value } = await against([json(200, invoice)], (api) => Promise.all(Array.from({ length: 30 }, () => api.invoices.get('inv_test_1', { signal }))));
  assert.equal(value.length, 30);
  assert.deepEqual(getEventListeners(signal, 'abort'), []);
  await new Promise(setImmediate);
  assert.deepEqual(warnings, []);
});

test('a certificate that is wrong is not tried again', async () => {
  let count = 0;
  const fetch = async () => {
    count += 1;
    throw new TypeError('fetch failed', { cause: Object.assign(new Error('certificate has expired'), { code: 'CERT_HAS_EXPIRED' }) });
  };
  await assert.rejects(KashIO.authorize(KEY, { fetch }).account.get(), { name: 'ConnectionError', code: 'CERT_HAS_EXPIRED' });
  assert.equal(count, 1);
});

test('pauses grow, to a limit, and no two callers keep step', () => {
  const { ConnectionError, RateLimitError } = KashIO;
  const lost = new ConnectionError('lost', { code: 'ECONNRESET' });
  const pauses = (random) => [1, 2, 3, 4, 5, 6, 7].map((attempt) => pauseBefore(lost, attempt, true, () => random));
  assert.deepEqual(pauses(1), [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000]);
  assert.deepEqual(pauses(0), pauses(1).map((longest) => longest / 2));
  assert.equal(pauseBefore(lost, 1, false), undefined);
  assert.equal(pauseBefore(new RateLimitError('slow', { status: 429, retryAfter: 7 }), 1, false), 7_000);
  assert.equal(pauseBefore(new Error('a fault of ours'), 1, true), undefined);
});
