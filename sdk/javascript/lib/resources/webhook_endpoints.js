'use strict';

// Where events are delivered to, and how that went.

const operations = require('../operations');
const { Resource, idOf } = require('./resource');

class WebhookEndpoints extends Resource {
  /** The answer shows the secret, once. If it got lost, the repeat is ConflictError `secret_already_shown`: roll it. */
  async create(endpoint, options) {
    return this.call(operations.createWebhookEndpoint, { body: endpoint, options });
  }

  async get(id, options) {
    return this.call(operations.getWebhookEndpoint, { id: idOf('whe', id), options });
  }

  list(filters, options) {
    return super.list(operations.listWebhookEndpoints, filters, { options });
  }

  async update(id, changes, options) {
    return this.call(operations.updateWebhookEndpoint, { id: idOf('whe', id), body: changes, options });
  }

  async delete(id, options) {
    return this.call(operations.deleteWebhookEndpoint, { id: idOf('whe', id), options });
  }

  /** A new secret; the old one signs as well for `overlap_seconds`, a day if nothing is said. */
  async roll(id, roll = {}, options) {
    return this.call(operations.rollWebhookSecret, { id: idOf('whe', id), body: roll, options });
  }

  /** Sends a signed ping, once, and answers what the receiver said. */
  async test(id, options) {
    return this.call(operations.testWebhookEndpoint, { id: idOf('whe', id), options });
  }

  /** Delivers a range of events again; with `dry_run` it only counts them. */
  async redeliver(id, range = {}, options) {
    return this.call(operations.redeliverRange, { id: idOf('whe', id), body: range, options });
  }

  /** The deliveries to an endpoint, newest first. */
  deliveries(id, filters, options) {
    return super.list(operations.listDeliveries, filters, { id: idOf('whe', id), options });
  }
}

class Deliveries extends Resource {
  /** With every attempt. */
  async get(id, options) {
    return this.call(operations.getDelivery, { id: idOf('del', id), options });
  }

  async redeliver(id, options) {
    return this.call(operations.redeliver, { id: idOf('del', id), options });
  }
}

module.exports = { WebhookEndpoints, Deliveries };
