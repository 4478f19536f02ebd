-- api.error_codes: every code a refusal may carry, with its HTTP status and whether the same request
-- may succeed later. The one catalogue: chat.fail refuses a code that is not here, the thin layer reads
-- it at start. Codes are never renamed or reused.
create or replace view api.error_codes (code, http_status, retryable, meaning) as
values
    ('validation_error',      400, false, 'an argument is missing, malformed or out of range; details.field names it'),
    ('unsupported',           400, false, 'this kind of conversation does not allow that'),
    ('unauthenticated',       401, false, 'no valid credentials'),
    ('permission_denied',     403, false, 'this user may not do that'),
    ('not_a_member',          403, false, 'this user is not a member of the conversation'),
    ('blocked',               403, false, 'one of the two has blocked the other'),
    ('not_found',             404, false, 'there is no such thing, or it belongs to another tenant'),
    ('conversation_exists',   409, false, 'there is a conversation about this; details.conversation_id names it'),
    ('idempotency_conflict',  409, false, 'this key was used before with other content'),
    ('conversation_closed',   409, false, 'the conversation or its request is closed'),
    ('last_owner',            409, false, 'a group with members needs an owner: make someone else an owner first'),
    ('run_in_progress',       409, true,  'this thread has an active run'),
    ('window_closed',         409, false, 'the channel allows only templates now'),
    ('edit_conflict',         409, false, 'the message changed or was deleted since it was seen'),
    ('too_large',             413, false, 'something is larger than its limit; details name field and limit'),
    ('rate_limited',          429, true,  'too many requests; try again after the time told'),
    ('internal_error',        500, false, 'a bug of ours; details.error_id finds it in the log'),
    ('unavailable',           503, true,  'the database is away or busy; try again after the time told');

comment on view api.error_codes is 'Every code a refusal may carry: HTTP status, whether a retry may help, meaning.';
comment on column api.error_codes.code is 'The value of "error" in a refusal.';
comment on column api.error_codes.http_status is 'The HTTP status of such a refusal.';
comment on column api.error_codes.retryable is 'Whether the same request may succeed later.';
comment on column api.error_codes.meaning is 'One English sentence; the default message.';
