-- Who did what: every internal write and every security event, in a chain of hashes per account. Rows are only
-- ever added: a trigger says so to everybody, the grants of the next file to the program.

create table audit_log (
    chain       uuid        not null, -- the account; all zeros: the chain `system`
    sequence    bigint      not null, -- 1, 2, 3 … in its chain
    id          uuid        not null, -- UUIDv7; readers go by it
    at          timestamptz not null, -- a whole second
    action      text        not null, -- what was done or seen, such as key.revoked
    object      text,                 -- the id of what it was done to
    actor       text,                 -- who did it: X-Actor
    reason      text,                 -- why: X-Reason
    service_key text,                 -- the key that the request came with
    request_id  text,                 -- the request, as its answer named it
    address     text,                 -- where a security event came from
    details     text,                 -- JSON: what changed, from what to what
    hash        bytea       not null, -- SHA-256 over the previous row's hash and this row
    constraint audit_log_pkey primary key (chain, sequence),
    constraint audit_log_id_key unique (id),
    constraint audit_log_hash_check check (length(hash) = 32)
);

create index audit_log_object_idx on audit_log (object, id);
create index audit_log_actor_idx on audit_log (actor, id);

-- A security event is written once a minute per key, address and kind.
create index audit_log_seen_idx on audit_log (object, address, action, at) where address is not null;

create table audit_heads (
    chain uuid   not null,
    count bigint not null, -- rows of the chain
    hash  bytea  not null, -- of its newest row
    constraint audit_heads_pkey primary key (chain)
);

create function audit_log_is_only_added_to() returns trigger language plpgsql as $$
begin
    raise exception 'the audit log is only added to'
        using errcode = 'insufficient_privilege', constraint = 'audit_log_is_only_added_to';
end $$;

create trigger audit_log_is_only_added_to before update or delete on audit_log
    for each row execute function audit_log_is_only_added_to();

create trigger audit_log_is_not_emptied before truncate on audit_log
    for each statement execute function audit_log_is_only_added_to();
