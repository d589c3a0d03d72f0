'use strict';

// The API's forms and JavaScript's. A date-time of the API has no zone and is UTC, which `new Date(text)` would take for
// local time; here it becomes a Date and back. An amount is text on both sides. What a merchant keeps with us, metadata
// and sub_merchant, is never looked into.

const { classes: { ArgumentError } } = require('./errors');

const DATE_TIMES = new Set([
  'created', 'request_datetime', 'due_datetime', 'expiration_datetime', 'paid_at', 'received_at', 'last_used_at',
  'previous_secret_until', 'next_attempt', 'time',
]);
const AMOUNTS = new Set(['amount', 'sub_total', 'late_fee', 'fees']);
const VERBATIM = new Set(['metadata', 'sub_merchant']);
const STATUSES = { NEW: 'pending', PAID: 'paid', EXPIRED: 'expired', VOIDED: 'voided' };

/**
 * An answer, or the body of a webhook, as this package shows it: dates as Date. The webhooks of an account that is
 * pinned to version 1.0.1 are brought to the form of 1.0.0, which everything else here has.
 */
function decode(text) {
  return walk(JSON.parse(text));
}

function walk(value) {
  if (typeof value !== 'object' || value === null) return value;
  for (const [name, inner] of Object.entries(value)) {
    if (VERBATIM.has(name)) continue;
    if (DATE_TIMES.has(name)) value[name] = utc(inner);
    else if (AMOUNTS.has(name) && typeof inner === 'number') value[name] = inner.toFixed(2);
    else walk(inner);
  }
  if (value.object === 'invoice' && Object.hasOwn(STATUSES, value.status)) value.status = STATUSES[value.status];
  return value;
}

function utc(text) {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/.test(text) ? new Date(`${text}Z`) : text;
}

/** A body as JSON text: Dates in the API's form, amounts only as text. */
function encode(body) {
  return JSON.stringify(fields(body, 'body'));
}

function fields(body, name) {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new ArgumentError(name, `${name} must be an object.`);
  }
  return Object.fromEntries(Object.entries(body).map(([key, value]) => [key, field(key, value)]));
}

function field(name, value) {
  if (value === undefined || value === null) return value;
  if (name === 'amount' || name === 'value') return amount(name, value);
  if (DATE_TIMES.has(name)) return dateTime(name, value);
  return name === 'invoice' || name === 'total' ? fields(value, name) : value;
}

function amount(name, value) {
  if (typeof value === 'string') return value;
  throw new ArgumentError(name, `${name} must be text, such as '20.00': a number of JavaScript does not hold every amount.`);
}

function dateTime(name, value) {
  if (!(value instanceof Date)) return value;
  const year = value.getUTCFullYear();
  if (year >= 1 && year <= 9999) return value.toISOString().slice(0, 19);
  throw new ArgumentError(name, `${name} is a Date without a time that the API could hold.`);
}

/**
 * Filters as a query: lists joined by commas, `{ created: { gte } }` as `created[gte]`, Dates in the API's form.
 * @returns {string} without the question mark
 */
function query(filters = {}) {
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(filters)) {
    if (value === undefined || value === null) continue;
    if (name === 'date' && value instanceof Date) {
      throw new ArgumentError(name, "date is a day of Lima, such as '2017-05-30', and a Date is a moment: give text.");
    }
    if (Array.isArray(value)) pairs.append(name, value.join());
    else if (typeof value === 'object' && !(value instanceof Date)) {
      for (const [bound, moment] of Object.entries(value)) {
        if (moment !== undefined && moment !== null) pairs.append(`${name}[${bound}]`, dateTime(name, moment));
      }
    } else pairs.append(name, dateTime(name, value));
  }
  return pairs.toString();
}

module.exports = { decode, encode, query, DATE_TIMES, AMOUNTS };
