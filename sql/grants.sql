-- Who may do what. Runs last in functions/install.sql, in the same transaction: nothing is ever open in between.

-- By default nobody: PostgreSQL lets everyone execute a new function, we do not.
revoke all on all tables in schema chat, api from public, parley_api, parley_user, parley_operator;
revoke all on all functions in schema chat, api from public, parley_api, parley_user, parley_operator;
revoke all on schema chat, api from public, parley_api, parley_user, parley_operator;
alter default privileges for role parley_owner revoke execute on functions from public;

-- Services: every function of the surface and the catalogue of codes, no table.
grant usage on schema api to parley_api, parley_user, parley_operator;
grant execute on all functions in schema api to parley_api;
grant select on api.error_codes to parley_api, parley_user, parley_operator;

-- End users behind PostgREST: what a person may do for themself.
grant execute on function
    api.get_user, api.block_user_atomic, api.unblock_user_atomic,
    api.create_conversation_atomic, api.get_conversation, api.list_conversations,
    api.update_conversation_atomic, api.close_conversation_atomic, api.reopen_conversation_atomic,
    api.create_help_request_atomic, api.close_help_request_atomic,
    api.add_members_atomic, api.remove_member_atomic, api.change_member_role_atomic, api.list_members,
    api.set_notification_preferences_atomic,
    api.send_message_atomic, api.send_messages_atomic, api.edit_message_atomic, api.delete_message_atomic,
    api.add_reaction_atomic, api.remove_reaction_atomic,
    api.mark_delivered_atomic, api.mark_read_atomic,
    api.list_messages, api.list_changes, api.get_message_status, api.search_messages,
    api.list_channels, api.list_threads, api.get_thread, api.list_thread_messages, api.mark_thread_read_atomic,
    api.assign_thread_atomic, api.open_thread_atomic, api.link_contact_atomic,
    api.retry_delivery_atomic,
    api.create_session_atomic, api.get_session, api.list_sessions, api.cancel_session_atomic,
    api.create_thread_atomic, api.get_assistant_thread, api.list_assistant_threads, api.list_assistant_messages,
    api.list_thread_items, api.delete_thread_atomic,
    api.create_run_atomic, api.cancel_run_atomic, api.get_run, api.list_runs,
    api.list_subscriptions, api.announce_typing, api.is_feature_enabled, api.export_user, api.must
to parley_user;

-- Operators: look at everything, change nothing.
grant usage on schema chat to parley_operator;
grant select on all tables in schema chat, api to parley_operator;
grant execute on function api.check_invariants to parley_operator;
