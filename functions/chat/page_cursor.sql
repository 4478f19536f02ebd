-- chat.page_cursor: reads the cursor of api.list_conversations.
--
-- Takes    p_before: a time, or a time and a conversation id with a / between.
-- Returns  active_at and conversation_id, which is null where only a time is given; both null when it is neither.
create or replace function chat.page_cursor(
    p_before            text,
    out active_at       timestamptz,
    out conversation_id uuid
)
language plpgsql stable
as $$
declare
    v_time text := split_part(p_before, '/', 1);
    v_id   text := split_part(p_before, '/', 2);
begin
    if v_time !~ '^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-](0\d|1[0-5])(:?[0-5]\d)?)$'
       or p_before <> v_time and not (chat.is_uuid(v_id) and p_before = v_time || '/' || v_id) then
        return;
    end if;
    begin
        active_at := v_time::timestamptz;
    exception when datetime_field_overflow then
        -- No calendar has such a day, no clock such a time.
        return;
    end;
    conversation_id := nullif(v_id, '')::uuid;
end
$$;

comment on function chat.page_cursor is 'The time and conversation a page ends before; null when it is no cursor.';
