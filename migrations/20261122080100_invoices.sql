-- Invoices (órdenes de pago), the payments for them, and the events that tell of both.

create table invoices (
    account_id       uuid        not null,
    livemode         boolean     not null,
    id               uuid        not null, -- UUIDv7 of its creation; lists order by it
    created          timestamptz not null,
    -- the order: never changes
    invoice_id       text        not null, -- the merchant's reference
    request_datetime timestamptz,          -- the merchant's clock, echoed
    customer         jsonb,                -- the payer: name, email, phone, document, external_id
    sub_merchant     json,                 -- verbatim
    url_success      text,                 -- where the payment page leads once paid
    url_error        text,                 -- where it leads otherwise
    metadata         json,                 -- verbatim
    size_qr          smallint    not null, -- pixels of the QR image
    ktin             bigint      not null, -- the number to pay by hand
    token            text        not null, -- opens the payment page
    late_fee_rule    jsonb       not null, -- the account's rule on the day of creation
    content          bytea       not null, -- SHA-256 of the create request, to tell a repeat from a conflict
    -- the terms: change while pending
    currency         text        not null, -- ISO 4217
    sub_total        bigint      not null, -- céntimos
    due              timestamptz,          -- late fees start after it
    expires          timestamptz not null, -- from this second on it can not be paid
    -- where it stands
    status           text        not null,
    version          integer     not null, -- 1 at creation, one more with each stored change
    paid_at          timestamptz,          -- the bank's time of the payment
    payment_id       uuid,                 -- the payment that stands
    late_fee         bigint,               -- céntimos, frozen by the payment
    constraint invoices_pkey primary key (account_id, livemode, id),
    constraint invoices_ktin_key unique (ktin),
    constraint invoices_token_key unique (token),
    constraint invoices_currency_check check (currency in ('PEN', 'USD')),
    constraint invoices_sub_total_check check (sub_total > 0),
    constraint invoices_status_check check (status in ('pending', 'paid', 'expired', 'voided')),
    constraint invoices_paid_facts_check check (
        (status = 'paid') = (paid_at is not null)
        and (status = 'paid') = (payment_id is not null)
        and (status = 'paid') = (late_fee is not null))
);

-- One open invoice per reference: the promise of "exactly once".
create unique index invoices_invoice_id_open_key on invoices (account_id, livemode, invoice_id)
    where status in ('pending', 'paid');

-- Every invoice a reference ever had, newest last.
create index invoices_invoice_id_idx on invoices (account_id, livemode, invoice_id, id);

-- Lists by state and currency walk this index in the order of ids, and stop at the page's end.
create index invoices_class_idx on invoices (account_id, livemode, status, currency, id);

-- Pending invoices by their expiration: the few that are past it count as expired before that is stored.
create index invoices_overdue_idx on invoices (account_id, livemode, expires, id) where status = 'pending';

-- The invoices of a payer, by his document.
create index invoices_document_idx on invoices (account_id, livemode, (customer->>'document_id'), id)
    where customer->>'document_id' is not null;

-- The invoices paid between two moments, by the bank's time.
create index invoices_paid_at_idx on invoices (account_id, livemode, paid_at, id) where status = 'paid';

-- The table of states once more, below everything that could go round the domain. Said the same way in
-- crates/domain/src/invoice/table.rs; a test compares the two.
create function invoices_table_of_states() returns trigger language plpgsql as $$
begin
    if new.status <> old.status and not (
        (old.status = 'pending' and new.status in ('paid', 'expired', 'voided'))
        or (old.status = 'expired' and new.status = 'paid')
        or (old.status = 'paid' and new.status in ('pending', 'expired'))
    ) then
        raise exception 'an invoice can not go from % to %', old.status, new.status
            using errcode = 'check_violation', constraint = 'invoices_table_of_states';
    end if;
    if new.status = old.status and old.status <> 'pending' then
        raise exception 'a % invoice can not be amended', old.status
            using errcode = 'check_violation', constraint = 'invoices_table_of_states';
    end if;
    if new.version <> old.version + 1 then
        raise exception 'version % does not follow %', new.version, old.version
            using errcode = 'check_violation', constraint = 'invoices_version_follows';
    end if;
    if (new.account_id, new.livemode, new.id, new.created, new.invoice_id, new.size_qr, new.ktin, new.token, new.content)
        is distinct from
       (old.account_id, old.livemode, old.id, old.created, old.invoice_id, old.size_qr, old.ktin, old.token, old.content)
       or (new.request_datetime, new.customer, new.sub_merchant::text, new.url_success, new.url_error,
           new.metadata::text, new.late_fee_rule)
        is distinct from
       (old.request_datetime, old.customer, old.sub_merchant::text, old.url_success, old.url_error,
        old.metadata::text, old.late_fee_rule)
    then
        raise exception 'what was ordered never changes'
            using errcode = 'check_violation', constraint = 'invoices_order_is_final';
    end if;
    return new;
end $$;

create trigger invoices_table_of_states before update on invoices
    for each row execute function invoices_table_of_states();

create table payments (
    account_id       uuid        not null,
    livemode         boolean     not null,
    id               uuid        not null,
    invoice          uuid        not null, -- the invoice it was for
    amount           bigint      not null, -- céntimos
    currency         text        not null, -- ISO 4217
    channel          text        not null, -- the bank or agent that took the money
    operation_number text        not null, -- the channel's number of the operation
    paid_at          timestamptz not null, -- the bank's time
    received_at      timestamptz not null, -- when it was told to us
    status           text        not null,
    constraint payments_pkey primary key (account_id, livemode, id),
    constraint payments_invoice_fkey foreign key (account_id, livemode, invoice)
        references invoices (account_id, livemode, id),
    constraint payments_status_check check (status in ('applied', 'reversed')),
    constraint payments_amount_check check (amount > 0)
);

-- One payment stands per invoice.
create unique index payments_applied_key on payments (account_id, livemode, invoice) where status = 'applied';

create table events (
    account_id uuid        not null,
    livemode   boolean     not null,
    id         uuid        not null,
    position   bigint      generated always as identity, -- order of writing, taken behind the invoice's lock
    created    timestamptz not null,
    type       text        not null, -- invoice.created, …
    invoice    uuid        not null,
    facts      jsonb       not null, -- what could change about the invoice, as it was just after
    payment    uuid,                 -- the money, where there is some
    constraint events_pkey primary key (account_id, livemode, id)
);

-- The changes of one invoice, in their order.
create index events_invoice_idx on events (account_id, livemode, invoice, position);
