'use strict';

// One class per kind of answer, with all that the API said.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const KashIO = require('..');
const { KEY, fake, json, refusal } = require('./support/fake');

async function refusedWith(answer) {
  const server = await fake(answer);
  try {
    return await KashIO.authorize(KEY, { baseUrl: server.url }).invoices.create({}).then(assert.fail, (error) => error);
  } finally {
    await server.stop();
  }
}

test('each status has its class', async () => {
  for (const [status, name] of Object.entries({
    302: 'APIError', 400: 'InvalidRequestError', 401: 'AuthenticationError', 403: 'PermissionError', 404: 'NotFoundError',
    405: 'InvalidRequestError', 409: 'ConflictError', 412: 'VersionMismatchError', 413: 'InvalidRequestError',
    422: 'IdempotencyError', 429: 'RateLimitError', 500: 'ServerError', 503: 'ServerError',
  })) {
    const error = await refusedWith(refusal(Number(status), 'some_code', { 'retry-after': '60' }));
    assert.equal(error.constructor, KashIO[name], `${status}: ${error.stack}`);
    assert.deepEqual([error.name, error.status, error.code], [name, Number(status), 'some_code']);
    assert.ok(error instanceof KashIO.APIError && error instanceof KashIO.KashIOError && error instanceof Error);
  }
});

test('all faults are told, as answered', async () => {
  const errors = [
    { code: 'required', param: 'currency', message: 'El campo es obligatorio.' },
    { code: 'invalid_email', param: 'customer.email', message: 'No es una dirección de correo.' },
    { code: 'invoice_id_conflict', message: 'Ya existe.', existing_id: 'inv_test_1' },
  ];
  const error = await refusedWith(json(400, { status: 400, error: errors, request_id: 'req_2' }, { 'retry-after': '3' }));
  assert.equal(error.code, 'required');
  assert.deepEqual(error.params, ['currency', 'customer.email']);
  assert.deepEqual(error.errors, errors);
  assert.equal(error.requestId, 'req_2');
  assert.equal(error.retryAfter, 3);
  assert.equal(error.message, 'POST /v1/payments/invoices: El campo es obligatorio. [required: currency] No es una dirección '
    + 'de correo. [invalid_email: customer.email] Ya existe. [invoice_id_conflict] (req_2)');
});

test('an answer of somebody on the way is an error too', async () => {
  for (const body of ['<html>Bad Gateway</html>', '', 'null', '[]', '{"error":[]}', '{"error":"no"}']) {
    const error = await refusedWith((request, response) => response.writeHead(418, { 'request-id': 'req_3' }).end(body));
    assert.deepEqual([error.name, error.status, error.code, error.requestId], ['InvalidRequestError', 418, 'unexpected_answer', 'req_3']);
    assert.deepEqual(error.params, []);
  }
});

test('a redirection is not followed', async () => {
  const error = await refusedWith((request, response) => response.writeHead(307, { location: 'http://127.0.0.1:9/' }).end());
  assert.deepEqual([error.name, error.status], ['APIError', 307]);
});
