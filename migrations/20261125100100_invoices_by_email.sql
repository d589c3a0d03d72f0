-- no-transaction
-- … or by his e-mail, in any case.
create index concurrently if not exists invoices_email_idx
    on invoices (account_id, livemode, lower(customer->>'email'), id) where customer->>'email' is not null;
