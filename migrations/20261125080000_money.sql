-- Money arrives: what banks ask and tell, what they were promised, and what became of the money.

create table channels (
    id            text        not null, -- such as bcp; one that is not here is open
    name          text        not null, -- as payers know it
    open          boolean     not null, -- false: inquire and pay are refused, unless cash was taken; reverse never
    reversal_days integer     not null, -- for so many Lima days after its own a payment can be reversed by hand
    created       timestamptz not null default now(),
    changed_at    timestamptz not null default now(),
    constraint channels_pkey primary key (id),
    constraint channels_reversal_days_check check (reversal_days between 0 and 365)
);

-- Our number of an operation, 9 digits, as banks print it. Used again only after 900 million.
create sequence collection_numbers minvalue 100000000 maxvalue 999999999 cycle;
grant usage on sequence collection_numbers to kashio_app;

-- Every message of a bank, in the order of arrival, with its answer. Only ever added to, but for `is_judged`.
-- A small look-up for tenancy: it points at (account, mode, invoice).
create table collections (
    id               uuid        not null, -- UUIDv7
    livemode         boolean     not null, -- false: a merchant's test, by the same path
    verb             text        not null, -- inquire, pay, reverse
    channel          text        not null, -- who spoke
    received_at      timestamptz not null, -- the database's time of the answer
    code             text        not null, -- the result
    body             bytea       not null, -- the answer, to the byte
    is_judged        boolean     not null, -- it holds its key: the same message again is answered the same
    fault            text,                 -- what was wrong with the message, or worth a look
    agreement        text,                 -- what follows is what it said, as far as it could be read
    ktin             bigint,
    day              date,                 -- Lima day of operated_at; of a reversal: of the payment's
    operation_number text,
    operated_at      timestamptz,          -- the bank's time; of a reversal: of the payment
    amount           bigint,               -- céntimos
    currency         text,
    payment_form     text,                 -- how the payer paid, in the bank's words
    cash_taken       boolean,              -- the bank had the money already
    kind             text,                 -- of a reversal: automatic, manual
    original_number  text,                 -- of a reversal: the payment's operation number
    trace_id         text,                 -- the bank's own id of the message
    number           bigint,               -- our number of the operation
    account_id       uuid,                 -- whose invoice it was about
    invoice          uuid,
    payment          uuid,                 -- the money that it brought or took back
    quote            uuid,                 -- what it was told, or which promise it used
    constraint collections_pkey primary key (id),
    constraint collections_verb_check check (verb in ('inquire', 'pay', 'reverse')),
    constraint collections_kind_check check ((verb = 'reverse') or kind is null),
    constraint collections_amount_check check (amount > 0),
    constraint collections_judged_check check (not is_judged
        or (agreement is not null and ktin is not null and day is not null and operation_number is not null))
);

-- The promise of exactly once to banks.
create unique index collections_key on collections (channel, agreement, day, operation_number, ktin, verb)
    where is_judged;

-- What was said about an invoice: looked at behind its lock.
create index collections_ktin_idx on collections (ktin, id);

-- Support finds an operation by the bank's number.
create index collections_operation_number_idx on collections (operation_number);

create table quotes (
    account_id uuid        not null,
    livemode   boolean     not null,
    id         uuid        not null, -- UUIDv7
    invoice    uuid        not null,
    channel    text        not null, -- who was told
    agreement  text        not null,
    currency   text        not null, -- ISO 4217
    sub_total  bigint      not null, -- céntimos
    late_fee   bigint      not null, -- céntimos
    fees       bigint      not null, -- céntimos
    created    timestamptz not null,
    expires    timestamptz not null, -- honoured until then, whatever becomes of the invoice
    constraint quotes_pkey primary key (account_id, livemode, id),
    constraint quotes_amount_check check (sub_total > 0 and late_fee >= 0 and fees >= 0)
);

create index quotes_invoice_idx on quotes (account_id, livemode, invoice, id);

alter table payments
    add column ktin               bigint, -- the number that was paid, as the payer named it
    add column reason             text,   -- why it pays nothing, or was given back
    add column replaced_currency  text,   -- what the invoice asked for before a quote was honoured …
    add column replaced_sub_total bigint, -- … and does again should the payment be taken back
    drop constraint payments_status_check,
    add constraint payments_status_check
        check (status in ('applied', 'unapplied', 'reversed', 'returned')) not valid,
    add constraint payments_reason_check
        check ((status in ('unapplied', 'returned')) = (reason is not null)) not valid,
    add constraint payments_replaced_check
        check ((replaced_currency is null) = (replaced_sub_total is null)) not valid;

-- Lists by the bank's time, and the money of one invoice. There are no payments yet to be indexed.
create index payments_paid_at_idx on payments (account_id, livemode, paid_at, id);
create index payments_invoice_idx on payments (account_id, livemode, invoice, id);
create index payments_unapplied_idx on payments (account_id, livemode, id) where status = 'unapplied';
create index payments_operation_number_idx on payments (account_id, livemode, operation_number, id);

-- What may become of money, said the same way in crates/domain/src/payment.rs.
create function payments_table_of_states() returns trigger language plpgsql as $$
begin
    if new.status <> old.status and not (
        (old.status = 'applied' and new.status = 'reversed')
        or (old.status = 'unapplied' and new.status in ('applied', 'reversed', 'returned'))
    ) then
        raise exception 'a payment can not go from % to %', old.status, new.status
            using errcode = 'check_violation', constraint = 'payments_table_of_states';
    end if;
    if (new.account_id, new.livemode, new.id, new.amount, new.currency, new.channel, new.operation_number,
        new.paid_at, new.received_at)
        is distinct from
       (old.account_id, old.livemode, old.id, old.amount, old.currency, old.channel, old.operation_number,
        old.paid_at, old.received_at)
       or (new.invoice <> old.invoice and not (old.status = 'unapplied' and new.status = 'applied'))
    then
        raise exception 'what a bank took never changes'
            using errcode = 'check_violation', constraint = 'payments_money_is_final';
    end if;
    return new;
end $$;

create trigger payments_table_of_states before update on payments
    for each row execute function payments_table_of_states();

-- Two people decide about unapplied money: what the first one wants.
create table payment_proposals (
    account_id uuid        not null,
    livemode   boolean     not null,
    payment    uuid        not null,
    verb       text        not null, -- apply, return
    invoice    uuid,                 -- apply: to which
    reason     text,                 -- return: why
    actor      text        not null, -- the operator who wants it
    created    timestamptz not null, -- it lapses 24 hours later
    constraint payment_proposals_pkey primary key (account_id, livemode, payment, verb),
    constraint payment_proposals_verb_check check (
        (verb = 'apply' and invoice is not null and reason is null)
        or (verb = 'return' and invoice is null and reason is not null))
);

alter table events
    add column payment_facts jsonb; -- what had become of the money just after
