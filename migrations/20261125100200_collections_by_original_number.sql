-- no-transaction
-- A reversal that came before its payment is found by the number that the payer has on his slip.
create index concurrently if not exists collections_original_number_idx
    on collections (original_number) where original_number is not null;
