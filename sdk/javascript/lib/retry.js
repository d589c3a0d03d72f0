'use strict';

// What may be tried again, and when. A request is *repeatable* when doing it twice is doing it once: it only reads, or
// it carries an Idempotency-Key. Nothing else is repeated, unless the API says that it did nothing.

const { classes: { APIError, ConnectionError } } = require('./errors');

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;

// A certificate that is wrong now is wrong in a second too.
const HOPELESS = /CERT|SIGNATURE|HOSTNAME_MISMATCH/;

/**
 * How long to wait before the next attempt.
 * @param {Error} error what the attempt brought
 * @param {number} attempt which it was: 1, 2, 3 …
 * @param {boolean} repeatable
 * @param {() => number} [random] from 0 to 1
 * @returns {number | undefined} milliseconds; nothing when it must not, or need not, be repeated
 */
function pauseBefore(error, attempt, repeatable, random = Math.random) {
  if (!mayRepeat(error, repeatable)) return undefined;
  const step = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempt - 1));
  // Half of it by chance, so that those who failed together do not come back together.
  const backoff = step * (0.5 + random() / 2);
  return Math.max(backoff, (error.retryAfter ?? 0) * 1_000);
}

function mayRepeat(error, repeatable) {
  if (error instanceof ConnectionError) return repeatable && !HOPELESS.test(error.code);
  if (!(error instanceof APIError)) return false;
  switch (error.status) {
    case 429: return true;
    case 409: return repeatable && error.code === 'idempotency_in_progress';
    case 408: return repeatable;
    // The API's own 503 names a time and did nothing; a proxy's may have.
    case 503: return repeatable || error.retryAfter !== undefined;
    default: return repeatable && error.status >= 500;
  }
}

module.exports = { pauseBefore };
