'use strict';

// What the API can be asked, by the names of its OpenAPI document; a test holds this table against that document.
// `keyed`: takes an Idempotency-Key, so it may be repeated. `matched`: takes If-Match. `open`: needs no key.

const read = (path) => ({ method: 'GET', path: `/v1/payments${path}` });
const write = (method, path, more) => ({ method, path: `/v1/payments${path}`, keyed: true, ...more });
const page = (path) => ({ method: 'GET', path: `/pay/{id}${path}`, open: true });

module.exports = {
  getAccount: read(''),

  createInvoice: write('POST', '/invoices', { matched: true }),
  getInvoice: read('/invoices/{id}'),
  updateInvoice: write('PATCH', '/invoices/{id}', { matched: true }),
  voidInvoice: write('DELETE', '/invoices/{id}', { matched: true }),
  listInvoices: read('/invoices'),

  getPayment: read('/payments/{id}'),
  listPayments: read('/payments'),

  getEvent: read('/events/{id}'),
  listEvents: read('/events'),
  resendEvent: write('POST', '/events/{id}/resend'),

  createWebhookEndpoint: write('POST', '/webhook_endpoints'),
  getWebhookEndpoint: read('/webhook_endpoints/{id}'),
  updateWebhookEndpoint: write('PATCH', '/webhook_endpoints/{id}'),
  deleteWebhookEndpoint: write('DELETE', '/webhook_endpoints/{id}'),
  listWebhookEndpoints: read('/webhook_endpoints'),
  rollWebhookSecret: write('POST', '/webhook_endpoints/{id}/roll_secret'),
  testWebhookEndpoint: write('POST', '/webhook_endpoints/{id}/test', { keyed: false }),
  redeliverRange: write('POST', '/webhook_endpoints/{id}/redeliver'),
  listDeliveries: read('/webhook_endpoints/{id}/deliveries'),

  getDelivery: read('/deliveries/{id}'),
  redeliver: write('POST', '/deliveries/{id}/redeliver'),

  simulatePayment: write('POST', '/test/invoices/{id}/pay'),
  simulateReversal: write('POST', '/test/invoices/{id}/reverse'),
  simulateExpiry: write('POST', '/test/invoices/{id}/expire'),

  getPaymentPageStatus: page('/status'),
  getPaymentQrSvg: page('/qr.svg'),
  getPaymentQrPng: page('/qr.png'),
};
