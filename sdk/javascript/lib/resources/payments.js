'use strict';

// The money that came in: what paid an invoice, and what is kept without one to pay.

const { pages } = require('../list');
const operations = require('../operations');
const { Resource, idOf } = require('./resource');

class Payments extends Resource {
  async get(id, options) {
    return this.call(operations.getPayment, { id: idOf('pay', id), options });
  }

  /** Newest first. */
  list(filters, options) {
    return super.list(operations.listPayments, filters, { options });
  }

  /** All rows of the same list as one CSV text: UTF-8 with byte order mark, one line of titles. */
  async csv(filters, options) {
    const page = (query = { limit: 500, ...filters }) =>
      this.send(operations.listPayments, { query, accept: 'text/csv', options });
    const texts = [];
    for await (const { value } of pages(page)) {
      texts.push(texts.length === 0 ? value : value.slice(value.indexOf('\n') + 1));
    }
    return texts.join('');
  }
}

module.exports = { Payments };
