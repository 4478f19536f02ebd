-- The four roles of Parley. Cluster-wide, so kept apart from the migrations; safe to run again.
-- Needs CREATEROLE once. All four are groups without login: grant them to the roles people and
-- programs log in with.
--
--   parley_owner     owns schemas api and chat and everything in them; nobody logs in as it
--   parley_api       trusted services (the thin layer): executes api functions, for any actor
--   parley_user      end users behind PostgREST: executes the user-facing functions, only as the
--                    person named by request.jwt.claims
--   parley_operator  people who watch: reads every table, checks the invariants, changes nothing
do $$
declare
    v_role text;
begin
    foreach v_role in array array['parley_owner', 'parley_api', 'parley_user', 'parley_operator'] loop
        if not exists (select from pg_catalog.pg_roles r where r.rolname = v_role) then
            execute pg_catalog.format('create role %I nologin', v_role);
        end if;
    end loop;
    -- Whoever installs must be able to become the owner, and may act as a service: that gives nothing an
    -- owner lacks. A superuser already can; since PostgreSQL 16 creating a role does not suffice.
    foreach v_role in array array['parley_owner', 'parley_api'] loop
        if not pg_catalog.pg_has_role(
            current_user, v_role,
            case when pg_catalog.current_setting('server_version_num')::int >= 160000 then 'set' else 'member' end)
        then
            execute pg_catalog.format('grant %I to %I', v_role, current_user);
        end if;
    end loop;
end
$$;
