-- A rolled key names the one that came after it.
alter table api_keys add column replaced_by uuid; -- the key that takes over while both are accepted
