'use strict';

// A stranger's day with the real service: `kashio dev` on this machine.

const assert = require('node:assert/strict');
const http = require('node:http');
const { after, before, test } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const { once } = require('node:events');
const { buffer } = require('node:stream/consumers');
const KashIO = require('..');
const { start } = require('./support/kashio');

let dev;
let api;
let count = 0;

before(async () => {
  dev = await start();
  api = KashIO.authorize(dev.test_key, { baseUrl: dev.public_url });
});
after(() => dev?.stop());

const reference = () => `SDK-${count += 1}`;
const order = (more) => ({ invoice_id: reference(), currency: 'PEN', amount: '20.00', ...more });
const collect = async (list) => {
  const all = [];
  for await (const one of list) all.push(one);
  return all;
};
const refused = (call, name, code) => assert.rejects(call, (error) => {
  assert.deepEqual([error.name, error.code], [name, code], error.stack);
  assert.match(error.requestId, /^req_/);
  return true;
});

/** A shop that keeps what webhooks bring; `answers` decides the status. */
async function shop(answers = () => 200) {
  const received = [];
  const server = http.createServer(async (request, response) => {
    received.push({ body: await buffer(request), headers: request.headers });
    server.emit('webhook');
    response.writeHead(answers(received.length)).end('gracias');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}/webhooks`,
    received,
    async next(already) {
      while (received.length <= already) await once(server, 'webhook', { signal: AbortSignal.timeout(20_000) });
      return received[already];
    },
    stop() {
      server.close();
      server.closeAllConnections();
    },
  };
}

test('a key shows whose it is', async () => {
  const account = await api.account.get();
  assert.deepEqual([account.object, account.id, account.livemode, account.version], ['account', dev.account, false, '1.0.0']);
  assert.ok(account.key.scopes.includes('invoices:write'));
  const live = await KashIO.authorize(dev.live_key, { baseUrl: `${dev.public_url}/` }).account.get();
  assert.equal(live.livemode, true);
  await refused(KashIO.authorize(`${dev.test_key.slice(0, -1)}0`, { baseUrl: dev.public_url }).account.get(), 'AuthenticationError', 'unauthorized');
});

test('an order is created, read, changed and voided; dates are Dates and amounts text', async () => {
  const due = new Date(Date.UTC(2027, 0, 1, 5));
  const sent = order({ payer_phone: '+519996666', due_datetime: due, expiration_datetime: new Date(Date.UTC(2027, 0, 2, 5)),
    request_datetime: new Date(), metadata: { created: '2026-01-01T00:00:00', total: 7.5 } });
  const created = await api.invoices.create(sent);
  assert.deepEqual([created.object, created.status, created.version, created.amount], ['invoice', 'pending', 1, '20.00']);
  assert.deepEqual(created.due_datetime, due);
  assert.ok(Math.abs(created.created - Date.now()) < 5_000, 'created is UTC');
  assert.equal(created.request_datetime.getTime(), Math.floor(sent.request_datetime / 1_000) * 1_000);
  assert.deepEqual(created.metadata, sent.metadata);
  assert.deepEqual(created.customer, { phone: '+519996666' });
  assert.deepEqual(await api.invoices.get(created.id), created);

  const changed = await api.invoices.update(created.id, { ...created, amount: '1248.50', due_datetime: null }, { ifMatch: created.version });
  assert.deepEqual([changed.amount, changed.version, changed.due_datetime], ['1248.50', 2, undefined]);
  await refused(api.invoices.update(created.id, { amount: '1.00' }, { ifMatch: created.version }), 'VersionMismatchError', 'version_mismatch');
  await refused(api.invoices.void(created.id, { ifMatch: '"1"' }), 'VersionMismatchError', 'version_mismatch');
  assert.equal((await api.invoices.void(created.id, { ifMatch: 2 })).status, 'voided');
  assert.equal((await api.invoices.void(created.id)).status, 'voided');
  await refused(api.invoices.update(created.id, { amount: '1.00' }), 'ConflictError', 'invoice_voided');
});

test('the forms of all editions are taken', async () => {
  const envelope = await api.invoices.create({ invoice: order() });
  const names = await api.invoices.create({ external_id: reference(), total: { currency: 'usd', value: '5' }, payer: { name: 'Rosa' } });
  assert.deepEqual([envelope.amount, names.amount, names.currency, names.customer], ['20.00', '5.00', 'USD', { name: 'Rosa' }]);
  const updated = await api.invoices.create({ id: envelope.id, amount: '21.00' });
  assert.deepEqual([updated.id, updated.amount, updated.version], [envelope.id, '21.00', 2]);
});

test('the same order again is the same invoice, and a key given again the same answer', async () => {
  const same = order();
  const [first, second] = [await api.invoices.create(same), await api.invoices.create(same)];
  assert.deepEqual(second, first);
  await assert.rejects(api.invoices.create({ ...same, amount: '20.01' }), (error) => {
    assert.ok(error instanceof KashIO.ConflictError);
    assert.deepEqual([error.code, error.errors[0].existing_id], ['invoice_id_conflict', first.id]);
    return true;
  });

  const keyed = order({ expiration_datetime: '2026-01-01T00:00:00' });
  const idempotencyKey = reference();
  const expired = await api.invoices.create(keyed, { idempotencyKey });
  assert.deepEqual(await api.invoices.create(keyed, { idempotencyKey }), expired);
  assert.notEqual((await api.invoices.create(keyed)).id, expired.id, 'without the key it is another');
  await refused(api.invoices.create({ ...keyed, amount: '1.00' }, { idempotencyKey }), 'IdempotencyError', 'idempotency_key_reused');
});

test('all faults of a request are in one error', async () => {
  await assert.rejects(api.invoices.create({ currency: 'EUR', amount: '1.001', customer: { email: 'x' } }), (error) => {
    assert.ok(error instanceof KashIO.InvalidRequestError);
    assert.deepEqual([error.status, [...error.params].sort()], [400, ['amount', 'currency', 'customer.email', 'invoice_id']]);
    return true;
  });
  await refused(api.invoices.get('inv_test_nada'), 'NotFoundError', 'not_found');
  await refused(api.invoices.list({ estado: 'x' }).then(), 'InvalidRequestError', 'unknown_parameter');
});

test('a list is one page when awaited and everything when walked', async () => {
  const document_id = '10203040';
  const mine = [];
  for (let made = 0; made < 7; made += 1) mine.unshift((await api.invoices.create(order({ customer: { document_type: 'DNI', document_id } }))).id);
  const filters = { 'customer.document_id': document_id, limit: 3, status: ['pending', 'paid'], created: { gte: new Date(Date.now() - 3_600_000) } };

  const page = await api.invoices.list(filters);
  assert.deepEqual([page.object, page.has_more, page.data.map(({ id }) => id)], ['list', true, mine.slice(0, 3)]);
  const list = api.invoices.list(filters);
  assert.deepEqual((await collect(list)).map(({ id }) => id), mine);
  assert.deepEqual((await collect(list)).map(({ id }) => id), mine, 'it can be walked again');
  const rest = await api.invoices.list({ ...filters, starting_after: mine[5] });
  assert.deepEqual([rest.has_more, rest.data.map(({ id }) => id)], [false, mine.slice(6)]);
  assert.deepEqual(await collect(api.invoices.list({ ...filters, created: { lt: new Date(0) } })), []);

  const seen = [];
  for await (const { id } of api.invoices.list(filters)) if (seen.push(id) === 4) break;
  assert.deepEqual(seen, mine.slice(0, 4));
  await assert.rejects(api.invoices.list({ limit: 0 }).catch((error) => { throw error; }), { code: 'invalid_limit' });
  await api.invoices.list(filters).finally(() => seen.push('end'));
  assert.equal(seen.at(-1), 'end');
});

test('a bank pays, takes back, and comes too late', async () => {
  const { id } = await api.invoices.create(order());
  const paid = await api.test.pay(id, { operation_number: '4711', channel: 'agente', paid_at: new Date() });
  assert.deepEqual([paid.status, paid.result.code, paid.answer.payment], ['paid', 'ok', paid.payment]);
  assert.ok(paid.paid_at instanceof Date);
  const payment = await api.payments.get(paid.payment);
  assert.deepEqual([payment.invoice, payment.status, payment.amount, payment.channel, payment.operation_number],
    [id, 'applied', '20.00', 'agente', '4711']);
  assert.ok(payment.received_at instanceof Date);
  assert.deepEqual(await collect(api.payments.list({ invoice: id, status: 'applied', received: { gte: payment.received_at } })), [payment]);

  assert.equal((await api.test.reverse(id, { operation_number: '4711' })).status, 'pending');
  assert.equal((await api.test.expire(id)).status, 'expired');
  const late = await api.test.pay(id);
  assert.deepEqual([late.status, late.result.code], ['expired', 'expired']);
  await refused(KashIO.authorize(dev.live_key, { baseUrl: dev.public_url }).test.pay(id), 'NotFoundError', 'not_found');
});

test('payments come as CSV, all pages in one text', async () => {
  for (let made = 0; made < 3; made += 1) await api.test.pay((await api.invoices.create(order({ invoice_id: `${reference()} "más", 50%` }))).id);
  const [whole, byPages] = [await api.payments.csv(), await api.payments.csv({ limit: 1 })];
  assert.equal(byPages, whole);
  const rows = (await collect(api.payments.list())).length;
  assert.ok(rows >= 4);
  assert.equal(whole.match(/"pay_test_/g).length, rows);
  assert.equal(whole.match(/"id"/g).length, 1);
  assert.equal(whole.charCodeAt(0), 0xfeff);
});

test('events are read without gaps, forwards and by waiting', async () => {
  const all = await collect(api.events.list({ after: 0, limit: 7 }));
  assert.deepEqual(all.map(({ sequence }) => sequence), all.map((_, place) => place + 1));
  const last = all.at(-1).sequence;
  assert.deepEqual((await api.events.list({ limit: 1 })).data[0].sequence, last);

  assert.deepEqual(await collect(api.events.list({ after: last })), []);
  const waiting = collect(api.events.list({ after: last, wait: 20, type: 'invoice.voided' }));
  const { id } = await api.invoices.create(order());
  await api.invoices.void(id);
  const [event, ...none] = await waiting;
  assert.deepEqual([event.type, event.data.invoice.id, none], ['invoice.voided', id, []]);
  assert.ok(event.created instanceof Date && event.data.invoice.created instanceof Date);
  assert.deepEqual(await api.events.get(event.id), event);
  await assert.rejects(api.events.list({ wait: 1 }).then(), { code: 'required', params: ['after'] });
});

test('a webhook arrives, is verified, and its secret is rolled', async () => {
  const { url, received, next, stop } = await shop();
  try {
    const endpoint = await api.webhookEndpoints.create({ url, events: ['invoice.paid'], description: 'caja' });
    assert.match(endpoint.secret, /^whsec_/);
    const { secret, ...shown } = endpoint;
    assert.deepEqual(await api.webhookEndpoints.get(endpoint.id), shown);
    assert.deepEqual((await collect(api.webhookEndpoints.list())).map(({ id }) => id), [endpoint.id]);

    const pay = async () => (await api.test.pay((await api.invoices.create(order())).id)).id;
    const id = await pay();
    const { body, headers } = await next(0);
    const event = KashIO.webhooks.verify(body, headers, secret);
    assert.deepEqual([event.type, event.data.invoice.id, event.data.payment.amount], ['invoice.paid', id, '20.00']);
    assert.deepEqual({ ...await api.events.get(event.id), status: 'new' }, event);
    assert.throws(() => KashIO.webhooks.verify(`${body} `, headers, secret), { code: 'no_matching_signature' });
    assert.throws(() => KashIO.webhooks.verify(body, headers, secret, { now: Date.now() + 600_000 }), { code: 'timestamp_out_of_tolerance' });

    const rolled = await api.webhookEndpoints.roll(endpoint.id, { overlap_seconds: 60 });
    assert.notEqual(rolled.secret, secret);
    assert.ok(rolled.previous_secret_until > new Date());
    await pay();
    const both = await next(1);
    for (const one of [secret, rolled.secret, [rolled.secret, secret]]) KashIO.webhooks.verify(both.body, both.headers, one);

    const ping = await api.webhookEndpoints.test(endpoint.id);
    assert.deepEqual([ping.status, ping.attempts[0].status, ping.attempts[0].answer], ['delivered', 200, 'gracias']);
    assert.ok(ping.attempts[0].time instanceof Date);
    const pinged = await next(2);
    assert.equal(KashIO.webhooks.verify(pinged.body, pinged.headers, rolled.secret).type, 'ping');

    await api.events.resend(event.id);
    const resent = await next(3);
    assert.deepEqual(KashIO.webhooks.verify(resent.body, resent.headers, rolled.secret), event);
    const deliveries = await collect(api.webhookEndpoints.deliveries(endpoint.id, { limit: 1 }));
    assert.ok(deliveries.length >= 3);
    const delivery = await api.deliveries.get(deliveries.at(-1).id);
    assert.deepEqual([delivery.event, delivery.endpoint, delivery.attempts.length], [event.id, endpoint.id, 1]);
    await api.deliveries.redeliver(delivery.id);
    assert.deepEqual(KashIO.webhooks.verify(...Object.values(await next(4)), rolled.secret), event);

    const counted = await api.webhookEndpoints.redeliver(endpoint.id, { status: 'delivered', dry_run: true });
    assert.deepEqual([counted.object, counted.dry_run, counted.count > 0], ['redelivery', true, true]);
    const quiet = await api.webhookEndpoints.update(endpoint.id, { enabled: false, description: null });
    assert.deepEqual([quiet.enabled, quiet.description], [false, undefined]);
    await api.webhookEndpoints.delete(endpoint.id);
    await refused(api.webhookEndpoints.get(endpoint.id), 'NotFoundError', 'not_found');
    assert.equal(received.length, 5);
  } finally {
    stop();
  }
});

test('a secret is shown once: its repeat says whose it is', async () => {
  const idempotencyKey = reference();
  const endpoint = { url: 'http://127.0.0.1:9/' };
  const { id } = await api.webhookEndpoints.create(endpoint, { idempotencyKey });
  await assert.rejects(api.webhookEndpoints.create(endpoint, { idempotencyKey }), (error) => {
    assert.ok(error instanceof KashIO.ConflictError);
    assert.deepEqual([error.code, error.errors[0].existing_id], ['secret_already_shown', id]);
    return true;
  });
  await api.webhookEndpoints.delete(id);
});

test('the payer\'s page tells its state and has pictures', async () => {
  const { id, token } = await api.invoices.create(order());
  const status = await api.paymentPage.status(token);
  assert.deepEqual([status.status, status.amount, status.expiration_datetime instanceof Date], ['pending', '20.00', true]);
  assert.match(await api.paymentPage.qrSvg(token), /^<svg|^<\?xml/);
  const png = await api.paymentPage.qrPng(token, { size: 300 });
  assert.deepEqual([png.subarray(1, 4).toString(), png.readUInt32BE(16)], ['PNG', 300]);
  await api.test.pay(id);
  assert.equal((await api.paymentPage.status(token)).status, 'paid');
});

test('an account that is pinned to 1.0.1 is shown the form of 1.0.0, by the API and by webhooks', async () => {
  const pinned = await fetch(`${dev.internal_url}/internal/v1/accounts/${dev.account}`, {
    method: 'PATCH',
    headers: { authorization: `Bearer ${dev.kcms_key}`, 'x-actor': 'sdk', 'x-reason': 'prueba' },
    body: '{"version_pin":"1.0.1"}',
  });
  assert.equal(pinned.status, 200, await pinned.text());
  await sleep(2_200); // settings reach the service within two seconds

  const { url, next, stop } = await shop();
  try {
    const { id, secret } = await api.webhookEndpoints.create({ url, events: ['invoice.paid'] });
    const invoice = await api.invoices.create(order());
    assert.deepEqual([invoice.status, invoice.amount], ['pending', '20.00']);
    const paid = await api.test.pay(invoice.id);
    const { body, headers } = await next(0);
    assert.match(body.toString(), /"status":"PAID".*"amount":20\.00/);
    const { data } = KashIO.webhooks.verify(body, headers, secret);
    const { result, answer, ...shown } = paid;
    assert.deepEqual(data.invoice, shown);
    assert.deepEqual(data.payment, await api.payments.get(paid.payment));
    await api.webhookEndpoints.delete(id);
  } finally {
    stop();
  }
});
