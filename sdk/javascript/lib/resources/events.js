'use strict';

// What happened, in order and without gaps.

const operations = require('../operations');
const { Resource, idOf } = require('./resource');

class Events extends Resource {
  async get(id, options) {
    return this.call(operations.getEvent, { id: idOf('eve', id), options });
  }

  /**
   * Newest first; with `after`, a sequence, oldest first from there. With `wait`, in seconds, a page that would be empty
   * waits so long for an event; the time limit of the call grows by as much.
   */
  list(filters = {}, options) {
    return super.list(operations.listEvents, filters, { options, patience: Number(filters.wait ?? 0) * 1_000 || 0 });
  }

  /** Delivers an event to every endpoint once more. */
  async resend(id, options) {
    return this.call(operations.resendEvent, { id: idOf('eve', id), options });
  }
}

module.exports = { Events };
