/* What events of application channels make: what each end gets by what both signed. */
#ifndef NODE_ON_APPS_H
#define NODE_ON_APPS_H

#include "fields.h"

static void on_app_recorded(Channel *channel, Fields *fields) {
    Head *head = &channel->head;
    if (!head->has_prefund) give_up();
    skip(fields, 2);
    head->is_app = true;
    head->is_judged = is_text(next_text(fields), "judged");
    head->app_signed = head->app_supported = last_deposit(channel);
}

/* One end signed what the messages lead to. The mover's word is enough where a contract judges. */
static void reach(Channel *channel, Fields *fields, bool is_ours) {
    Head *head = &channel->head;
    u64 turn_num = next_uint(fields);
    skip(fields, 2);
    Reader *amounts = next(fields);
    u32 count = read_array(amounts);
    if (count < 2) give_up();
    while (count--) head->app_signed = u256_read(amounts);
    bool is_by_first = is_ours == (head->my_index == 0);
    if (head->is_judged && is_by_first == (turn_num % 2 == 0))
        head->app_supported = head->app_signed;
}

static void on_app_signed(Channel *channel, Fields *fields) { reach(channel, fields, true); }
static void on_app_move_taken(Channel *channel, Fields *fields) { reach(channel, fields, false); }

static void on_app_countersigned(Channel *channel, Fields *fields) {
    (void)fields;
    channel->head.app_supported = channel->head.app_signed;
}

/* What the other end offered in its place, and did not sign, is taken back. */
static void on_app_move_shown(Channel *channel, Fields *fields) {
    (void)fields;
    channel->head.app_signed = channel->head.app_supported;
}

static void on_app_standing(Channel *channel, Fields *fields) {
    State state = read_state(next_bytes(fields));
    if (!state.exit.is_known || state.exit.count < 2) give_up();
    EACH(Share, share, state.shares) channel->head.app_signed = share->amount;
    channel->head.app_supported = channel->head.app_signed;
}

#endif
