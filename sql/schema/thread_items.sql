-- Thread items: what a ChatKit Store saved, word for word, each beside the message of the log that stands for it.
create table chat.thread_items (
    conversation_id uuid not null,
    item_id         text not null,
    message_id      uuid not null,
    payload         chat.json_object not null,
    constraint thread_items_pkey primary key (conversation_id, item_id),
    constraint thread_items_message_key unique (conversation_id, message_id),
    constraint thread_items_message_fkey foreign key (conversation_id, message_id)
        references chat.messages (conversation_id, id),
    constraint thread_items_item_id_check check (item_id <> '')
);

comment on table chat.thread_items is
    'ChatKit''s items; a message without one is shown as the item that its own fields make.';
comment on column chat.thread_items.conversation_id is 'The assistant conversation.';
comment on column chat.thread_items.item_id is 'ChatKit''s id of it, any text.';
comment on column chat.thread_items.message_id is 'The message that stands for it: order, time, deletion are the message''s.';
comment on column chat.thread_items.payload is 'The item as it was saved.';
