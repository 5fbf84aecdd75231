/* What the two parties of a ledger agreed on: payments, guarantees, an intermediary's fee. */
#ifndef NODE_LEDGER_H
#define NODE_LEDGER_H

#include "totals.h"

enum { CHANGE_ADD, CHANGE_REMOVE, CHANGE_MOVE };

static void put_payment(const Channel *channel, const char *kind, bool is_out, Bytes payment_id,
                        U256 amount, const U256 *total, Bytes memo, Bytes request_id) {
    Writer *to = row(writes.payments, 11);
    put_int(to, record.seq);
    put_int(to, record.payment_place++);
    put_int(to, record.time_ms);
    put_string(to, kind);
    put_string(to, is_out ? "out" : "in");
    put_bytes(to, channel->head.id.bytes, 32);
    if (payment_id.size) put_bytes(to, payment_id.at, payment_id.size);
    else put_nil(to);
    u256_put(to, amount);
    if (total) u256_put(to, *total);
    else put_nil(to);
    put_text(to, memo.at, memo.size);
    put_text(to, request_id.at, request_id.size);
}

static void put_fee(const Channel *ledger, const Change *change) {
    const Channel *target = find_channel(change->target.bytes);
    bool is_hub = target ? !is_end(target) : !change->is_left_ours;
    bool is_returned = change->kind == CHANGE_REMOVE;
    Writer *to = row(writes.fees, 10);
    put_int(to, record.seq);
    put_int(to, record.fee_place++);
    put_int(to, record.time_ms);
    put_string(to, (bool)change->is_left_ours != is_returned ? "out" : "in");
    put_int(to, is_hub);
    put_int(to, is_returned);
    put_bytes(to, change->target.bytes, 32);
    put_bytes(to, ledger->head.id.bytes, 32);
    put_bytes(to, ledger->head.asset.bytes, 20);
    u256_put(to, change->fee);
}

/* Whether the later change is the inverse of the refused one (M8): neither ever happened. */
static bool is_undone_by(const Change *refused, const Change *later) {
    if (!refused->is_refused || refused->is_cancelled || later->is_cancelled) return false;
    if (u256_compare(refused->amount, later->amount)) return false;
    if (refused->kind == CHANGE_MOVE)
        return later->kind == CHANGE_MOVE && later->is_left_leader != refused->is_left_leader;
    return later->kind == (refused->kind == CHANGE_ADD ? CHANGE_REMOVE : CHANGE_ADD) &&
           same_id(&refused->target, later->target.bytes) &&
           u256_compare(refused->left_amount, later->left_amount) == 0 &&
           u256_compare(refused->fee, later->fee) == 0;
}

static void cancel_undone(Channel *ledger, u32 count) {
    for (u32 later = 1; later < count; later++)
        for (u32 i = 0; i < later; i++) {
            Change *refused = list_at(&ledger->queue, i), *change = list_at(&ledger->queue, later);
            if (!is_undone_by(refused, change)) continue;
            refused->is_cancelled = change->is_cancelled = true;
            break;
        }
}

/* Which ledger carries a channel is in the channel's own record, which a log that was cut may lack. */
static void note_carrier(Channel *target, const Channel *ledger, bool is_left_ours) {
    Head *head = &target->head;
    u8 *is_noted = is_left_ours ? &head->has_right_ledger : &head->has_left_ledger;
    if (*is_noted) return;
    *is_noted = true;
    *(is_left_ours ? &head->right_ledger : &head->left_ledger) = ledger->head.id;
    target->is_dirty = true;
}

static void add_guarantee(Channel *ledger, const Id *target, U256 amount, bool is_left_ours) {
    Channel *known = find_channel(target->bytes);
    Guarantee *added = list_add(&ledger->guarantees);
    added->target = *target;
    added->amount = amount;
    added->is_left_ours = is_left_ours;
    added->to_right = known ? to_last(known) : U256_ZERO;
    if (known) note_carrier(known, ledger, is_left_ours);
}

static void remove_guarantee(Channel *ledger, const Id *target) {
    for (u32 i = 0; i < ledger->guarantees.count; i++)
        if (same_id(&((Guarantee *)list_at(&ledger->guarantees, i))->target, target->bytes)) {
            list_remove(&ledger->guarantees, i);
            return;
        }
}

static void apply_change(Channel *ledger, const Change *change) {
    U256 *left = change->is_left_leader ? &ledger->head.leader : &ledger->head.follower;
    U256 *right = change->is_left_leader ? &ledger->head.follower : &ledger->head.leader;
    if (change->kind == CHANGE_MOVE) {
        *left = u256_sub(*left, change->amount);
        *right = u256_add(*right, change->amount);
        return;
    }
    U256 right_amount = u256_sub(change->amount, change->left_amount);
    U256 from_left = u256_add(change->left_amount, change->fee);
    U256 from_right = u256_sub(right_amount, change->fee);
    if (change->kind == CHANGE_ADD) {
        *left = u256_sub(*left, from_left);
        *right = u256_sub(*right, from_right);
        add_guarantee(ledger, &change->target, change->amount, change->is_left_ours);
    } else {
        *left = u256_add(*left, from_left);
        *right = u256_add(*right, from_right);
        remove_guarantee(ledger, &change->target);
    }
}

/* Everything through that turn is agreed. */
static void agree(Channel *ledger, u64 turn_num) {
    u32 count = 0;
    while (count < ledger->queue.count &&
           ((Change *)list_at(&ledger->queue, count))->turn_num <= turn_num)
        count++;
    cancel_undone(ledger, count);
    bool is_guarantee = false;
    for (u32 i = 0; i < count; i++) {
        const Change *change = list_at(&ledger->queue, i);
        apply_change(ledger, change);
        is_guarantee |= change->kind != CHANGE_MOVE;
        if (change->is_cancelled) continue;
        if (change->kind != CHANGE_MOVE) {
            if (!u256_is_zero(change->fee)) put_fee(ledger, change);
        } else if (!u256_is_zero(change->amount)) {
            Bytes none = {NULL, 0};
            put_payment(ledger, "ledger", change->is_left_ours, none, change->amount, NULL, none,
                        (Bytes){change->request_id, change->request_id_size});
        }
    }
    list_drop_first(&ledger->queue, count);
    if (is_guarantee) count_promised(ledger);
}

static void refuse(Channel *ledger, u64 turn_num) {
    EACH(Change, change, ledger->queue)
        if (change->turn_num == turn_num) change->is_refused = true;
}

/* As the postfund leaves it. */
static void open_ledger(Channel *ledger) {
    Head *head = &ledger->head;
    if (ledger->deposits.count != 2) give_up();
    head->has_ledger = true;
    head->leader = deposit(ledger, 0);
    head->follower = deposit(ledger, 1);
    ledger->queue.count = ledger->guarantees.count = 0;
    head->promised = U256_ZERO;
}

/* As a state says that both had signed. */
static void restore_ledger(Channel *ledger, Bytes encoded) {
    State state = read_state(encoded);
    if (!state.exit.is_known || state.exit.count < 2) give_up();
    Id mine = me_destination(ledger);
    ledger->head.leader = ((Share *)list_at(&state.shares, 0))->amount;
    ledger->head.follower = ((Share *)list_at(&state.shares, 1))->amount;
    ledger->queue.count = ledger->guarantees.count = 0;
    for (u32 i = 2; i < state.exit.count; i++) {
        const Share *share = list_at(&state.shares, i);
        add_guarantee(ledger, &share->destination, share->amount, same_id(&share->left, mine.bytes));
    }
    count_promised(ledger);
}

#endif
