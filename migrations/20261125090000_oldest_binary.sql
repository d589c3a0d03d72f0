-- Which programs this schema still serves: those that know at least the migration of this number. A file that takes
-- something away (contract) raises it to the first one that could do without; all others leave it. A program that is
-- older is not ready.

create table schema_requirements (
    one_row       boolean not null default true, -- one row
    oldest_binary bigint  not null,              -- the newest migration that a program must know
    constraint schema_requirements_pkey primary key (one_row),
    constraint schema_requirements_one_row_check check (one_row)
);

insert into schema_requirements (oldest_binary) values (20261123090100);

revoke all on schema_requirements from kashio_app;
grant select on schema_requirements to kashio_app;
