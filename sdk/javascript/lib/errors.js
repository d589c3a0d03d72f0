'use strict';

// Everything that can go wrong, as a class each. An error tells what was asked and what was answered, never with which
// key: what comes from outside passes through the client's `redact` before it gets here, and no cause is kept.

/** The class of all errors of this package. */
class KashIOError extends Error {
  /** @param {string} message @param {object} [facts] what else is known, as properties */
  constructor(message, facts = {}) {
    super(message);
    for (const [name, fact] of Object.entries(facts)) if (fact !== undefined) this[name] = fact;
  }
}

/** The call itself is wrong: nothing was sent. `param` says which argument. */
class ArgumentError extends KashIOError {
  constructor(param, message) { super(message, { code: 'invalid_argument', param }); }
}

/** No whole answer came. Whether the request was carried out is unknown; `idempotencyKey` makes its repeat safe. */
class ConnectionError extends KashIOError {}

/** No answer came in time. */
class TimeoutError extends ConnectionError {}

/** A webhook that is not to be trusted; `code` says why. */
class WebhookVerificationError extends KashIOError {
  constructor(code, message) { super(message, { code }); }
}

/**
 * The API refused: `status`, `code` of the first fault, `params` of all, `errors` as answered, `requestId` to cite to
 * support, and `retryAfter` in seconds when the answer named it.
 */
class APIError extends KashIOError {}

/** 400 and what is like it: something in the request has to change. */
class InvalidRequestError extends APIError {}
/** 401: the key is missing, wrong, revoked or expired; the API does not say which. */
class AuthenticationError extends APIError {}
/** 403: no HTTPS, a scope that the key lacks, an address that it may not be used from. */
class PermissionError extends APIError {}
/** 404: unknown, or of another account or the other mode. */
class NotFoundError extends APIError {}
/** 409: the state of the object does not allow it. */
class ConflictError extends APIError {}
/** 412: the invoice is no longer the one that `ifMatch` names. */
class VersionMismatchError extends APIError {}
/** 422: the idempotency key belongs to another request. */
class IdempotencyError extends APIError {}
/** 429: too many requests. */
class RateLimitError extends APIError {}
/** 5xx: the fault is not yours. */
class ServerError extends APIError {}

const BY_STATUS = {
  401: AuthenticationError,
  403: PermissionError,
  404: NotFoundError,
  409: ConflictError,
  412: VersionMismatchError,
  422: IdempotencyError,
  429: RateLimitError,
};

/**
 * The error for an answer other than 2xx.
 * @param {object} answer `status`, `headers`, and `text`, the body
 * @param {object} context `asked`, the method and path, and `idempotencyKey`
 * @returns {APIError}
 */
function refused({ status, headers, text }, { asked, idempotencyKey }) {
  const body = parsed(text);
  const requestId = body?.request_id ?? headers.get('request-id') ?? undefined;
  const errors = Array.isArray(body?.error) && body.error.length > 0
    ? body.error
    : [{ code: 'unexpected_answer', message: `HTTP ${status} without an error of the API.` }];
  const seconds = headers.get('retry-after');
  const Class = BY_STATUS[status] ?? (status >= 500 ? ServerError : status >= 400 ? InvalidRequestError : APIError);

  const faults = errors.map(({ code, param, message }) => `${message} [${param ? `${code}: ${param}` : code}]`);
  return new Class(`${asked}: ${faults.join(' ')}${requestId ? ` (${requestId})` : ''}`, {
    status,
    code: errors[0].code,
    params: errors.map(({ param }) => param).filter(Boolean),
    errors,
    requestId,
    retryAfter: /^\d+$/.test(seconds ?? '') ? Number(seconds) : undefined,
    idempotencyKey,
  });
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const classes = {
  KashIOError,
  ArgumentError,
  ConnectionError,
  TimeoutError,
  WebhookVerificationError,
  APIError,
  InvalidRequestError,
  AuthenticationError,
  PermissionError,
  NotFoundError,
  ConflictError,
  VersionMismatchError,
  IdempotencyError,
  RateLimitError,
  ServerError,
};

// Written down: a bundler may shorten the names of classes.
for (const [name, Class] of Object.entries(classes)) Object.defineProperty(Class.prototype, 'name', { value: name });

module.exports = { classes, refused };
