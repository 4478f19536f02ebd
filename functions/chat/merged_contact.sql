-- chat.merged_contact: merges two contacts, into the older one.
--
-- Returns  who is left.
create or replace function chat.merged_contact(p_one_id uuid, p_other_id uuid) returns uuid
language plpgsql volatile
as $$
declare
    v_ids uuid[] := array(
        select u.user_id from chat.users u
         where u.user_id in (p_one_id, p_other_id)
         order by u.created_at, u.user_id);
begin
    perform chat.merge_contacts(v_ids[1], v_ids[2]);
    return v_ids[1];
end
$$;

comment on function chat.merged_contact is 'Merge two contacts into the older one.';
