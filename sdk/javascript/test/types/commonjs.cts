// What compiles for those who require.

import KashIO = require('kashio');

const api: KashIO.API = KashIO.authorize('sk_test_…');

async function main(): Promise<KashIO.Invoice> {
  const invoice: KashIO.Invoice = await api.invoices.create({ invoice_id: 'A-1', currency: 'PEN', amount: '20.00' });
  const event: KashIO.Event | KashIO.Ping = KashIO.webhooks.verify('', {}, 'whsec_…');
  if (event.type === 'invoice.paid') event.data.payment.paid_at.getTime();
  // @ts-expect-error: text has no arithmetic
  invoice.amount * 2;
  return invoice;
}

main().catch((error: unknown) => {
  if (error instanceof KashIO.APIError) console.error(error.status, error.code, error.params, error.requestId);
});
