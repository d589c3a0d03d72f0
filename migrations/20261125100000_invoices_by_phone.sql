-- no-transaction
-- Support finds a payer's invoices by the phone that the merchant gave for him.
create index concurrently if not exists invoices_phone_idx
    on invoices (account_id, livemode, (customer->>'phone'), id) where customer->>'phone' is not null;
