'use strict';

// One call: its bytes are made once, then sent until there is an answer that will not change, or the time is over. The
// key is in a private field and in the header of the request, and nowhere else.

const { randomUUID } = require('node:crypto');
const { setMaxListeners } = require('node:events');
const { setTimeout: sleep } = require('node:timers/promises');
const { inspect } = require('node:util');
const { version } = require('../package.json');
const { classes, refused } = require('./errors');
const { pauseBefore } = require('./retry');
const wire = require('./wire');

const { ArgumentError, ConnectionError, TimeoutError } = classes;

const API_VERSION = '1.0.0';
const TIMEOUT_MS = 30_000;
// An attempt that stays silent for so long is given up, if it may be repeated.
const ATTEMPT_TIMEOUT_MS = 10_000;
const KEY = /^sk_(test|live)_[0-9A-Za-z]{50}$/;
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

class Client {
  #key;
  #root;
  #timeout;
  #fetch;

  constructor(key, options = {}) {
    if (typeof key !== 'string' || key === '') throw new ArgumentError('key', 'authorize needs your secret key.');
    known(options, ['baseUrl', 'timeout', 'fetch'], 'authorize');
    this.#key = key;
    this.#root = root(options.baseUrl ?? 'https://api.kashio.net');
    this.#timeout = milliseconds(options.timeout ?? TIMEOUT_MS);
    this.#fetch = options.fetch ?? globalThis.fetch;
    if (typeof this.#fetch !== 'function') throw new ArgumentError('fetch', 'fetch must be a function.');
  }

  /** The answer to an operation. */
  async call(operation, request) {
    return (await this.send(operation, request)).value;
  }

  /**
   * The answer and its headers.
   * @param {object} operation one of operations.js
   * @param {object} [request] `id` for the path, `query` (filters, or text as it is), `body`, `accept`, `patience` (how
   *   many milliseconds longer than usual the API may take), and `options`, the caller's
   */
  async send(operation, { id, query = {}, body, accept = 'application/json', patience = 0, options = {} } = {}) {
    const asked = `${operation.method} ${operation.path}`;
    known(options, ['signal', 'timeout', ...operation.keyed ? ['idempotencyKey'] : [],
      ...operation.matched ? ['ifMatch'] : []], asked);
    const search = typeof query === 'string' ? query : wire.query(query);
    const path = operation.path.replace('{id}', () => encodeURIComponent(id));
    const headers = this.#headers(operation, accept, options);
    const init = { method: operation.method, headers, redirect: 'manual' };
    if (body !== undefined) {
      init.body = wire.encode(body);
      headers['Content-Type'] = 'application/json';
    }

    const { signal } = options;
    // Many calls may share one; each takes its listeners off again.
    if (signal instanceof EventTarget) setMaxListeners(0, signal);
    const context = { asked, idempotencyKey: headers['Idempotency-Key'] };
    const repeatable = operation.method === 'GET' || operation.keyed;
    const timeout = milliseconds(options.timeout ?? this.#timeout) + patience;
    const ends = performance.now() + timeout;
    for (let attempt = 1; ; attempt += 1) {
      const left = Math.max(1, ends - performance.now());
      const limit = repeatable ? Math.min(left, ATTEMPT_TIMEOUT_MS + patience) : left;
      try {
        const url = `${this.#root}${path}${search && `?${search}`}`;
        return await this.#attempt(url, init, { ...context, signal, limit, accept });
      } catch (error) {
        signal?.throwIfAborted();
        const pause = pauseBefore(error, attempt, repeatable);
        if (pause === undefined || performance.now() + pause >= ends) throw error;
        await sleep(pause, undefined, { signal }).catch(() => signal.throwIfAborted());
      }
    }
  }

  #headers(operation, accept, { idempotencyKey = randomUUID(), ifMatch }) {
    const headers = {
      Accept: accept,
      'KashIO-Version': API_VERSION,
      'User-Agent': `kashio-javascript/${version} node/${process.versions.node}`,
    };
    if (!operation.open) {
      if (!KEY.test(this.#key)) {
        throw new ArgumentError('key', 'The key is no secret key, sk_test_ or sk_live_ and 50 letters and digits: it was not sent.');
      }
      headers.Authorization = this.#credentials;
    }
    if (operation.keyed) headers['Idempotency-Key'] = visible('idempotencyKey', idempotencyKey);
    if (ifMatch !== undefined) headers['If-Match'] = visible('ifMatch', etag(ifMatch));
    return headers;
  }

  get #credentials() {
    return `Basic ${Buffer.from(`${this.#key}:`).toString('base64')}`;
  }

  async #attempt(url, init, { asked, idempotencyKey, signal, limit, accept }) {
    signal?.throwIfAborted();
    const stop = new AbortController();
    const abort = () => stop.abort();
    let late = false;
    const timer = setTimeout(() => { late = true; abort(); }, limit);
    signal?.addEventListener('abort', abort, { once: true });
    try {
      const fetch = this.#fetch;
      const response = await fetch(url, { ...init, signal: stop.signal });
      const { ok, status, headers } = response;
      const bytes = Buffer.from(await response.arrayBuffer());
      if (!ok) throw refused({ status, headers, text: this.#redact(bytes.toString()) }, { asked, idempotencyKey });
      return { value: decoded(bytes, accept), headers };
    } catch (error) {
      if (error instanceof classes.APIError) throw error;
      if (late) throw new TimeoutError(`${asked}: no answer within ${Math.ceil(limit)} ms.`, { code: 'timeout', idempotencyKey });
      const { code = 'no_answer', message } = error?.cause ?? error ?? {};
      throw new ConnectionError(this.#redact(`${asked}: no answer: ${message || code}`),
        { code: this.#redact(String(code)), idempotencyKey });
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    }
  }

  // Nothing that we send comes back in an error, whatever a proxy or another fetch may put into its words.
  #redact(text) {
    return text.replaceAll(this.#credentials, 'Basic …').replaceAll(this.#key, 'sk_…');
  }

  toJSON() {
    const [, mode = 'unknown'] = KEY.exec(this.#key) ?? [];
    return { mode, baseUrl: this.#root };
  }

  [inspect.custom](depth, options) {
    return `KashIO ${inspect(this.toJSON(), options)}`;
  }
}

function decoded(bytes, accept) {
  if (accept === 'image/png') return bytes;
  if (accept !== 'application/json') return bytes.toString();
  try {
    return wire.decode(bytes.toString());
  } catch {
    throw Object.assign(new Error('it was cut off, or it is not JSON'), { code: 'no_json' });
  }
}

function root(text) {
  let url;
  try {
    url = new URL(text);
  } catch {
    throw new ArgumentError('baseUrl', 'baseUrl must be an address, such as https://api.kashio.net.');
  }
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && LOOPBACK.test(url.hostname))) {
    throw new ArgumentError('baseUrl', 'baseUrl must begin with https:// (http:// only to this machine).');
  }
  if (url.username || url.password || url.search || url.hash) {
    throw new ArgumentError('baseUrl', 'baseUrl must be a bare address: no user, query or fragment.');
  }
  return url.href.replace(/\/+$/, '');
}

function milliseconds(timeout) {
  if (Number.isFinite(timeout) && timeout > 0 && timeout <= 2 ** 30) return timeout;
  throw new ArgumentError('timeout', 'timeout must be a number of milliseconds, more than zero.');
}

function known(options, names, where) {
  for (const name of Object.keys(options)) {
    if (!names.includes(name)) throw new ArgumentError(name, `${where} has no option ${name}: it has ${names.join(', ')}.`);
  }
}

// A version as the invoice shows it, or an ETag.
function etag(value) {
  return /^\d+$/.test(value) ? `"${value}"` : value;
}

function visible(name, value) {
  if (typeof value === 'string' && /^[\x21-\x7e]{1,255}$/.test(value)) return value;
  throw new ArgumentError(name, `${name} must be 1 to 255 visible ASCII characters.`);
}

module.exports = { Client };
