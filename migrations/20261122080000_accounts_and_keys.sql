-- Who may call: merchants' accounts and their API keys.

create table accounts (
    id                         uuid        not null,
    name                       text        not null, -- what payers see
    legal_name                 text,                 -- razón social
    tax_id                     text,                 -- RUC, 11 digits
    version_pin                text,                 -- API version of callers that name none; null: the default
    default_expiration_seconds bigint      not null default 86400, -- life of an invoice that names no expiration
    customer_required          boolean     not null default false, -- refuse invoices without customer
    late_fee                   jsonb       not null default '{"kind": "none"}', -- rule copied into each new invoice
    live_enabled               boolean     not null default false, -- whether live keys are accepted
    disabled_at                timestamptz,          -- since when its keys are refused; invoices can still be paid
    created                    timestamptz not null default now(),
    changed_at                 timestamptz not null default now(), -- replicas ask what changed lately
    constraint accounts_pkey primary key (id),
    constraint accounts_default_expiration_check check (default_expiration_seconds between 1 and 31622400)
);

create index accounts_changed_at_idx on accounts (changed_at);

create table api_keys (
    account_id   uuid        not null,
    livemode     boolean     not null, -- the mode of every request made with it
    id           uuid        not null,
    public_id    text        not null, -- the 12 characters that name it; no secret
    name         text        not null,
    phc          text        not null, -- argon2id of the whole key (PHC string); the key itself is nowhere
    hash_version smallint    not null, -- which parameters made the phc
    scopes       text[],               -- what it may do; null: everything
    prefix       text        not null, -- what consoles show of it: its beginning …
    last4        text        not null, -- … and its end
    created      timestamptz not null default now(),
    last_used_at timestamptz,          -- to the minute, written off the request path
    expires_at   timestamptz,          -- refused from then on
    revoked_at   timestamptz,          -- refused since then
    changed_at   timestamptz not null default now(), -- replicas ask what changed lately
    constraint api_keys_pkey primary key (account_id, livemode, id),
    constraint api_keys_public_id_key unique (public_id),
    constraint api_keys_account_fkey foreign key (account_id) references accounts (id)
);

create index api_keys_changed_at_idx on api_keys (changed_at);
