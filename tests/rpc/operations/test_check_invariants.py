"""api.check_invariants: each thing that must hold is broken by hand, and seen."""

import re
import uuid

import pytest

from tests.rpc.assistant.chatkit import add_item, hidden_item, save_thread, user_message
from tests.rpc.assistant.runs import ask, claim, complete, say
from tests.rpc.behind import acting_as, rows, value
from tests.rpc.conftest import World
from tests.support import (
    Connection,
    new_channel,
    new_group,
    new_user,
    send,
    succeed,
    violations,
)


@pytest.fixture(autouse=True)
def healthy() -> None:
    """Not afterwards, here."""


# What breaks it, with %(name)s for the ids of the fixture below.
IN_GROUP = "conversation_id = %(group)s"
IN_THREAD = "conversation_id = %(thread)s"
IN_TALK = "conversation_id = %(talk)s"
IN_CHATKIT = "conversation_id = %(chatkit)s"
BROKEN = [
    ("log_is_gapless", f"update chat.conversations set last_seq = last_seq + 1 where {IN_GROUP}"),
    ("log_is_gapless", f"update chat.conversations set purged_seq = 1 where {IN_GROUP}"),
    ("log_is_gapless", f"delete from chat.changes where {IN_GROUP} and kind = 'message_edited'"),
    (
        "log_is_gapless",
        f"update chat.changes set seq = 1 where {IN_GROUP} and kind = 'message_edited'",
    ),
    (
        "messages_are_in_time_order",
        f"update chat.messages set created_at = created_at - interval '1 hour'"
        f" where {IN_GROUP} and seq = 2",
    ),
    (
        "ordinals_count_messages",
        f"update chat.messages set ordinal = 0 where {IN_GROUP} and seq = 1",
    ),
    (
        "message_count_is_the_last_ordinal",
        "update chat.conversations set message_count = 0 where conversation_id = %(empty)s",
    ),
    (
        "watermarks_are_within_the_log",
        f"update chat.members set delivered_seq = 1000 where {IN_GROUP} and user_id = %(bob)s",
    ),
    (
        "sent_counts_count_messages",
        "update chat.members"
        "   set sent_count = sent_count + 1, sent_count_at_read = sent_count_at_read + 1"
        f" where {IN_GROUP} and user_id = %(bob)s",
    ),
    (
        "unread_counts_are_exact",
        "insert into chat.exclusions (conversation_id, user_id, seq)"
        f" select conversation_id, %(bob)s, seq from chat.changes"
        f"  where {IN_GROUP} and kind = 'message_edited'",
    ),
    (
        "senders_were_members",
        f"update chat.messages set sender_id = %(cid)s where {IN_GROUP} and content = 'hidden';"
        f"update chat.members set sent_count = sent_count - 1"
        f" where {IN_GROUP} and user_id = %(ann)s",
    ),
    (
        "member_count_is_exact",
        f"update chat.conversations set member_count = member_count + 1 where {IN_GROUP}",
    ),
    (
        "two_people_conversations_have_two_members",
        "insert into chat.members"
        " (conversation_id, user_id, tenant_id, joined_seq, delivered_seq, read_seq, sent_count)"
        " select conversation_id, %(cid)s, tenant_id, 0, 1, 1, 0"
        "   from chat.conversations where conversation_id = %(help)s;"
        "update chat.conversations set member_count = 3 where conversation_id = %(help)s",
    ),
    (
        "help_is_between_owner_and_helper",
        "update chat.help_requests set owner_id = %(cid)s where owner_id = %(bob)s",
    ),
    (
        "groups_have_an_owner",
        f"update chat.members set role = 'admin' where {IN_GROUP} and user_id = %(ann)s",
    ),
    (
        "deactivated_users_are_in_no_group",
        "update chat.users set deactivated_at = now() where user_id = %(dee)s",
    ),
    (
        "joining_has_its_system_message",
        f'update chat.messages set metadata = metadata || \'{{"event": "role_changed"}}\''
        f" where {IN_GROUP} and metadata ->> 'event' = 'member_added'",
    ),
    (
        "leaving_has_its_system_message",
        f'update chat.messages set metadata = metadata || \'{{"event": "role_changed"}}\''
        f" where {IN_GROUP} and metadata ->> 'event' = 'member_removed'",
    ),
    (
        "system_messages_tell_of_a_change",
        f'update chat.messages set metadata = metadata || \'{{"event": "party"}}\''
        f" where {IN_GROUP} and metadata ->> 'event' = 'role_changed'",
    ),
    (
        "additions_add_each_once",
        f'update chat.messages set metadata = metadata || \'{{"event": "member_added"}}\''
        f" where {IN_GROUP} and metadata ->> 'event' = 'role_changed'",
    ),
    (
        "ids_derive_from_canonical_keys",
        "update chat.conversations set canonical_key = 'group:x' where conversation_id = %(empty)s",
    ),
    (
        "canonical_keys_say_who",
        "update chat.members set user_id = %(cid)s"
        " where conversation_id = %(direct)s and user_id = %(bob)s",
    ),
    (
        "one_message_per_client_key",
        "drop index chat.messages_client_message_key;"
        "update chat.messages set client_message_id = 'k'"
        f" where {IN_GROUP} and sender_id = %(bob)s",
    ),
    (
        "reaction_counts_are_exact",
        f"update chat.messages set reaction_count = 5 where {IN_GROUP} and seq = 1",
    ),
    (
        "replies_stay_in_their_conversation",
        "update chat.messages set reply_to_id ="
        " (select id from chat.messages where conversation_id = %(direct)s)"
        f" where {IN_GROUP} and seq = 2",
    ),
    (
        "replies_stay_in_their_conversation",
        f"update chat.messages set reply_to_id = id where {IN_GROUP} and seq = 2",
    ),
    (
        "deleted_messages_have_their_change",
        f"update chat.messages set deleted_at = now(), content = null where {IN_GROUP} and seq = 2",
    ),
    (
        "exclusions_are_for_others",
        "insert into chat.exclusions (conversation_id, user_id, seq)"
        " values (%(group)s, %(ann)s, 1)",
    ),
    (
        "nothing_belongs_to_two_tenants",
        f"update chat.members set tenant_id = %(other)s where {IN_GROUP} and user_id = %(bob)s",
    ),
    (
        "blocks_stay_in_a_tenant",
        "insert into chat.blocks (blocker_id, blocked_id) values (%(ann)s, %(zoe)s)",
    ),
    (
        "inbox_conversations_have_a_thread",
        f"update chat.members set role = 'agent' where {IN_THREAD} and role = 'contact'",
    ),
    (
        "ids_derive_from_contacts",
        "insert into chat.users (user_id, tenant_id, kind, display_name)"
        f" select %(new)s, tenant_id, 'contact', 'New' from chat.threads where {IN_THREAD};"
        "insert into chat.conversations"
        " (conversation_id, tenant_id, kind, canonical_key, created_by, member_count)"
        " select u.user_id, u.tenant_id, 'inbox', chat.contact_key(u.tenant_id, u.user_id),"
        " u.user_id, 1 from chat.users u where u.user_id = %(new)s;"
        "insert into chat.members"
        " (conversation_id, user_id, tenant_id, role, joined_seq, delivered_seq, read_seq)"
        " select u.user_id, u.user_id, u.tenant_id, 'contact', 0, 0, 0"
        "   from chat.users u where u.user_id = %(new)s;"
        "insert into chat.threads (conversation_id, tenant_id, contact_id, channel_id)"
        f" select %(new)s, tenant_id, %(new)s, channel_id from chat.threads where {IN_THREAD}",
    ),
    (
        "keys_say_what_leads_to_a_contact",
        f"update chat.conversations set canonical_key = 'phone:x:1' where {IN_THREAD}",
    ),
    (
        "members_of_an_inbox_are_its_contact_and_agents",
        f"update chat.members set role = 'member' where {IN_THREAD} and role = 'agent'",
    ),
    (
        "members_of_an_inbox_are_its_contact_and_agents",
        f"update chat.members set role = 'agent' where {IN_GROUP} and role = 'member'",
    ),
    (
        "nobody_has_a_mark_of_their_own_in_an_inbox",
        f"update chat.members set delivered_seq = 1, read_seq = 1 where {IN_THREAD}",
    ),
    (
        "sources_say_who_sent",
        f"update chat.messages set sender_id = %(ann)s where {IN_THREAD} and source = 'contact'",
    ),
    (
        "marks_of_the_desk_are_within_the_log",
        f"update chat.threads set read_seq = 1000 where {IN_THREAD}",
    ),
    (
        "last_inbound_seq_is_the_contacts_latest_message",
        f"update chat.threads set last_inbound_seq = 1 where {IN_THREAD}",
    ),
    (
        "identities_lead_to_contacts",
        "insert into chat.contact_identities (tenant_id, kind, value, contact_id, learned_at)"
        f" select tenant_id, 'lead', 'x', %(ann)s, now() from chat.threads where {IN_THREAD}",
    ),
    (
        "threads_are_with_contacts",
        "update chat.users set kind = 'person' where kind = 'contact';"
        "delete from chat.contact_identities;"
        "update chat.conversations c set canonical_key ="
        " (select chat.contact_key(t.tenant_id, t.contact_id) from chat.threads t"
        "   where t.conversation_id = c.conversation_id) where c.kind = 'inbox'",
    ),
    (
        "redirects_lead_somewhere",
        "insert into chat.redirects (old_id, tenant_id, kind, new_id)"
        f" select gen_random_uuid(), tenant_id, 'contact', %(bob)s"
        f"   from chat.threads where {IN_THREAD}",
    ),
    (
        "redirects_lead_somewhere",
        "insert into chat.redirects (old_id, tenant_id, kind, new_id)"
        " select gen_random_uuid(), tenant_id, 'conversation', %(group)s"
        f"   from chat.threads where {IN_THREAD}",
    ),
    (
        "redirects_lead_somewhere",
        "insert into chat.redirects (old_id, tenant_id, kind, new_id)"
        " select gen_random_uuid(), tenant_id, 'conversation', conversation_id"
        f"   from chat.threads where {IN_THREAD};"
        "insert into chat.redirects (old_id, tenant_id, kind, new_id)"
        " select gen_random_uuid(), tenant_id, 'conversation', old_id from chat.redirects",
    ),
    (
        "what_was_merged_is_gone",
        "insert into chat.redirects (old_id, tenant_id, kind, new_id)"
        " select %(ann)s, tenant_id, 'contact', contact_id"
        f"   from chat.threads where {IN_THREAD}",
    ),
    (
        "what_was_merged_is_gone",
        "insert into chat.redirects (old_id, tenant_id, kind, new_id)"
        " select %(group)s, tenant_id, 'conversation', conversation_id"
        f"   from chat.threads where {IN_THREAD}",
    ),
    (
        "contacts_react_once",
        "insert into chat.reactions (conversation_id, message_id, user_id, emoji, seq)"
        " select t.conversation_id, m.id, t.contact_id, e.emoji, 1"
        "   from chat.threads t"
        "   join chat.messages m on m.conversation_id = t.conversation_id and m.seq = 1,"
        "        (values ('a'), ('b')) e (emoji);"
        f"update chat.messages set reaction_count = 2 where {IN_THREAD} and seq = 1",
    ),
    (
        "provider_ids_are_of_the_inbox",
        f"update chat.provider_messages set conversation_id = %(group)s, message_id ="
        f" (select id from chat.messages where {IN_GROUP} and seq = 1)",
    ),
    (
        "parked_events_wait_for_a_message",
        "insert into chat.parked_events (channel_id, provider_message_id, digest, event)"
        " select channel_id, provider_message_id, 'x', '{}' from chat.provider_messages",
    ),
    ("outgoing_messages_have_one_delivery", f"delete from chat.deliveries where {IN_THREAD}"),
    (
        "outgoing_messages_have_one_delivery",
        "insert into chat.deliveries (conversation_id, message_id, channel_id)"
        f" select conversation_id, gen_random_uuid(), channel_id"
        f"   from chat.threads where {IN_THREAD}",
    ),
    (
        "deliveries_say_what_happened",
        f"update chat.deliveries set status = 'sent' where {IN_THREAD}",
    ),
    (
        "deliveries_say_what_happened",
        f"update chat.deliveries set read_at = now() where {IN_THREAD}",
    ),
    (
        "deliveries_say_what_happened",
        f"update chat.deliveries set status = 'failed' where {IN_THREAD}",
    ),
    (
        "deliveries_say_what_happened",
        f"update chat.deliveries set lease = gen_random_uuid() where {IN_THREAD}",
    ),
    (
        "a_desk_is_of_people_and_bots",
        "insert into chat.desk_agents (tenant_id, user_id)"
        f" select tenant_id, contact_id from chat.threads where {IN_THREAD}",
    ),
    (
        "responders_are_bots",
        "update chat.channels set responder_id = %(ann)s where responder_id is not null",
    ),
    (
        "no_bot_answers_where_a_person_took_over",
        "update chat.runs set status = 'queued', answer_id = null, finished_at = null"
        f" where {IN_THREAD};"
        f"update chat.threads set taken_over_at = now() where {IN_THREAD}",
    ),
    ("bots_answer_contacts", f"update chat.runs set actor_id = %(ann)s where {IN_THREAD}"),
    (
        "bots_answer_contacts",
        "update chat.runs r set message_id = m.id, answer_id = null, status = 'cancelled'"
        f"  from chat.messages m where r.{IN_THREAD} and m.{IN_THREAD} and m.source = 'person'",
    ),
    (
        "only_whole_answers_go_out",
        f"update chat.runs set status = 'expired' where {IN_THREAD};"
        "update chat.messages set metadata = metadata || '{\"partial\": true}'"
        f" where {IN_THREAD} and source = 'bot'",
    ),
    (
        "one_run_of_a_conversation_is_active",
        "drop index chat.runs_active_key;"
        "update chat.runs set status = 'queued', finished_at = null"
        f" where {IN_TALK} and status = 'cancelled'",
    ),
    (
        "runs_are_answered_by_a_bot_of_the_thread_or_the_tenant",
        f"update chat.runs set responder_id = %(ann)s where {IN_TALK} and status = 'cancelled'",
    ),
    (
        "runs_are_answered_by_a_bot_of_the_thread_or_the_tenant",
        "update chat.runs r set responder_id = h.user_id from chat.channels h"
        f" where {IN_TALK} and r.status = 'cancelled' and h.tenant_id = r.tenant_id",
    ),
    (
        "runs_are_answered_by_a_bot_of_the_thread_or_the_tenant",
        "update chat.runs set conversation_id = %(group)s"
        f" where {IN_TALK} and status = 'cancelled'",
    ),
    (
        "runs_are_asked_for_by_who_wrote",
        f"update chat.runs set actor_id = %(bob)s where {IN_TALK} and status = 'cancelled'",
    ),
    (
        "runs_are_begun_in_ones_own_session",
        "insert into chat.sessions"
        " (session_id, tenant_id, user_id, secret_digest, requests_per_minute, expires_at)"
        f" select %(new)s, tenant_id, %(bob)s, '', 1, 'infinity' from chat.runs where {IN_TALK}"
        "   limit 1;"
        f"update chat.runs set session_id = %(new)s where {IN_TALK} and status = 'cancelled'",
    ),
    (
        "answers_are_what_their_run_says",
        f"update chat.runs set answer_id = %(new)s where {IN_TALK} and status = 'completed'",
    ),
    (
        "answers_are_what_their_run_says",
        f"update chat.messages set reply_to_id = null where {IN_TALK} and source = 'bot'",
    ),
    (
        "answers_are_what_their_run_says",
        f"update chat.messages set source = 'automation' where {IN_TALK} and source = 'bot'",
    ),
    (
        "answers_are_what_their_run_says",
        f"update chat.messages set metadata = '{{}}' where {IN_TALK} and source = 'bot'",
    ),
    (
        "answers_are_what_their_run_says",
        f"update chat.runs set status = 'expired' where {IN_TALK} and status = 'completed'",
    ),
    (
        "no_question_has_two_answers",
        "update chat.messages set deleted_at = null, content = 'x',"
        " metadata = jsonb_build_object('run_id', id)"
        f" where {IN_TALK} and deleted_at is not null",
    ),
    (
        "pieces_are_of_an_answer_under_way",
        "insert into chat.run_deltas (conversation_id, run_id, start, content)"
        f" select conversation_id, run_id, 0, 'x' from chat.runs"
        f"  where {IN_TALK} and status = 'completed'",
    ),
    (
        "pieces_follow_each_other",
        f"update chat.run_deltas set content = content || 'x' where {IN_TALK} and start = 0",
    ),
    ("pieces_follow_each_other", f"delete from chat.run_deltas where {IN_TALK} and start = 0"),
    (
        "assistant_conversations_have_a_thread",
        f"delete from chat.assistant_threads where {IN_CHATKIT};"
        f"delete from chat.thread_items where {IN_CHATKIT}",
    ),
    (
        "assistant_conversations_have_a_thread",
        f"update chat.conversations set created_by = %(bob)s where {IN_CHATKIT}",
    ),
    (
        "assistant_threads_are_between_user_and_assistant",
        f"update chat.members set role = 'member' where {IN_CHATKIT} and role = 'owner'",
    ),
    (
        "assistant_threads_are_between_user_and_assistant",
        f"update chat.members set user_id = %(bob)s where {IN_TALK} and role = 'owner';"
        f"update chat.messages set sender_id = %(bob)s where {IN_TALK} and source = 'person';"
        f"update chat.runs set actor_id = %(bob)s where {IN_TALK}",
    ),
    (
        "assistant_threads_are_between_user_and_assistant",
        "insert into chat.members (conversation_id, user_id, tenant_id, joined_seq,"
        "  delivered_seq, read_seq)"
        f" select conversation_id, %(bob)s, tenant_id, 0, last_seq, last_seq"
        f"   from chat.conversations where {IN_CHATKIT};"
        f"update chat.conversations set member_count = 3 where {IN_CHATKIT}",
    ),
    (
        "threads_are_begun_in_ones_own_session",
        f"update chat.assistant_threads set session_id = %(session)s where {IN_CHATKIT};"
        "update chat.sessions set user_id = %(bob)s where session_id = %(session)s",
    ),
    (
        "chatkit_ids_lead_to_their_thread",
        "update chat.assistant_threads"
        f' set payload = payload || \'{{"id": "thr_2"}}\' where {IN_CHATKIT}',
    ),
    (
        "chatkit_ids_lead_to_their_thread",
        f"update chat.assistant_threads set payload = payload - 'id' where {IN_CHATKIT}",
    ),
    (
        "items_are_in_assistant_threads",
        "insert into chat.thread_items (conversation_id, item_id, message_id, payload)"
        f" select conversation_id, 'x', id, '{{}}' from chat.messages where {IN_GROUP} and seq = 1",
    ),
    (
        "items_say_what_their_messages_say",
        f"update chat.messages set content = 'Good bye' where {IN_CHATKIT} and type = 'text'",
    ),
    (
        "items_say_what_their_messages_say",
        f"update chat.messages set type = 'widget' where {IN_CHATKIT} and type <> 'text'",
    ),
    (
        "items_say_what_their_messages_say",
        f"update chat.thread_items set item_id = 'x' where {IN_CHATKIT} and item_id = 'msg_1'",
    ),
    (
        "items_say_what_their_messages_say",
        "update chat.thread_items"
        " set payload = jsonb_set(payload, '{type}', '\"assistant_message\"')"
        f" where {IN_CHATKIT} and item_id = 'msg_1'",
    ),
    ("hidden_items_are_hidden_from_the_user", f"delete from chat.exclusions where {IN_CHATKIT}"),
]


@pytest.fixture
def ids(db: Connection, world: World) -> dict[str, str]:
    """Data where everything that is checked is there to be broken, by someone nothing stops."""
    by_ann = {"conversation_id": world.group, "actor_id": world.ann}
    by_bob = {"conversation_id": world.group, "actor_id": world.bob}
    succeed(db, "add_members_atomic", **by_ann, member_ids=[world.dee])
    succeed(db, "change_member_role_atomic", **by_ann, user_id=world.dee, role="admin")
    succeed(db, "remove_member_atomic", **by_ann, user_id=world.cid)
    succeed(db, "edit_message_atomic", **by_ann, message_id=world.hello["id"], content="hello all")
    gone = send(db, world.group, world.bob, "gone", client_message_id="gone")
    succeed(db, "delete_message_atomic", **by_bob, message_id=gone["id"])
    succeed(db, "add_reaction_atomic", **by_bob, message_id=world.hello["id"], emoji="x")
    succeed(db, "block_user_atomic", actor_id=world.dee, user_id=world.ann)
    send(db, world.group, world.ann, "hidden")
    succeed(db, "mark_read_atomic", **by_ann, seq=2)
    send(db, world.direct, world.ann, "hi")
    bot = new_user(db, "Robot", tenant_id=world.tenant_id, kind="bot")
    new_channel(db, world.tenant_id, responder_id=bot)
    succeed(db, "assign_thread_atomic", conversation_id=world.thread, actor_id=world.ann)
    complete(db, claim(db), "we are")
    send(db, world.thread, world.ann, "until six")
    helping = succeed(
        db,
        "create_conversation_atomic",
        help_request_id=world.help_request,
        helper_id=world.ann,
        initial_message="oil",
    )
    empty = new_group(db, world.dee)
    send(db, empty, world.dee, "echo")
    succeed(
        db, "remove_member_atomic", conversation_id=empty, actor_id=world.dee, user_id=world.dee
    )
    assert world.run["status"] == "cancelled"
    question = ask(db, world.talk, world.ann)["message"]
    answer = complete(db, claim(db), "because")["message"]
    succeed(
        db,
        "delete_message_atomic",
        conversation_id=world.talk,
        actor_id=answer["sender_id"],
        message_id=answer["id"],
    )
    ask(db, world.talk, world.ann, message_id=question["id"])
    complete(db, claim(db), "it depends")
    ask(db, world.talk, world.ann)
    under_way = claim(db)
    say(db, under_way, "I would say ")
    say(db, under_way, "that it depends")
    chatkit = save_thread(db, world.ann)["conversation_id"]
    add_item(db, world.ann, user_message("msg_1", "Hello"))
    add_item(db, world.ann, hidden_item("note_1"))
    assert violations(db) == []
    rows(db, "set local session_replication_role = replica")
    return {
        "group": world.group,
        "direct": world.direct,
        "help": helping["conversation_id"],
        "empty": empty,
        "other": world.other_tenant_id,
        "thread": world.thread,
        "talk": world.talk,
        "chatkit": chatkit,
        "session": world.session["id"],
        "new": str(uuid.uuid4()),
        **{name: getattr(world, name) for name in ("ann", "bob", "cid", "dee", "zoe")},
    }


@pytest.mark.parametrize(("invariant", "breaking"), BROKEN)
def test_what_is_broken_is_named_and_nothing_else(
    db: Connection, ids: dict[str, str], invariant: str, breaking: str
) -> None:
    for statement in breaking.split(";"):
        rows(db, re.sub(r"%\((\w+)\)s", lambda found: f"'{ids[found[1]]}'", statement))
    assert {found[0] for found in violations(db)} == {invariant}


def test_a_violation_says_where(db: Connection, ids: dict[str, str]) -> None:
    rows(
        db,
        "update chat.conversations set member_count = 9 where conversation_id = %s",
        ids["group"],
    )
    ((_, conversation_id, details),) = violations(db)
    assert (str(conversation_id), details) == (ids["group"], {"member_count": 9})


def test_everything_that_is_checked_is_broken_here(db: Connection) -> None:
    source = value(
        db,
        "select string_agg(prosrc, e'\\n') from pg_proc"
        " where proname ~ '^(check_invariants|[a-z]+_violations)$'",
    )
    assert set(re.findall(r"^ +select '(\w+)',", source, re.MULTILINE)) == {
        invariant for invariant, _ in BROKEN
    }


def test_services_and_operators_may_look(db: Connection, world: World) -> None:
    assert violations(db) == []
    with acting_as(db, "parley_operator"):
        assert violations(db) == []
