'use strict';

// Where the key goes: into one header, over TLS or to this machine. Nowhere else, whatever is printed or goes wrong.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { inspect } = require('node:util');
const KashIO = require('..');
const { KEY, dropped, fake, json } = require('./support/fake');

const CREDENTIALS = Buffer.from(`${KEY}:`).toString('base64');

function shows(value) {
  const texts = [
    inspect(value), inspect(value, { depth: null, showHidden: true, getters: true }), `${value}`, JSON.stringify(value) ?? '',
    JSON.stringify(value, Object.getOwnPropertyNames(value ?? {})) ?? '',
  ];
  for (let error = value; error instanceof Error; error = error.cause) texts.push(error.stack, error.message, inspect(Object.entries(error)));
  return texts.find((text) => text.includes(KEY.slice(8, 30)) || text.includes(CREDENTIALS.slice(12, 40)));
}

const silentAbout = (value) => assert.equal(shows(value), undefined);

test('what is printed of the API has its mode and address, and no key', () => {
  const api = KashIO.authorize(KEY);
  assert.equal(inspect(api), "KashIO { mode: 'test', baseUrl: 'https://api.kashio.net' }");
  assert.equal(JSON.stringify(api), '{"mode":"test","baseUrl":"https://api.kashio.net"}');
  assert.equal(inspect(KashIO.authorize(KEY.replace('test', 'live')).toJSON()), "{ mode: 'live', baseUrl: 'https://api.kashio.net' }");
  silentAbout(api);
  silentAbout({ deep: [{ api }] });
  for (const resource of Object.values(api)) silentAbout(resource);
  silentAbout(api.invoices.list());
  assert.deepEqual(Object.keys(api), ['account', 'invoices', 'payments', 'events', 'webhookEndpoints', 'deliveries', 'test', 'paymentPage']);
  assert.ok(shows({ KEY }) && shows(new Error(KEY)) && shows(new Error('x', { cause: new Error(CREDENTIALS) })), 'this test sees a key');
});

test('errors do not show it, not even those that others made of our request', async () => {
  const echo = await fake((request, response) => json(400, {
    error: [{ code: request.headers.authorization, message: `${KEY} ${request.headers.authorization}` }],
  })(request, response));
  const broken = await fake(dropped);
  const chatty = async (url, init) => { throw Object.assign(new Error(`cannot ${inspect(init)}`), { config: init, code: init.headers.Authorization }); };
  const causing = async (url, init) => { throw new TypeError('fetch failed', { cause: Object.assign(new Error(KEY), { init }) }); };
  const odd = async (url, init) => { throw init; };
  try {
    for (const settings of [
      { baseUrl: echo.url, timeout: 10_000 }, { baseUrl: broken.url, timeout: 300 }, { baseUrl: 'http://127.0.0.1:1' }, { fetch: chatty, timeout: 300 },
      { fetch: causing, timeout: 300 }, { fetch: odd, timeout: 300 }, { fetch: async () => undefined, timeout: 300 },
    ]) {
      const error = await KashIO.authorize(KEY, { timeout: 300, ...settings }).account.get().then(assert.fail, (failed) => failed);
      assert.ok(error instanceof KashIO.KashIOError, inspect(error));
      assert.equal(error.cause, undefined);
      silentAbout(error);
    }
    assert.equal(echo.asked[0].headers.authorization, `Basic ${CREDENTIALS}`);
  } finally {
    await echo.stop();
    await broken.stop();
  }
});

test('what is no key of ours is not sent, and not repeated in the error', async () => {
  let sent = 0;
  const fetch = async () => { sent += 1; };
  for (const key of ['your_private_api_key', `${KEY}\n`, ` ${KEY}`, KEY.slice(0, -1), `${KEY}x`, KEY.replace('sk_', 'ik_'),
    KEY.replace('test', 'prod'), `${KEY.slice(0, -1)}ñ`, `sk_live_${'x'.repeat(24)}`]) {
    const error = await KashIO.authorize(key, { fetch }).account.get().then(assert.fail, (failed) => failed);
    assert.deepEqual([error.name, error.param], ['ArgumentError', 'key']);
    assert.ok(!inspect(error).includes(key.trim().slice(8)));
    silentAbout(error);
  }
  for (const key of ['', undefined, null, 1, {}]) assert.throws(() => KashIO.authorize(key), { name: 'ArgumentError', param: 'key' });
  assert.equal(sent, 0);
});

test('it goes over TLS, or to this machine', () => {
  for (const baseUrl of ['http://api.kashio.net', 'http://10.0.0.1', 'http://127.0.0.1.example', 'http://localhost.example', 'http://128.0.0.1',
    'ftp://127.0.0.1', 'javascript:alert(1)', 'api.kashio.net', '', 'http://[::2]', 'https://user:pass@api.kashio.net',
    'https://api.kashio.net/?a=b', 'https://api.kashio.net/#a', 'http://127.0.0.1@evil.example', 7]) {
    assert.throws(() => KashIO.authorize(KEY, { baseUrl }), { name: 'ArgumentError', param: 'baseUrl' }, String(baseUrl));
  }
  for (const baseUrl of ['https://api.kashio.net/', 'http://127.0.0.1:8080', 'http://127.9.9.9', 'http://localhost:8080/', 'http://[::1]:8080',
    new URL('https://api.kashio.net')]) KashIO.authorize(KEY, { baseUrl });
});

test('the page of a payer is asked without it', async () => {
  const server = await fake(json(200, { object: 'payment_page' }));
  try {
    const api = KashIO.authorize(KEY, { baseUrl: server.url });
    await api.paymentPage.status('TFFeALjjnPqdKL6hrAWHDf');
    await api.account.get();
    assert.deepEqual(server.asked.map(({ url, headers }) => [url, headers.authorization]), [
      ['/pay/TFFeALjjnPqdKL6hrAWHDf/status', undefined], ['/v1/payments', `Basic ${CREDENTIALS}`],
    ]);
  } finally {
    await server.stop();
  }
});

test('the page after this one is asked of the same host, wherever the answer points', async () => {
  const next = { link: '<https://evil.example/v1/payments/invoices?starting_after=inv_test_1&limit=1>; rel="next"' };
  const server = await fake(json(200, { data: [{ id: 'inv_test_1' }] }, next), json(200, { data: [{ id: 'inv_test_2' }] }));
  try {
    const seen = [];
    for await (const { id } of KashIO.authorize(KEY, { baseUrl: server.url }).invoices.list({ limit: 1 })) seen.push(id);
    assert.deepEqual(seen, ['inv_test_1', 'inv_test_2']);
    assert.deepEqual(server.asked.map(({ url }) => url),
      ['/v1/payments/invoices?limit=1', '/v1/payments/invoices?starting_after=inv_test_1&limit=1']);
  } finally {
    await server.stop();
  }
});
