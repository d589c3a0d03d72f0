'use strict';

// The page that a payer sees, for those who show it in their own way. It is opened by an invoice's token; no key is sent.

const { classes: { ArgumentError } } = require('../errors');
const operations = require('../operations');
const { Resource } = require('./resource');

class PaymentPage extends Resource {
  async status(token, options) {
    return this.call(operations.getPaymentPageStatus, { id: checked(token), options });
  }

  /** @returns {Promise<string>} an SVG image */
  async qrSvg(token, options) {
    return this.call(operations.getPaymentQrSvg, { id: checked(token), accept: 'image/svg+xml', options });
  }

  /** @param {{ size?: number }} [image] pixels, 100 to 1000 @returns {Promise<Buffer>} a PNG image */
  async qrPng(token, image, options) {
    return this.call(operations.getPaymentQrPng, { id: checked(token), query: image, accept: 'image/png', options });
  }
}

function checked(token) {
  if (typeof token === 'string' && /^[0-9A-Za-z]+$/.test(token)) return token;
  throw new ArgumentError('token', "This takes an invoice's token.");
}

module.exports = { PaymentPage };
