'use strict';

// Órdenes de Pago: what a customer is to pay.

const operations = require('../operations');
const { Resource, idOf } = require('./resource');

class Invoices extends Resource {
  /**
   * Creates an invoice. With the same invoice_id and content as an open one it answers that one.
   * @param {object} invoice also in the envelope of 2017, `{ invoice: {…} }`
   */
  create(invoice, options) {
    // In the envelope request_datetime is optional; a repeat is known by its Idempotency-Key.
    const body = invoice && 'invoice' in Object(invoice) ? invoice : { invoice };
    return this.call(operations.createInvoice, { body, options });
  }

  async get(id, options) {
    return this.call(operations.getInvoice, { id: idOf('inv', id), options });
  }

  /** Changes amount, currency, due_datetime or expiration_datetime of a pending invoice. */
  async update(id, changes, options) {
    return this.call(operations.updateInvoice, { id: idOf('inv', id), body: changes, options });
  }

  /** Voids a pending invoice, for ever. */
  async void(id, options) {
    return this.call(operations.voidInvoice, { id: idOf('inv', id), options });
  }

  /** Newest first. */
  list(filters, options) {
    return super.list(operations.listInvoices, filters, { options });
  }
}

module.exports = { Invoices };
