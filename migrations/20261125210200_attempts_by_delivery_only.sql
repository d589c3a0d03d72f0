-- no-transaction
-- As before for attempts: none is older than its delivery, whose id leads their key.
drop index concurrently if exists attempts_at_idx;
