/* What events of payments and ledgers make. */
#ifndef NODE_ON_MONEY_H
#define NODE_ON_MONEY_H

#include "fields.h"

static void pay(Channel *channel, const char *kind, Bytes id, U256 amount, U256 total, Bytes memo,
                Bytes request_id) {
    channel->head.paid = total;
    channel->head.payment_count++;
    put_payment(channel, kind, channel->head.my_index == 0, id, amount, &total, memo, request_id);
}

static void on_voucher(Channel *channel, Fields *fields, const char *kind, bool has_request) {
    Bytes id = next_bytes(fields), none = {NULL, 0};
    U256 amount = next_amount(fields), total = next_amount(fields);
    skip(fields, 1);
    Bytes memo = next_text(fields);
    pay(channel, kind, id, amount, total, memo, has_request ? next_text(fields) : none);
}

static void on_issued(Channel *c, Fields *fields) { on_voucher(c, fields, "voucher", true); }
static void on_received(Channel *c, Fields *fields) { on_voucher(c, fields, "voucher", false); }
static void on_handed(Channel *c, Fields *fields) { on_voucher(c, fields, "handed", true); }

static void on_taken(Channel *channel, Fields *fields) {
    U256 amount = next_amount(fields), total = next_amount(fields);
    skip(fields, 1);
    Bytes none = {NULL, 0};
    pay(channel, "handed", none, amount, total, none, next_text(fields));
}

static void on_listed(Channel *channel, Fields *fields) {
    Bytes id = next_bytes(fields), none = {NULL, 0};
    U256 amount = next_amount(fields), total = u256_add(channel->head.paid, amount);
    pay(channel, "listed", id, amount, total, next_text(fields), none);
}


/* --- ledgers --- */

static void on_proposed(Channel *ledger, Fields *fields) {
    Change *change = list_add(&ledger->queue);
    change->turn_num = next_uint(fields);
    skip(fields, 2);
    Bytes kind = next_text(fields);
    change->kind = is_text(kind, "add") ? CHANGE_ADD : is_text(kind, "remove") ? CHANGE_REMOVE
                                                                               : CHANGE_MOVE;
    copy(change->target.bytes, next_id(fields), 32);
    change->amount = next_amount(fields);
    const u8 *left = next_id(fields);
    Id mine = me_destination(ledger);
    change->is_left_ours = same_id(&mine, left);
    change->is_left_leader = change->is_left_ours == (ledger->head.my_index == 0);
    skip(fields, 1);
    change->left_amount = next_amount(fields);
    change->fee = next_amount(fields);
    Bytes request_id = next_text(fields);
    if (request_id.size > sizeof change->request_id) give_up();
    change->request_id_size = request_id.size;
    copy(change->request_id, request_id.at, request_id.size);
}

static void on_agreed(Channel *ledger, Fields *fields) { agree(ledger, next_uint(fields)); }
static void on_refused(Channel *ledger, Fields *fields) { refuse(ledger, next_uint(fields)); }

static void on_restored(Channel *ledger, Fields *fields) {
    skip(fields, 1);
    restore_ledger(ledger, next_bytes(fields));
}

static void on_resumed(Channel *ledger, Fields *fields) {
    (void)fields;
    ledger->queue.count = 0;
}

#endif
