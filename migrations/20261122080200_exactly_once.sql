-- Saved answers, so that a repeated request has one effect and one answer; and the numbers to pay by hand.

create table idempotency_keys (
    account_id uuid        not null,
    livemode   boolean     not null,
    key        text        not null, -- the caller's Idempotency-Key
    request    bytea       not null, -- SHA-256 of method, path and body
    created    timestamptz not null default now(), -- swept 30 days later
    status     smallint,             -- the saved answer; null only inside the transaction that makes it
    etag       text,
    location   text,
    body       bytea,
    constraint idempotency_keys_pkey primary key (account_id, livemode, key)
);

create index idempotency_keys_created_idx on idempotency_keys (created);

create table ktin_days (
    day             date   not null, -- in Lima
    next            bigint not null, -- the first counter that nobody has leased
    permutation_key bytea  not null, -- scatters the day's numbers; random, known to nobody outside
    constraint ktin_days_pkey primary key (day),
    constraint ktin_days_permutation_key_check check (length(permutation_key) = 16)
);
