-- All code of Parley, reinstalled whole in one transaction:
--
--     psql -v ON_ERROR_STOP=1 -1 -f functions/install.sql
--
-- which is also what `parley migrate` runs after the migrations. Replacing functions is safe under traffic:
-- create or replace keeps their identity and grants. A function that goes away, or whose arguments change after a
-- release, is dropped by a migration. Only \ir is used of psql's own commands.
set local role parley_owner;
set local plpgsql.extra_errors = 'all';

-- The catalogue of refusals, and the two results every function has.
\ir api/error_codes.sql
\ir chat/ok.sql
\ir chat/fail.sql
\ir chat/invalid.sql
\ir chat/oversized.sql

-- Ids.
\ir chat/is_uuid.sql
\ir chat/new_id.sql
\ir chat/derived_id.sql
\ir chat/digest.sql
\ir chat/direct_key.sql

-- Who acts, and whether they may.
\ir chat/is_trusted.sql
\ir chat/is_service.sql
\ir chat/subject.sql
\ir chat/actor.sql
\ir chat/service_refusal.sql
\ir chat/self_refusal.sql
\ir chat/is_agent.sql
\ir chat/resolved_contact.sql
\ir chat/resolved_conversation.sql
\ir chat/desk_conversation.sql
\ir chat/outsider.sql
\ir chat/reader.sql
\ir chat/participant.sql
\ir chat/manager_refusal.sql
\ir chat/lock_subject.sql

-- What needs no lock to be refused.
\ir chat/text_refusal.sql
\ir chat/metadata_refusal.sql
\ir chat/page_refusal.sql
\ir chat/page_cursor.sql
\ir chat/member_ids_refusal.sql
\ir chat/message_refusal.sql
\ir chat/send_item_problem.sql
\ir chat/creation_refusal.sql

-- Locks, always taken in this order: users, joining, members, conversations.
\ir chat/lock_users.sql
\ir chat/lock_pair.sql
\ir chat/lock_members.sql
\ir chat/joining_lock.sql
\ir chat/lock_groups.sql
\ir chat/lock_conversation.sql
\ir chat/lock_inbox.sql
\ir chat/lock_thread.sql
\ir chat/lock_history.sql

-- Rows as callers see them.
\ir chat/user_json.sql
\ir chat/reactions_json.sql
\ir chat/message_json.sql
\ir chat/conversation_json.sql
\ir chat/unread.sql
\ir chat/unread_count.sql
\ir chat/listed_conversation.sql
\ir chat/help_request_json.sql
\ir chat/message_frame.sql
\ir chat/message_event.sql
\ir chat/skip_frame.sql
\ir chat/change_frame.sql

-- Events: the outbox and its doorbell.
\ir chat/doorbell.sql
\ir chat/listener_lock_class.sql
\ir chat/event_lines.sql
\ir chat/ring_content.sql
\ir chat/publish.sql
\ir chat/events_since.sql
\ir chat/confirm_fetch.sql

-- Writing to the log.
\ir chat/append_message.sql
\ir chat/append_change.sql
\ir chat/append_member_event.sql

-- People.
\ir api/people/upsert_tenant_atomic.sql
\ir api/people/upsert_user_atomic.sql
\ir api/people/get_user.sql
\ir api/people/block_user_atomic.sql
\ir api/people/unblock_user_atomic.sql
\ir chat/has_other_owner.sql
\ir chat/end_membership.sql
\ir chat/retire_user.sql
\ir api/people/deactivate_user_atomic.sql

-- Conversations: opened once, listed by activity, closed and reopened.
\ir chat/created_conversation.sql
\ir chat/existing_conversation.sql
\ir api/conversations/create_conversation_atomic.sql
\ir api/conversations/create_help_request_atomic.sql
\ir api/conversations/close_help_request_atomic.sql
\ir api/conversations/get_conversation.sql
\ir api/conversations/list_conversations.sql
\ir chat/changed_conversation.sql
\ir api/conversations/update_conversation_atomic.sql
\ir chat/set_closed.sql
\ir api/conversations/close_conversation_atomic.sql
\ir api/conversations/reopen_conversation_atomic.sql

-- Members: in, out, roles, preferences.
\ir api/members/add_members_atomic.sql
\ir api/members/remove_member_atomic.sql
\ir api/members/change_member_role_atomic.sql
\ir api/members/list_members.sql
\ir api/members/set_notification_preferences_atomic.sql

-- Messages: sent, changed, read, found.
\ir chat/is_blocked_pair.sql
\ir chat/excluded_members.sql
\ir chat/blind_members.sql
\ir chat/original_content.sql
\ir chat/original_metadata.sql
\ir chat/replayed.sql
\ir chat/source_refusal.sql
\ir chat/window_closes_at.sql
\ir chat/window_refusal.sql
\ir chat/write_to_contact.sql
\ir chat/send_to_contact.sql
\ir chat/holds_agent.sql
\ir api/messages/send_message_atomic.sql
\ir api/messages/send_messages_atomic.sql
\ir chat/target_message.sql
\ir chat/changed_message.sql
\ir chat/withdraw_message.sql
\ir chat/reword_item.sql
\ir api/messages/edit_message_atomic.sql
\ir api/messages/delete_message_atomic.sql
\ir api/messages/add_reaction_atomic.sql
\ir api/messages/remove_reaction_atomic.sql
\ir chat/advance_watermarks.sql
\ir api/messages/mark_delivered_atomic.sql
\ir api/messages/mark_read_atomic.sql
\ir api/messages/list_messages.sql
\ir api/messages/list_changes.sql
\ir api/messages/message_status.sql
\ir api/messages/get_message_status.sql
\ir api/messages/search_messages.sql

-- The inbox: contacts by what they are known by outside, each with one thread.
\ir chat/lock_names.sql
\ir chat/contact_key.sql
\ir chat/refresh_key.sql
\ir chat/open_thread.sql
\ir chat/learn_identities.sql
\ir chat/new_contact.sql
\ir chat/join_desk.sql
\ir chat/contact_json.sql
\ir chat/thread_unread.sql

-- The inbox: two contacts that turn out to be one.
\ir chat/renumber_log.sql
\ir chat/merge_threads.sql
\ir chat/merge_contacts.sql
\ir chat/identity_refusal.sql
\ir chat/identified_contacts.sql
\ir api/inbox/link_contact_atomic.sql

-- The inbox: its desk.
\ir chat/agent.sql
\ir chat/thread_id.sql
\ir chat/thread_reader.sql
\ir chat/thread_json.sql
\ir chat/thread_result.sql
\ir chat/desk_page.sql
\ir chat/mark_thread.sql
\ir api/inbox/set_desk_atomic.sql
\ir api/inbox/list_threads.sql
\ir api/inbox/get_thread.sql
\ir api/inbox/list_thread_messages.sql
\ir api/inbox/mark_thread_read_atomic.sql
\ir api/inbox/assign_thread_atomic.sql
\ir api/inbox/open_thread_atomic.sql

-- The inbox: what goes out. A worker claims deliveries, calls the provider, settles them; the provider tells the rest.
\ir chat/delivery_rank.sql
\ir chat/delivery_json.sql
\ir chat/announce_delivery.sql
\ir chat/advance_delivery.sql
\ir chat/lock_delivery.sql
\ir chat/identify_message.sql
\ir chat/apply_status.sql
\ir chat/delivery_problem.sql
\ir chat/delivery_pause.sql
\ir chat/claimed_delivery.sql
\ir api/inbox/claim_deliveries.sql
\ir api/inbox/settle_delivery_atomic.sql
\ir api/inbox/retry_delivery_atomic.sql
\ir api/inbox/record_delivery_status_atomic.sql

-- The inbox: what comes in. Locked as a whole, then event by event; what comes before its time is parked.
\ir chat/channel_for.sql
\ir chat/channel_json.sql
\ir api/inbox/upsert_channel_atomic.sql
\ir api/inbox/list_channels.sql
\ir chat/is_time.sql
\ir chat/is_identities.sql
\ir chat/event_problem.sql
\ir chat/event_refusal.sql
\ir chat/event_targets.sql
\ir chat/lock_events.sql
\ir chat/is_same_contact.sql
\ir chat/merged_contact.sql
\ir chat/unified_contact.sql
\ir chat/recognised_contact.sql
\ir chat/resolve_contact.sql
\ir chat/park_event.sql
\ir chat/apply_parked.sql
\ir chat/fitted_metadata.sql
\ir chat/known_message.sql
\ir chat/receive_reply.sql
\ir chat/receive_original.sql
\ir chat/receive_said.sql
\ir chat/receive_edit.sql
\ir chat/receive_revocation.sql
\ir chat/receive_reaction.sql
\ir chat/receive_system.sql
\ir chat/receive_event.sql
\ir api/inbox/receive_message_atomic.sql
\ir chat/webhook_digest.sql
\ir api/inbox/receive_webhooks_atomic.sql
\ir api/inbox/park_webhook_atomic.sql

-- The inbox: who answers: a bot, until a person takes over.
\ir chat/is_question.sql
\ir chat/ask_responder.sql
\ir chat/answer_contact.sql

-- The inbox: what was kept elsewhere before.
\ir chat/import_refusal.sql
\ir chat/imported_contact.sql
\ir chat/import_messages.sql
\ir api/inbox/import_thread_atomic.sql

-- The assistant: sessions give leave to talk to it, threads are conversations with it.
\ir chat/assistant_id.sql
\ir chat/assistant_for.sql
\ir chat/is_whole.sql
\ir chat/unix_time.sql
\ir chat/object_refusal.sql
\ir chat/talker.sql
\ir chat/named_person.sql
\ir chat/new_secret.sql
\ir chat/secret_digest.sql
\ir chat/session_creation_refusal.sql
\ir chat/session_status.sql
\ir chat/session_json.sql
\ir chat/session_result.sql
\ir chat/open_session.sql
\ir api/assistant/create_session_atomic.sql
\ir chat/named_session.sql
\ir api/assistant/get_session.sql
\ir api/assistant/list_sessions.sql
\ir api/assistant/cancel_session_atomic.sql
\ir api/assistant/authenticate_session.sql
\ir chat/chatkit_conversation_id.sql
\ir chat/new_assistant_thread.sql
\ir chat/assistant_thread_json.sql
\ir chat/sdk_thread_json.sql
\ir chat/assistant_thread_result.sql
\ir chat/assistant_thread.sql
\ir chat/existing_thread.sql
\ir api/assistant/create_thread_atomic.sql
\ir chat/lock_assistant_thread.sql
\ir chat/delete_thread.sql
\ir chat/order_refusal.sql
\ir chat/page_range.sql
\ir chat/assistant_threads_page.sql
\ir api/assistant/get_assistant_thread.sql
\ir api/assistant/list_assistant_threads.sql
\ir api/assistant/list_assistant_messages.sql
\ir api/assistant/delete_thread_atomic.sql

-- The assistant: what a ChatKit Store keeps, word for word, and its items as OpenAI's SDK reads them.
\ir chat/item_fields.sql
\ir chat/item_refusal.sql
\ir chat/item_json.sql
\ir chat/item_message.sql
\ir chat/item_result.sql
\ir chat/items_page.sql
\ir chat/sdk_task_json.sql
\ir chat/sdk_item_json.sql
\ir api/assistant/list_thread_items.sql
\ir chat/chatkit_thread.sql
\ir chat/chatkit_thread_json.sql
\ir chat/chatkit_thread_result.sql
\ir chat/chatkit_thread_refusal.sql
\ir chat/change_chatkit_thread.sql
\ir api/assistant/save_chatkit_thread_atomic.sql
\ir api/assistant/load_chatkit_thread.sql
\ir chat/store_page_refusal.sql
\ir api/assistant/list_chatkit_threads.sql
\ir api/assistant/delete_chatkit_thread_atomic.sql
\ir chat/append_item.sql
\ir chat/added_item.sql
\ir chat/change_item.sql
\ir api/assistant/add_chatkit_item_atomic.sql
\ir api/assistant/save_chatkit_item_atomic.sql
\ir api/assistant/load_chatkit_item.sql
\ir api/assistant/list_chatkit_items.sql
\ir api/assistant/delete_chatkit_item_atomic.sql
\ir api/assistant/save_attachment_atomic.sql
\ir api/assistant/load_attachment.sql
\ir api/assistant/delete_attachment_atomic.sql

-- The assistant: runs. One is asked for, claimed by a worker, answered piece by piece, ended.
\ir chat/session_refusal.sql
\ir chat/run_refusal.sql
\ir chat/run_json.sql
\ir chat/run_message.sql
\ir chat/run_result.sql
\ir chat/ended_run.sql
\ir chat/run_for.sql
\ir chat/lock_run.sql
\ir chat/lock_active_run.sql
\ir chat/desk_id.sql
\ir chat/announce_run.sql
\ir chat/append_answer.sql
\ir chat/finish_run.sql
\ir chat/cancel_active_run.sql
\ir chat/forget_runs.sql
\ir chat/queue_run.sql
\ir api/assistant/create_run_atomic.sql
\ir chat/run_problem.sql
\ir chat/drop_run.sql
\ir chat/claimed_run.sql
\ir api/assistant/claim_run.sql
\ir api/assistant/append_run_delta.sql
\ir api/assistant/complete_run_atomic.sql
\ir api/assistant/fail_run_atomic.sql
\ir api/assistant/release_run_atomic.sql
\ir api/assistant/cancel_run_atomic.sql
\ir api/assistant/get_run.sql
\ir api/assistant/list_runs.sql

-- Push. A listener attaches, fetches as long as something comes, sleeps, is woken by the doorbell; clients are
-- told what they are subscribed to.
\ir api/push/push_attach.sql
\ir api/push/push_fetch.sql
\ir api/push/push_sleep.sql
\ir api/push/push_wake.sql
\ir api/push/list_subscriptions.sql
\ir api/push/announce_typing.sql

-- Feature flags.
\ir api/flags/is_feature_enabled.sql
\ir api/flags/set_feature_flag_atomic.sql

-- Operations.
\ir api/operations/must.sql
\ir api/operations/export_user.sql
\ir chat/erase_traces.sql
\ir chat/erase_from_inbox.sql
\ir chat/erase_from_assistant.sql
\ir api/operations/erase_user_atomic.sql
\ir chat/last_seq_before.sql
\ir chat/purge_log.sql
\ir api/operations/purge_messages_atomic.sql
\ir api/operations/maintain.sql
\ir chat/inbox_violations.sql
\ir chat/assistant_violations.sql
\ir chat/run_violations.sql
\ir api/operations/check_invariants.sql

-- Who may call what.
\ir ../sql/grants.sql
