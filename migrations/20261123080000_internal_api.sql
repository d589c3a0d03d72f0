-- What the console manages: settings of accounts, restrictions of keys, the keys of services.

alter table accounts
    add column rate_per_second      integer, -- requests a second, per mode and replica; null: the default; 0: no limit
    add column rate_burst           integer, -- how many may come at once; null as rate_per_second is
    add column collection_channels  jsonb not null default '[]', -- where its payers can pay: channel, agreement, currency
    add constraint accounts_rate_check check (
        (rate_per_second is null) = (rate_burst is null) and rate_per_second >= 0 and rate_burst >= 0);

alter table api_keys
    add column ip_allow text[]; -- networks that it may be used from; null: any

create table service_keys (
    id           uuid        not null,
    public_id    text        not null, -- the 12 characters that name it; no secret
    name         text        not null,
    role         text        not null, -- kcms: the console; collector: a bank's connector
    channel      text,                 -- the only channel that a collector speaks for
    phc          text        not null, -- argon2id of the whole key (PHC string); the key itself is nowhere
    hash_version smallint    not null, -- which parameters made the phc
    prefix       text        not null, -- what consoles show of it: its beginning …
    last4        text        not null, -- … and its end
    created      timestamptz not null default now(),
    last_used_at timestamptz,          -- to the minute, written off the request path
    expires_at   timestamptz,          -- refused from then on
    revoked_at   timestamptz,          -- refused since then
    replaced_by  uuid,                 -- the key that takes over while both are accepted
    changed_at   timestamptz not null default now(), -- replicas ask what changed lately
    constraint service_keys_pkey primary key (id),
    constraint service_keys_public_id_key unique (public_id),
    constraint service_keys_role_check check (role in ('kcms', 'collector')),
    constraint service_keys_channel_check check ((role = 'collector') = (channel is not null))
);

create index service_keys_changed_at_idx on service_keys (changed_at);
