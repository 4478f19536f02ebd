-- chat.window_closes_at: until when anything may be said to the contact of a thread; later only templates.
--
-- Returns  infinity where the channel has no window; null when the contact has not written yet.
create or replace function chat.window_closes_at(p_thread chat.threads) returns timestamptz
language sql stable
as $$
    select case when c.reply_window is null then 'infinity' else p_thread.last_inbound_at + c.reply_window end
      from chat.channels c
     where c.channel_id = p_thread.channel_id
$$;

comment on function chat.window_closes_at is 'Until when a contact may be told anything.';
