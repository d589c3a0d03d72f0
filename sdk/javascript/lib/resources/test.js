'use strict';

// You are the bank: with a test key only.

const operations = require('../operations');
const { Resource, idOf } = require('./resource');

class Test extends Resource {
  /** Pays what is owed, now, or as `payment` says. The answer is the invoice, with `result` beside it. */
  async pay(id, payment = {}, options) {
    return this.call(operations.simulatePayment, { id: idOf('inv', id), body: payment, options });
  }

  /** Takes the last payment back, or the one of `operation_number`. */
  async reverse(id, reversal = {}, options) {
    return this.call(operations.simulateReversal, { id: idOf('inv', id), body: reversal, options });
  }

  /** Ends the time that an invoice can be paid in. */
  async expire(id, options) {
    return this.call(operations.simulateExpiry, { id: idOf('inv', id), options });
  }
}

module.exports = { Test };
