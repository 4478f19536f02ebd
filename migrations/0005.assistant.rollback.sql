-- Cascades to functions that name these tables: code is reinstalled, data is gone.
set local role parley_owner;
drop function if exists api.upsert_channel_atomic(text, text, text, uuid, interval, uuid);
drop function if exists
    chat.append_message(uuid, uuid, text, text, text, text, jsonb, uuid, text, uuid[], uuid, boolean);
drop table chat.run_deltas cascade;
drop table chat.runs cascade;
drop table chat.attachments cascade;
drop table chat.thread_items cascade;
drop table chat.assistant_threads cascade;
drop table chat.sessions cascade;
drop domain chat.run_status;
alter table chat.users
    alter column created_at set default now(),
    alter column updated_at set default now();
alter table chat.threads drop column taken_over_at cascade;
alter table chat.channels drop column responder_id cascade;
alter table chat.limits
    drop column sessions_per_user cascade,
    drop column runs_per_minute cascade,
    drop column run_attempts cascade,
    drop column run_history cascade,
    drop column answer_characters cascade,
    drop column item_bytes cascade,
    drop column session_lifetime cascade,
    drop column run_lease cascade,
    drop column run_timeout cascade,
    drop column run_expiry cascade;
