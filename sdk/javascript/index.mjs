// For `import`: the same one implementation, under the same names.

import KashIO from './lib/index.js';

export default KashIO;
export const {
  authorize,
  webhooks,
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
} = KashIO;
