-- A claim no longer moves a delivery in the index of what is due: it writes a column that no index holds, so that the
-- new row lies beside the old one and no index is touched (a heap-only update, for which each page keeps room).

alter table deliveries
    add column claimed_until timestamptz; -- while it is being sent: when anybody may claim it, should its sender die

-- What was delivered stays in the index of what is due until a vacuum, and every claim passes it.
alter table deliveries set (fillfactor = 45, autovacuum_vacuum_scale_factor = 0.02);

-- Workers of the edition before tell a claim by `next_at` alone. Until none is left, this keeps them from claiming what
-- a newer one is sending; what they claim themselves stays untouched.
create function deliveries_are_claimed_once() returns trigger language plpgsql as $$
begin
    return null;
end $$;

create trigger deliveries_are_claimed_once before update on deliveries
    for each row when (old.claimed_until > now() and new.attempt > old.attempt)
    execute function deliveries_are_claimed_once();
