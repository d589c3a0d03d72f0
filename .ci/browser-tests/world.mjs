// The service that the pages come from: merchants create orders, the demo bank pays them.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

const HOUR = 3_600_000;

// A moment as the API writes it.
const moment = (ahead) => new Date(Date.now() + ahead).toISOString().slice(0, 19);

export class World {
  constructor(devJson) {
    this.dev = JSON.parse(readFileSync(devJson, 'utf8'));
    this.count = 0;
  }

  async call(url, key, method, body, headers = {}) {
    const answer = await fetch(url, {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
      body: body && JSON.stringify(body),
    });
    const text = await answer.text();
    assert.ok(answer.ok, `${method} ${new URL(url).pathname}: ${answer.status} ${text}`);
    return JSON.parse(text);
  }

  console(method, path, body) {
    const headers = { 'x-actor': 'navegador', 'x-reason': 'prueba' };
    return this.call(`${this.dev.internal_url}/internal/v1${path}`, this.dev.kcms_key, method, body, headers);
  }

  // Two places to pay in soles, one of them with a merchant's own words; a late fee.
  async furnish() {
    await this.console('PUT', '/channels/demo', { name: 'Banco Demo', open: true, reversal_days: 0 });
    await this.console('PUT', '/channels/agente', { name: 'Agente Rápido', open: true, reversal_days: 0 });
    const es = 'Diga que va a pagar a Tienda Demo.\nDicte el código de pago.\nPague en efectivo y guarde el voucher.';
    await this.console('PATCH', `/accounts/${this.dev.account}`, {
      name: 'Librería San Marcos',
      late_fee: { kind: 'fixed', amounts: { PEN: '3.50', USD: '1.00' } },
      collection_channels: [
        { channel: 'demo', agreement_number: '000001', currency: 'PEN' },
        { channel: 'agente', agreement_number: '2204', currency: 'PEN', instructions: { es } },
        { channel: 'demo', agreement_number: '000002', currency: 'USD' },
      ],
    });
    // Settings reach the service within two seconds.
    await new Promise((resolve) => setTimeout(resolve, 2_200));
  }

  async order(mode, more = {}) {
    this.count += 1;
    return this.call(`${this.dev.public_url}/v1/payments/invoices`, this.dev[`${mode}_key`], 'POST', {
      invoice_id: `PED-2026-${String(this.count).padStart(5, '0')}`,
      currency: 'PEN',
      amount: '1248.50',
      request_datetime: moment(0),
      expiration_datetime: moment(72 * HOUR),
      customer: { name: 'Juan Pérez Quispe', document_type: 'DNI', document_id: '10203040', email: 'juan@correo.pe' },
      url_success: 'https://tienda.example/gracias',
      url_error: 'https://tienda.example/carrito',
      ...more,
    });
  }

  late() {
    return this.order('live', { due_datetime: moment(-HOUR) });
  }

  async expired() {
    const order = await this.order('live', { expiration_datetime: moment(2_000) });
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    return order;
  }

  async voided() {
    const order = await this.order('live');
    await this.call(`${this.dev.public_url}/v1/payments/invoices/${order.id}`, this.dev.live_key, 'DELETE');
    return order;
  }

  // What the bank does when a payer has paid.
  async pay(order) {
    this.count += 1;
    const answer = await this.call(`${this.dev.internal_url}/internal/v1/collections/pay`, this.dev.collector_key, 'POST', {
      channel: 'demo',
      agreement: order.currency === 'USD' ? '000002' : '000001',
      ktin: order.ktin,
      operation_number: String(700_000 + this.count),
      operated_at: `${moment(0)}Z`,
      amount: order.amount,
      currency: order.currency,
      trace_id: `t-${this.count}`,
    });
    assert.equal(answer.result.code, 'ok');
    return order;
  }

  async paid() {
    return this.pay(await this.late());
  }
}
