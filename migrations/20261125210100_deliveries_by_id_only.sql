-- no-transaction
-- The sweep walks the primary key, whose ids hold the moment. A sweep of the edition before, which looked here, finds
-- the same rows, though slowly.
drop index concurrently if exists deliveries_created_idx;
