'use strict';

// The SDK against the API's document: a route, a filter or a field that the document has and the SDK lacks fails here.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const KashIO = require('..');
const operations = require('../lib/operations');
const document = require('../../openapi.json');
const { KEY } = require('./support/fake');

// What is not for programs, or the same by another path. This list may only shrink.
const LEFT_OUT = {
  getDocs: 'a page for people',
  getOpenApi: 'the document itself',
  getPaymentPage: 'a page for people: url_payment leads there',
  getPaymentPageByQuery: 'its old address',
  simulatePaymentOnPage: 'a button of that page; here test.pay',
  updateInvoiceByPost: 'updateInvoice by another method',
  listInvoicesBare: 'listInvoices in the form of 2017',
  listInvoicesOfDay: 'listInvoices with date, in the form of 2017',
  listEventsBySeedPath: 'listEvents by another path',
  getEventBySeedPath: 'getEvent by another path',
};

const resolve = (part) => (part.$ref ? part.$ref.slice(2).split('/').reduce((at, step) => at[step], document) : part);
const documented = Object.entries(document.paths).flatMap(([route, methods]) => Object.entries(methods)
  .map(([method, { operationId, parameters = [], security }]) => {
    const all = parameters.map(resolve);
    const has = (name) => all.some((parameter) => parameter.name === name);
    return [operationId, {
      method: method.toUpperCase(),
      path: route.replace('{token}', '{id}'),
      keyed: has('Idempotency-Key'),
      matched: has('If-Match'),
      open: security?.length === 0,
      filters: all.filter((parameter) => parameter.in === 'query').map(({ name }) => name),
    }];
  }));

test('every operation of the document is here, as it is there', () => {
  const wanted = documented.filter(([name]) => !(name in LEFT_OUT)).map(([name, { filters, ...operation }]) => [name, operation]);
  const here = Object.entries(operations).map(([name, { method, path: route, keyed = false, matched = false, open = false }]) =>
    [name, { method, path: route, keyed, matched, open }]);
  assert.deepEqual(Object.fromEntries(here), Object.fromEntries(wanted));
  for (const name of Object.keys(LEFT_OUT)) assert.ok(documented.some(([id]) => id === name), `${name} is not in the document`);
});

test('every operation has a method, and every method sends what it says', async () => {
  const sent = [];
  const fetch = async (url, { method, headers }) => {
    const { pathname } = new URL(url);
    sent.push({ asked: `${method} ${pathname}`, headers });
    return new Response('{"object":"list","data":[]}');
  };
  const api = KashIO.authorize(KEY, { fetch });
  const ids = { invoices: 'inv_test_1', test: 'inv_test_1', payments: 'pay_test_1', events: 'eve_test_1', webhookEndpoints: 'whe_test_1',
    deliveries: 'del_test_1', paymentPage: 'TFFeALjjnPqdKL6hrAWHDf' };
  const reached = new Set();
  for (const [name, resource] of Object.entries(api)) {
    for (const verb of Object.getOwnPropertyNames(Object.getPrototypeOf(resource)).filter((own) => own !== 'constructor')) {
      sent.length = 0;
      const noId = verb === 'create' || verb === 'csv' || (verb === 'list') || name === 'account';
      await (noId ? resource[verb]({}) : resource[verb](ids[name], verb === 'update' ? {} : undefined));
      assert.equal(sent.length, 1, `${name}.${verb}`);
      const [{ asked, headers }] = sent;
      const found = Object.entries(operations).find(([, { method, path: route }]) =>
        new RegExp(`^${method} ${route.replace('{id}', '[^/]+').replaceAll('.', '\\.')}$`).test(asked));
      assert.ok(found, `${name}.${verb} asks ${asked}`);
      const [operation, { keyed, open }] = found;
      reached.add(operation);
      assert.equal(headers['KashIO-Version'], '1.0.0');
      assert.equal('Idempotency-Key' in headers, Boolean(keyed), operation);
      assert.equal('Authorization' in headers, !open, operation);
    }
  }
  assert.deepEqual([...reached].sort(), Object.keys(operations).sort());
});

test('an id that is none never becomes another path', async () => {
  const fetch = async () => assert.fail('something was sent');
  const api = KashIO.authorize(KEY, { fetch });
  for (const id of ['', 'list', '..', '.', 'A-1', undefined, null, 7, {}, 'pay_test_1']) {
    await assert.rejects(api.invoices.get(id), { name: 'ArgumentError', param: 'id' });
    await assert.rejects(api.test.pay(id), { name: 'ArgumentError', param: 'id' });
  }
  for (const token of ['', '..', 'a/b', undefined]) await assert.rejects(api.paymentPage.status(token), { name: 'ArgumentError' });
  assert.throws(() => api.webhookEndpoints.deliveries('..'), { name: 'ArgumentError' });
  let asked;
  const escaped = KashIO.authorize(KEY, { fetch: async (url) => { asked = url; return new Response('{}'); } });
  await escaped.invoices.get('inv_../../events?a=b#c');
  assert.equal(new URL(asked).pathname, '/v1/payments/invoices/inv_..%2F..%2Fevents%3Fa%3Db%23c');
});

test('an option that a call does not have is refused, and so is one of a wrong kind', async () => {
  const api = KashIO.authorize(KEY, { fetch: async () => assert.fail('something was sent') });
  for (const options of [{ idempotency_key: 'x' }, { idempotencyKey: '' }, { idempotencyKey: 'a b' }, { idempotencyKey: 'x'.repeat(256) },
    { idempotencyKey: 'a\r\nX: y' }, { idempotencyKey: 7 }, { ifMatch: 'a\nb' }, { timeout: 0 }, { timeout: '1' }, { timeout: Infinity }]) {
    await assert.rejects(api.invoices.create({ amount: '1.00' }, options), { name: 'ArgumentError', param: Object.keys(options)[0] });
  }
  await assert.rejects(api.invoices.get('inv_test_1', { idempotencyKey: 'x' }), { name: 'ArgumentError' });
  await assert.rejects(api.test.pay('inv_test_1', {}, { ifMatch: 1 }), { name: 'ArgumentError' });
  assert.throws(() => KashIO.authorize(KEY, { base_url: 'x' }), { name: 'ArgumentError', param: 'base_url' });
  assert.throws(() => KashIO.authorize(KEY, { fetch: 'x' }), { name: 'ArgumentError', param: 'fetch' });
});

const types = fs.readFileSync(path.join(__dirname, '../index.d.ts'), 'utf8');

// The fields of an interface: name, and whether it must be there.
function fieldsOf(name) {
  const [, parents = '', body] = new RegExp(`interface ${name}(?:<.*>)?(?: extends ([^{]+?))? \\{\\n([^]*?)\\n {2}\\}`).exec(types)
    ?? assert.fail(`no interface ${name}`);
  const own = [...body.matchAll(/^ {4}'?([\w.]+)'?(\?)?:/gm)].map(([, field, optional]) => [field, !optional]);
  return Object.assign({}, ...parents.split(', ').filter((parent) => /^\w+$/.test(parent)).map(fieldsOf), Object.fromEntries(own));
}

test('the types have every field of the answers, and know which are always there', () => {
  for (const [schema, name = schema] of [['Invoice'], ['Customer'], ['Payment'], ['Event', 'EventOf'], ['WebhookEndpoint'], ['Delivery'],
    ['Attempt'], ['Redelivered'], ['CollectionResult'], ['Account'], ['PaymentPageStatus'], ['ErrorItem', 'Fault'],
    ['InvoiceList', 'Page']]) {
    const { properties, required = [] } = document.components.schemas[schema];
    const wanted = Object.fromEntries(Object.keys(properties).map((field) => [field, required.includes(field)]));
    assert.deepEqual(fieldsOf(name), wanted, schema);
  }
});

test('the types have every field that can be sent', () => {
  for (const [schema, name = schema] of [['NewWebhookEndpoint'], ['WebhookEndpointChange'], ['RedeliverRange'], ['SimulatedPayment'],
    ['SimulatedReversal']]) {
    assert.deepEqual(Object.keys(fieldsOf(name)).sort(), Object.keys(document.components.schemas[schema].properties).sort(), schema);
  }
  const [, created] = /type NewInvoice =([^]*?\};\n)/.exec(types);
  for (const schema of ['CreateInvoice', 'CreateInvoiceAliases']) {
    for (const field of Object.keys(document.components.schemas[schema].properties)) {
      assert.match(created, new RegExp(`\\b${field}\\??:`), `${schema}.${field}`);
    }
  }
  for (const field of Object.keys(document.components.schemas.UpdateInvoice.properties)) assert.ok(field in fieldsOf('InvoiceChange'), field);
});

test('the types have every filter of the lists', () => {
  const OTHER_NAMES = ['start', 'end'];
  const filters = Object.fromEntries(documented.map(([name, { filters: all }]) =>
    [name, [...new Set(all.map((filter) => filter.replace(/\[\w+\]$/, '')))].filter((filter) => !OTHER_NAMES.includes(filter)).sort()]));
  for (const [operation, name] of [['listInvoices', 'InvoiceFilters'], ['listPayments', 'PaymentFilters'], ['listEvents', 'EventFilters']]) {
    assert.deepEqual(Object.keys(fieldsOf(name)).sort(), filters[operation], operation);
  }
  assert.deepEqual(filters.listWebhookEndpoints, ['limit', 'starting_after']);
  assert.deepEqual(filters.listDeliveries, ['limit', 'starting_after']);
});

test('the types have every event, and every code of a simulated payment', () => {
  const [, events] = /type EventType =([^;]*);/.exec(types);
  assert.deepEqual(events.match(/[\w]+\.[\w]+/g), document.components.schemas.EventType.enum);
  const [, results] = /code:\n([^;]*);/.exec(types);
  const [, wanted] = /\((.*)\)/.exec(document.components.schemas.CollectionResult.properties.code.pattern);
  assert.deepEqual(results.match(/\w+/g), wanted.split('|'));
});

test('require, import and the types have the same names', async () => {
  const { default: byDefault, ...named } = await import('../index.mjs');
  assert.equal(byDefault, KashIO);
  assert.deepEqual({ ...named }, KashIO);
  const declared = [...types.matchAll(/^ {2}(interface|type|class|function|namespace) (\w+)/gm)];
  const values = declared.filter(([, kind]) => !['interface', 'type'].includes(kind)).map(([, , name]) => name);
  assert.deepEqual(values.sort(), Object.keys(KashIO).sort());
  const forImport = fs.readFileSync(path.join(__dirname, '../index.d.mts'), 'utf8');
  assert.deepEqual([...forImport.matchAll(/^export import (\w+) = KashIO\.\1;$/gm)].map(([, name]) => name), declared.map(([, , name]) => name));
});
