'use strict';

// The package: `authorize` gives the API, `webhooks.verify` reads what it sends, and the errors are here by name.

const { Client } = require('./client');
const { classes } = require('./errors');
const operations = require('./operations');
const { Events } = require('./resources/events');
const { Invoices } = require('./resources/invoices');
const { PaymentPage } = require('./resources/payment_page');
const { Payments } = require('./resources/payments');
const { Resource } = require('./resources/resource');
const { Test } = require('./resources/test');
const { Deliveries, WebhookEndpoints } = require('./resources/webhook_endpoints');
const { verify } = require('./webhooks');

class Account extends Resource {
  /** Whose the key is, and what it may do. */
  async get(options) {
    return this.call(operations.getAccount, { options });
  }
}

/** The API, for one key. Its resources are its properties; to print it does not show the key. */
class KashIO {
  #client;

  constructor(key, options) {
    const client = new Client(key, options);
    this.#client = client;
    this.account = new Account(client);
    this.invoices = new Invoices(client);
    this.payments = new Payments(client);
    this.events = new Events(client);
    this.webhookEndpoints = new WebhookEndpoints(client);
    this.deliveries = new Deliveries(client);
    this.test = new Test(client);
    this.paymentPage = new PaymentPage(client);
  }

  /** The mode of the key and the address: what may be logged. */
  toJSON() {
    return this.#client.toJSON();
  }

  [Symbol.for('nodejs.util.inspect.custom')](depth, options, inspect) {
    return `KashIO ${inspect(this.toJSON(), options)}`;
  }
}

/**
 * The API for one secret key; the key decides the mode. Its form is checked at the first call, before it is sent.
 * @param {string} key `sk_test_…` or `sk_live_…`
 * @param {{ baseUrl?: string, timeout?: number, fetch?: typeof fetch }} [options] `timeout`: how many milliseconds a call
 *   may take, its repeats included; 30,000 if nothing is said
 */
function authorize(key, options) {
  return new KashIO(key, options);
}

module.exports = { authorize, webhooks: { verify }, ...classes };
