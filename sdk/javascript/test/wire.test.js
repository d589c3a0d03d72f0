'use strict';

// What becomes of dates and amounts on the way, held against the API's own document.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const KashIO = require('..');
const wire = require('../lib/wire');
const { schemas } = require('../../openapi.json').components;

process.env.TZ = 'America/Lima'; // where a date without a zone would be five hours off

const fieldsOf = (...types) => {
  const names = new Set();
  for (const { properties = {} } of Object.values(schemas)) {
    for (const [name, property] of Object.entries(properties)) {
      const refs = [property, ...property.oneOf ?? []].map(({ $ref }) => $ref?.split('/').at(-1));
      if (refs.some((ref) => types.includes(ref))) names.add(name);
    }
  }
  return [...names].sort();
};

test('every date-time of the API document is known here, in and out', () => {
  assert.deepEqual([...wire.DATE_TIMES].sort(), fieldsOf('UtcDateTime', 'DateTime'));
  for (const name of wire.DATE_TIMES) {
    assert.deepEqual(wire.decode(`{"${name}":"2026-11-25T23:59:59"}`)[name], new Date(Date.UTC(2026, 10, 25, 23, 59, 59)));
    assert.equal(wire.encode({ [name]: new Date(Date.UTC(2026, 10, 25, 23, 59, 59, 999)) }), `{"${name}":"2026-11-25T23:59:59"}`);
  }
});

test('every amount of the API document is text, in and out', () => {
  assert.deepEqual([...wire.AMOUNTS].sort(), fieldsOf('Money'));
  const sent = fieldsOf('MoneyInput');
  assert.deepEqual(sent, ['amount', 'value']);
  for (const name of sent) {
    for (const wrong of [20, 20.5, 0.1 + 0.2, 20n, NaN, true, { value: '20.00' }]) {
      assert.throws(() => wire.encode({ [name]: wrong }), KashIO.ArgumentError);
    }
    assert.equal(wire.encode({ [name]: '20.00' }), `{"${name}":"20.00"}`);
  }
});

test('amounts are found in the envelope and in total too', () => {
  for (const body of [{ invoice: { amount: 1 } }, { total: { value: 1 } }, { invoice: { total: { value: 1 } } }]) {
    assert.throws(() => wire.encode(body), { name: 'ArgumentError', code: 'invalid_argument' });
  }
});

test('a merchant\'s own data goes and comes untouched', () => {
  const own = { created: '2026-11-25T23:59:59', amount: 20, status: 'NEW', object: 'invoice', deep: { paid_at: '2026-01-01T00:00:00' } };
  for (const name of ['metadata', 'sub_merchant']) {
    assert.deepEqual(wire.decode(JSON.stringify({ object: 'invoice', [name]: own }))[name], own);
    assert.deepEqual(JSON.parse(wire.encode({ invoice: { [name]: own } })).invoice[name], own);
  }
  const odd = '{"metadata":{"__proto__":1,"z":1,"a":2}}';
  assert.equal(JSON.stringify(wire.decode(odd)), odd);
  assert.equal(wire.encode(JSON.parse(odd)), odd);
});

test('dates that we do not write are left as text, and never local time', () => {
  for (const text of ['2026-11-25', '2026-11-25T10:00:00Z', '2026-11-25 10:00:00', 'soon', '']) {
    assert.equal(wire.decode(JSON.stringify({ created: text })).created, text);
  }
});

test('a Date that is none, or beyond the calendar, is refused', () => {
  for (const date of [new Date('soon'), new Date(8.64e15), new Date(-8.64e15)]) {
    assert.throws(() => wire.encode({ due_datetime: date }), { name: 'ArgumentError', param: 'due_datetime' });
    assert.throws(() => wire.query({ created: { gte: date } }), KashIO.ArgumentError);
  }
});

test('null stays, undefined goes, and a body is an object', () => {
  assert.equal(wire.encode({ due_datetime: null, amount: undefined, invoice: undefined }), '{"due_datetime":null}');
  for (const body of [null, 'x', 1, []]) assert.throws(() => wire.encode({ invoice: body ?? 1 }), KashIO.ArgumentError);
  for (const body of [null, undefined, 'x', []]) assert.throws(() => wire.encode(body), KashIO.ArgumentError);
});

test('the form of 1.0.1 becomes that of 1.0.0', () => {
  const event = wire.decode('{"object":"event","data":{"invoice":{"object":"invoice","status":"PAID","amount":20.00,'
    + '"sub_total":0.10,"late_fee":999999999.99,"fees":0.00},"payment":{"object":"payment","amount":1248.5,"status":"applied"}}}');
  assert.deepEqual(event.data, {
    invoice: { object: 'invoice', status: 'paid', amount: '20.00', sub_total: '0.10', late_fee: '999999999.99', fees: '0.00' },
    payment: { object: 'payment', amount: '1248.50', status: 'applied' },
  });
});

test('filters become a query', () => {
  const query = (filters) => decodeURIComponent(wire.query(filters));
  assert.equal(query(undefined), '');
  assert.equal(query({ limit: 5, status: ['pending', 'paid'], ktin: undefined, currency: null }), 'limit=5&status=pending,paid');
  assert.equal(query({ created: { gte: new Date(0), lt: '2026-01-01T00:00', gt: undefined } }),
    'created[gte]=1970-01-01T00:00:00&created[lt]=2026-01-01T00:00');
  assert.equal(query({ 'customer.document_id': '1&2=3' }), 'customer.document_id=1&2=3');
  assert.equal(query({ date: '2017-05-30' }), 'date=2017-05-30');
  assert.throws(() => wire.query({ date: new Date() }), { name: 'ArgumentError', param: 'date' });
});
