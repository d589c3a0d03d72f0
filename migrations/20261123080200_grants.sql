-- The program works as role kashio_app, which owns nothing: it reads and writes rows, the audit log it only adds to,
-- and the list of migrations it only reads. Tables of later files are granted by the default privileges below.
-- An operator may have made the role before; whoever migrates without the right to make roles must.

do $$
begin
    create role kashio_app nologin;
exception
    -- Roles belong to the whole cluster: another database's migration may have made it, even just now.
    when duplicate_object or unique_violation then null;
    when insufficient_privilege then
        if not exists (select from pg_roles where rolname = 'kashio_app') then
            raise exception 'role kashio_app does not exist; create it first (docs/operations.md)';
        end if;
end $$;

grant usage on schema public to kashio_app;
grant select, insert, update, delete on all tables in schema public to kashio_app;
alter default privileges in schema public grant select, insert, update, delete on tables to kashio_app;

revoke all on audit_log from kashio_app;
grant select, insert on audit_log to kashio_app;

revoke all on _sqlx_migrations from kashio_app;
grant select on _sqlx_migrations to kashio_app;
