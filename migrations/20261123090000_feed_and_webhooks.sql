-- The feed: committed events get their dense number, and the webhooks that tell of them.

alter table events
    alter column invoice drop not null,         -- an endpoint's event has none
    add column endpoint    uuid,                -- the webhook endpoint that it is about
    add column api_version text,                -- the account's version when it was made: webhooks are written in it
    add column sequence    bigint,              -- 1, 2, 3 … per account and mode, given after commit; null: not told yet
    add column round       integer not null default 0, -- how often it was sent again to everybody
    add column endpoints   integer not null default 0, -- deliveries of this round …
    add column undelivered integer not null default 0, -- … that are still to succeed
    add column exhausted   integer not null default 0, -- … that have failed for good
    add column status      text    not null default 'new',
    add constraint events_subject_check check ((invoice is null) <> (endpoint is null)) not valid,
    add constraint events_status_check check (status = case
        when exhausted > 0 then 'failed'
        when endpoints > 0 and undelivered = 0 then 'notified'
        else 'new' end) not valid;

-- The events that have no number yet, in the order in which they get it.
create index events_unnumbered_idx on events (position) where sequence is null;

create unique index events_sequence_key on events (account_id, livemode, sequence) where sequence is not null;

-- Most events say that an invoice was created, or wait for no endpoint: those are found on the way.
create index events_type_idx on events (account_id, livemode, type, id) where type <> 'invoice.created';
create index events_notified_idx on events (account_id, livemode, id) where status = 'notified';
create index events_failed_idx on events (account_id, livemode, id) where status = 'failed';

create table event_heads (
    account_id uuid    not null,
    livemode   boolean not null,
    sequence   bigint  not null, -- the newest number
    swept      bigint  not null default 0, -- numbers up to this one are kept no more
    constraint event_heads_pkey primary key (account_id, livemode)
);

create table webhook_endpoints (
    account_id      uuid        not null,
    livemode        boolean     not null,
    id              uuid        not null,
    url             text        not null,
    events          text[],               -- the types that it wants; null: all, also those that are yet to come
    description     text,
    enabled         boolean     not null default true,
    disabled_reason text,                 -- why it was switched off, when its owner did not do it
    secret          bytea       not null, -- sealed: AES-256-GCM, the endpoint's id as associated data
    previous_secret bytea,                -- the one before, sealed; signs too …
    previous_until  timestamptz,          -- … until then
    created         timestamptz not null,
    failing_since   timestamptz,          -- the first failed attempt since the last good one
    failures        integer     not null default 0, -- failed attempts since then
    succeeded_at    timestamptz,          -- the last good attempt
    deleted_at      timestamptz,          -- gone for everybody; its deliveries are kept their time
    constraint webhook_endpoints_pkey primary key (account_id, livemode, id)
);

create table deliveries (
    account_id uuid        not null,
    livemode   boolean     not null,
    id         uuid        not null,
    endpoint   uuid        not null,
    event      uuid,                 -- null: a ping
    round      integer     not null, -- of the event; counts in its status only while it is the newest
    created    timestamptz not null,
    status     text        not null, -- pending, delivered, failed, cancelled
    attempt    integer     not null default 0, -- attempts that were begun: the fence of whoever finishes one
    begun      integer     not null default 0, -- attempts before the schedule was begun anew
    next_at    timestamptz not null, -- when it is due; while it is being sent: when it is due again should its sender die
    finished   timestamptz,
    constraint deliveries_pkey primary key (account_id, livemode, id),
    constraint deliveries_status_check check (status in ('pending', 'delivered', 'failed', 'cancelled')),
    constraint deliveries_finished_check check ((status = 'pending') = (finished is null)),
    constraint deliveries_endpoint_fkey foreign key (account_id, livemode, endpoint)
        references webhook_endpoints (account_id, livemode, id)
);

-- What waits for each endpoint, the longest due first.
create index deliveries_due_idx on deliveries (account_id, livemode, endpoint, next_at) where status = 'pending';
create index deliveries_endpoint_idx on deliveries (account_id, livemode, endpoint, id);
create index deliveries_event_idx on deliveries (account_id, livemode, event, endpoint);

create table attempts (
    account_id  uuid        not null,
    livemode    boolean     not null,
    delivery    uuid        not null,
    number      integer     not null, -- 1, 2, 3 …
    at          timestamptz not null, -- when it was begun
    duration_ms integer     not null,
    status      smallint,             -- of the receiver's answer; null: there was none
    error       text,                 -- why there was none, in words for the merchant
    answer      bytea,                -- the first KiB of it
    constraint attempts_pkey primary key (account_id, livemode, delivery, number)
);

create index attempts_at_idx on attempts (at);
create index deliveries_created_idx on deliveries (created);
