'use strict';

// The vectors were signed by the standard's own package; what has changed by one letter must not pass.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { inspect } = require('node:util');
const KashIO = require('..');
const { secrets, webhooks } = require('./support/vectors.json');

const { verify } = KashIO.webhooks;
const headersOf = ({ id, timestamp, signatures }, which = 'old') => ({
  'webhook-id': id,
  'webhook-timestamp': String(timestamp),
  'webhook-signature': [which].flat().map((name) => signatures[name] ?? name).join(' '),
});
const at = ({ timestamp }, seconds = 0) => ({ now: new Date((timestamp + seconds) * 1_000) });
const [webhook] = webhooks;
const refuses = (code, call) => assert.throws(call, (error) => {
  assert.ok(error instanceof KashIO.WebhookVerificationError, inspect(error));
  assert.equal(error.code, code);
  return true;
});

test('what the standard package signed is accepted, as text and as bytes', () => {
  for (const one of webhooks) {
    const { body } = one;
    const expected = JSON.parse(body);
    for (const payload of [body, Buffer.from(body), new TextEncoder().encode(body)]) {
      assert.deepEqual(verify(payload, headersOf(one), secrets.old, at(one)), expected);
      assert.deepEqual(verify(payload, headersOf(one, 'new'), secrets.new, at(one)), expected);
    }
  }
});

test('bytes in the middle of a larger buffer are only those', () => {
  const whole = Buffer.from(`xx${webhook.body}yy`);
  verify(whole.subarray(2, -2), headersOf(webhook), secrets.old, at(webhook));
});

test('headers come as Headers, in any case, and in lists of one', () => {
  const headers = headersOf(webhook);
  const shouted = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toUpperCase(), value]));
  const listed = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]]));
  for (const form of [new Headers(headers), shouted, listed]) verify(webhook.body, form, secrets.old, at(webhook));
});

test('while a secret is rolled either is enough, on either side', () => {
  for (const sent of ['old', 'new', ['old', 'new'], ['new', 'old']]) {
    verify(webhook.body, headersOf(webhook, sent), [secrets.new, secrets.old], at(webhook));
  }
  verify(webhook.body, headersOf(webhook, ['new', 'old']), secrets.old, at(webhook));
  verify(webhook.body, headersOf(webhook, ['v1a,AAAA', 'v2,AAAA', 'old']), secrets.old, at(webhook));
  refuses('no_matching_signature', () => verify(webhook.body, headersOf(webhook, 'new'), secrets.old, at(webhook)));
});

test('nothing that has changed is accepted', () => {
  for (const one of webhooks) {
    const headers = headersOf(one);
    const body = Buffer.from(one.body);
    for (let place = 0; place < body.length; place += 1) {
      const changed = Buffer.from(body);
      changed[place] ^= 1 << (place % 8);
      refuses('no_matching_signature', () => verify(changed, headers, secrets.old, at(one)));
    }
    const signature = one.signatures.old;
    for (let place = 0; place < signature.length; place += 1) {
      const letter = signature[place] === 'A' ? 'B' : 'A';
      const changed = signature.slice(0, place) + letter + signature.slice(place + 1);
      refuses('no_matching_signature', () => verify(body, { ...headers, 'webhook-signature': changed }, secrets.old, at(one)));
    }
    for (const changed of [
      { 'webhook-id': `${one.id}x` },
      { 'webhook-timestamp': String(one.timestamp + 1) },
      { 'webhook-signature': signature.slice(0, -1) },
      { 'webhook-signature': signature.replace('v1,', 'v2,') },
      { 'webhook-signature': signature.slice(3) },
      { 'webhook-signature': 'v1,' },
    ]) refuses('no_matching_signature', () => verify(body, { ...headers, ...changed }, secrets.old, at(one)));
  }
});

test('what is too old or too new is refused, to the second', () => {
  const call = (seconds, tolerance) => () => verify(webhook.body, headersOf(webhook), secrets.old, { tolerance, ...at(webhook, seconds) });
  call(300)();
  call(-300)();
  call(3_600, 3_600)();
  for (const late of [call(301), call(-301), call(1, 0)]) refuses('timestamp_out_of_tolerance', late);
  refuses('timestamp_out_of_tolerance', () => verify(webhook.body, headersOf(webhook), secrets.old, { now: 0 }));
  // Without a time of ours the clock decides.
  refuses('timestamp_out_of_tolerance', () => verify(webhooks[1].body, headersOf(webhooks[1]), secrets.old));
  for (const timestamp of ['NaN', '1e9', '-1', '0x5', '1795596396.5', ' 1795596396']) {
    refuses('timestamp_out_of_tolerance', () =>
      verify(webhook.body, { ...headersOf(webhook), 'webhook-timestamp': timestamp }, secrets.old, at(webhook)));
  }
});

test('a missing header, an empty one and one that came twice are refused', () => {
  for (const name of ['webhook-id', 'webhook-timestamp', 'webhook-signature']) {
    for (const value of [undefined, '', ['a', 'b'], []]) {
      refuses('missing_header', () => verify(webhook.body, { ...headersOf(webhook), [name]: value }, secrets.old, at(webhook)));
    }
  }
  refuses('missing_header', () => verify(webhook.body, undefined, secrets.old, at(webhook)));
});

test('a mistake of the caller is not mistaken for a forgery, and shows no secret', () => {
  const mistakes = [
    [JSON.parse(webhook.body), headersOf(webhook), secrets.old, at(webhook)],
    [undefined, headersOf(webhook), secrets.old, at(webhook)],
    ...['', undefined, null, [], [undefined], 'whsec_', secrets.old.slice(6), 'whsec_ñandú', `${secrets.old}\n`]
      .map((secret) => [webhook.body, headersOf(webhook), secret, at(webhook)]),
    [webhook.body, headersOf(webhook), secrets.old, { tolerance: NaN }],
    [webhook.body, headersOf(webhook), secrets.old, { tolerance: -1 }],
    [webhook.body, headersOf(webhook), secrets.old, { now: new Date('today') }],
  ];
  for (const call of mistakes) {
    assert.throws(() => verify(...call), (error) => {
      assert.ok(error instanceof KashIO.ArgumentError, inspect(error));
      assert.ok(!inspect(error).includes('AAECAw'));
      return true;
    });
  }
});
