'use strict';

// What all resources have: the client that speaks for them, out of sight, and the check of an id before it is put into
// a path.

const { classes: { ArgumentError } } = require('../errors');
const { List } = require('../list');

class Resource {
  #client;

  constructor(client) {
    this.#client = client;
  }

  call(operation, request) {
    return this.#client.call(operation, request);
  }

  send(operation, request) {
    return this.#client.send(operation, request);
  }

  list(operation, filters, request) {
    return new List((query = filters) => this.#client.send(operation, { ...request, query }));
  }
}

/**
 * The id, if it is one of that kind of object: your own reference in its place would be somebody else's path.
 * @param {string} kind `inv`, `pay`, `eve`, `whe` or `del`
 */
function idOf(kind, id) {
  if (typeof id === 'string' && id.startsWith(`${kind}_`)) return id;
  throw new ArgumentError('id', `This takes an id that the API gave, ${kind}_….`);
}

module.exports = { Resource, idOf };
