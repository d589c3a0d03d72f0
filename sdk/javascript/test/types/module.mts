// What compiles for those who import, and, where it says so, what does not.

import KashIO, { APIError, authorize, webhooks, ConflictError } from 'kashio';
import type { Event, Invoice, NewInvoice, Page } from 'kashio';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;
const holds = <_ extends true>() => undefined;

const api = authorize('sk_test_…', { baseUrl: 'http://127.0.0.1:8080', timeout: 30_000, fetch });
holds<Same<typeof authorize, typeof KashIO.authorize>>();
holds<Same<typeof api, KashIO.API>>();

const order: NewInvoice = { invoice_id: 'A-1', currency: 'PEN', amount: '20.00', due_datetime: new Date() };
const invoice = await api.invoices.create(order, { idempotencyKey: 'one', signal: AbortSignal.timeout(1_000), timeout: 1 });
holds<Same<typeof invoice, Invoice>>();
holds<Same<typeof invoice.amount, string>>();
holds<Same<typeof invoice.created, Date>>();
holds<Same<typeof invoice.paid_at, Date | undefined>>();
await api.invoices.create({ invoice: { external_id: 'A-1', total: { currency: 'usd', value: '1.00' } } });
await api.invoices.update(invoice.id, { ...invoice, amount: '21.00' }, { ifMatch: invoice.version });
await api.invoices.update(invoice.id, { due_datetime: null }, { ifMatch: '"2"' });

// @ts-expect-error: a number is no amount
await api.invoices.create({ ...order, amount: 20 });
// @ts-expect-error: a currency that we do not collect
await api.invoices.create({ ...order, currency: 'EUR' });
// @ts-expect-error: nothing says what it is for
await api.invoices.create({ currency: 'PEN', amount: '20.00' });
// @ts-expect-error: reads are not repeated by a key
await api.invoices.get(invoice.id, { idempotencyKey: 'one' });
// @ts-expect-error: a moment is no day
api.invoices.list({ date: new Date() });
// @ts-expect-error: a typing error
authorize('sk_test_…', { baseURL: 'http://127.0.0.1:8080' });

const list = api.invoices.list({ status: ['pending', 'paid'], created: { gte: new Date(0) }, 'customer.document_id': '10203040' });
for await (const one of list) holds<Same<typeof one, Invoice>>();
const page = await list;
holds<Same<typeof page, Page<Invoice>>>();

for await (const event of api.events.list({ after: 0, wait: 30, type: 'invoice.paid' })) told(event);

const paid = await api.test.pay(invoice.id, { paid_at: new Date(), cash_taken: true });
if (paid.result.code === 'ok') holds<Same<typeof paid.status, Invoice['status']>>();

const { secret } = await api.webhookEndpoints.create({ url: 'https://tienda.example/', events: ['invoice.paid'] });
holds<Same<typeof secret, string>>();

function told(event: Event): string {
  switch (event.type) {
    case 'invoice.paid': return event.data.invoice.amount + event.data.payment.operation_number;
    case 'webhook_endpoint.disabled': return event.data.endpoint.url;
    // @ts-expect-error: it has no payment
    case 'invoice.created': return event.data.payment.id;
    default: return event.id;
  }
}

const event = webhooks.verify(Buffer.from(''), new Headers(), [secret], { tolerance: 300, now: Date.now() });
if (event.type !== 'ping') told(event);

const request = { headers: {} } as import('node:http').IncomingMessage;
webhooks.verify('', request.headers, secret);

try {
  await api.account.get();
} catch (error) {
  if (error instanceof ConflictError) holds<Same<typeof error.params, string[]>>();
  if (error instanceof APIError) holds<Same<typeof error.requestId, string | undefined>>();
  if (error instanceof KashIO.ConnectionError) holds<Same<typeof error.code, string>>();
}
