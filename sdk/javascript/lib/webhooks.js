'use strict';

// Whether a webhook is ours: Standard Webhooks 1.0.0, an HMAC-SHA256 over `id.timestamp.body`. The body is the bytes as
// they came; JSON that was parsed and written again has other bytes and other signatures.

const { createHmac, timingSafeEqual } = require('node:crypto');
const { classes: { ArgumentError, WebhookVerificationError } } = require('./errors');
const { decode } = require('./wire');

const TOLERANCE_SECONDS = 300;

/**
 * The event of a webhook, once it is sure that we sent it, and recently.
 * @param {string | Uint8Array} payload the raw body
 * @param {object} headers of the request: a plain object, or Headers; names in any case
 * @param {string | string[]} secret `whsec_…`; several while a secret is rolled
 * @param {{ tolerance?: number, now?: Date | number }} [options] how many seconds its time may differ, 300 if nothing is
 *   said; the time to compare with, a Date or milliseconds
 * @returns {object} the event
 * @throws {WebhookVerificationError} answer 400 and do nothing
 */
function verify(payload, headers, secret, { tolerance = TOLERANCE_SECONDS, now = Date.now() } = {}) {
  const body = bytes(payload);
  const keys = [secret].flat().map(key);
  if (keys.length === 0) throw new ArgumentError('secret', 'verify needs the secret of the endpoint.');
  if (!(tolerance >= 0)) throw new ArgumentError('tolerance', 'tolerance must be a number of seconds.');
  if (Number.isNaN(Number(now))) throw new ArgumentError('now', 'now must be a Date or milliseconds.');

  const [id, timestamp, signatures] = ['webhook-id', 'webhook-timestamp', 'webhook-signature']
    .map((name) => header(headers, name));
  if (!/^\d{1,12}$/.test(timestamp) || !(Math.abs(Number(now) / 1_000 - Number(timestamp)) <= tolerance)) {
    throw new WebhookVerificationError('timestamp_out_of_tolerance', 'The webhook is too old, or your clock is wrong.');
  }

  const given = signatures.split(' ').map((signature) => Buffer.from(signature));
  let ours = false;
  for (const one of keys) {
    const mac = createHmac('sha256', one).update(`${id}.${timestamp}.`).update(body).digest('base64');
    const expected = Buffer.from(`v1,${mac}`);
    // All of them, whichever fits: how long it takes says nothing.
    for (const signature of given) {
      ours = (signature.length === expected.length && timingSafeEqual(signature, expected)) || ours;
    }
  }
  if (!ours) throw new WebhookVerificationError('no_matching_signature', 'No signature of the webhook is of this secret.');
  return decode(body.toString());
}

function bytes(payload) {
  if (typeof payload === 'string') return Buffer.from(payload);
  if (payload instanceof Uint8Array) return Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  throw new ArgumentError('payload', 'verify needs the raw body, as text or bytes, from before it was parsed.');
}

function key(secret) {
  const [, encoded] = /^whsec_([0-9A-Za-z+/]{32,}={0,2})$/.exec(secret) ?? [];
  if (encoded === undefined) throw new ArgumentError('secret', 'The secret has not the form whsec_….');
  return Buffer.from(encoded, 'base64');
}

function header(headers, name) {
  let found;
  if (typeof headers?.get === 'function') found = headers.get(name);
  else [, found] = Object.entries(headers ?? {}).find(([other]) => other.toLowerCase() === name) ?? [];
  if (Array.isArray(found) && found.length === 1) [found] = found;
  if (typeof found === 'string' && found !== '') return found;
  throw new WebhookVerificationError('missing_header', `The request has no header ${name}, or several.`);
}

module.exports = { verify };
