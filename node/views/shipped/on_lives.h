/* What events make of the lives of channels and objectives. */
#ifndef NODE_ON_LIVES_H
#define NODE_ON_LIVES_H

#include "fields.h"

static void on_node_created(Fields *fields) {
    skip(fields, 4);
    copy(node.consensus_app.bytes, read_fixed(next(fields), 20), 20);
    copy(node.me.bytes, read_fixed(next(fields), 20), 20);
    node.is_known = true;
}

static void on_channel_created(Fields *fields) {
    const u8 *id = next_id(fields);
    Channel *channel = find_channel(id);
    if (channel != NULL) count_in(channel, (Balance){{U256_ZERO}});
    channel = find_loaded(id);
    Head head = {.id = channel->head.id, .me = node.me, .next_number = FIRST_FREE_NUMBER};
    channel->head = head;
    for (u32 i = 0; i < LIST_COUNT; i++) channel->lists[i].count = 0;
    Reader *reader = next(fields);
    u32 count = read_array(reader);
    if (count < 2 || count > 32) give_up();
    channel->head.participant_count = (u8)count;
    for (u32 i = 0; i < count; i++) {
        Address *added = list_add(&channel->participants);
        copy(added->bytes, read_fixed(reader, 20), 20);
    }
    for (u32 i = count; i-- > 0;)
        if (equal(list_at(&channel->participants, i), node.me.bytes, 20))
            channel->head.my_index = (u8)i;
    u32 other = channel->head.my_index + 1u == count ? 0 : count - 1;
    channel->head.counterparty = *(Address *)list_at(&channel->participants, other);
    skip(fields, 1);
    channel->head.is_consensus = equal(read_fixed(next(fields), 20), node.consensus_app.bytes, 20);
    channel->head.created_seq = record.seq;
    channel->head.created_ms = record.time_ms;
    channel->is_known = true;
    touch(channel);
}

static void on_state_stored(Channel *channel, Fields *fields) {
    skip(fields, 1);
    State state = read_state(next_bytes(fields));
    if (find_turn(channel, state.turn_num)) return;
    u32 place = channel->turns.count;
    list_add(&channel->turns);
    while (place > 0 && ((Turn *)list_at(&channel->turns, place - 1))->turn_num > state.turn_num) {
        *(Turn *)list_at(&channel->turns, place) = *(Turn *)list_at(&channel->turns, place - 1);
        place--;
    }
    Turn made = {.turn_num = state.turn_num, .is_final = state.is_final};
    Id mine = me_destination(channel);
    EACH(Share, share, state.shares) {
        made.last_amount = share->amount;
        if (share->type == SIMPLE && same_id(&mine, share->destination.bytes))
            made.own_amount = u256_add(made.own_amount, share->amount);
    }
    *(Turn *)list_at(&channel->turns, place) = made;
    if (state.turn_num != 0) return;
    if (!state.exit.is_known || state.exit.count < 2) give_up();
    channel->head.has_prefund = true;
    channel->head.asset = state.exit.asset;
    EACH(Share, share, state.shares) *(U256 *)list_add(&channel->deposits) = share->amount;
}

static void on_signature(Channel *channel, Fields *fields) {
    Turn *turn = find_turn(channel, next_uint(fields));
    skip(fields, 1);
    const u8 *signer = read_fixed(next(fields), 20);
    for (u32 i = 0; turn && i < channel->participants.count; i++)
        if (equal(list_at(&channel->participants, i), signer, 20)) turn->signers |= 1u << i;
}

static void on_supported(Channel *channel, Fields *fields) {
    if (next_uint(fields) == POSTFUND_TURN && channel->head.is_consensus) open_ledger(channel);
}

static void on_final_requested(Channel *channel, Fields *fields) {
    (void)fields;
    channel->head.is_final_requested = true;
}

static void on_virtual_recorded(Channel *channel, Fields *fields) {
    Head *head = &channel->head;
    Bytes left = next_bytes(fields), right = next_bytes(fields);
    head->is_virtual = true;
    head->has_left_ledger = left.size == 32;
    head->has_right_ledger = right.size == 32;
    if (left.size == 32) copy(head->left_ledger.bytes, left.at, 32);
    if (right.size == 32) copy(head->right_ledger.bytes, right.at, 32);
}

static void on_pruned(Channel *channel, Fields *fields) {
    (void)fields;
    count_in(channel, (Balance){{U256_ZERO}});
    channel->is_known = false;
}

enum { OTHER_KIND, DIRECT_FUND, VIRTUAL_FUND, VIRTUAL_DEFUND, WITHDRAW };

typedef struct {
    Id id, channel_id;
    i64 kind;
} Objective;

static List objectives = {.item_size = sizeof(Objective)};

static void on_objective_created(Fields *fields) {
    const u8 *id = next_id(fields);
    Bytes name = next_text(fields);
    i64 kind = is_text(name, "DirectFund")      ? DIRECT_FUND
               : is_text(name, "VirtualFund")   ? VIRTUAL_FUND
               : is_text(name, "VirtualDefund") ? VIRTUAL_DEFUND
               : is_text(name, "Withdraw")      ? WITHDRAW
                                                : OTHER_KIND;
    if (kind == OTHER_KIND) return;
    Objective *added = list_add(&objectives);
    copy(added->id.bytes, id, 32);
    copy(added->channel_id.bytes, next_id(fields), 32);
    added->kind = kind;
    Writer *to = row(writes.objectives, 3);
    put_bytes(to, added->id.bytes, 32);
    put_int(to, kind);
    put_bytes(to, added->channel_id.bytes, 32);
}

/* Of an objective that its channel is to hear of; kind 0 for any other. */
static Objective find_objective(const u8 *id) {
    for (u32 i = objectives.count; i-- > 0;) {
        const Objective *found = list_at(&objectives, i);
        if (same_id(&found->id, id)) return *found;
    }
    Writer asked = question("SELECT kind, channel_id FROM fold_objectives WHERE objective_id = ?", 1);
    put_bytes(&asked, id, 32);
    Reader rows = ask(&asked);
    Objective found = {.kind = OTHER_KIND};
    if (read_array(&rows) == 0) return found;
    read_array(&rows);
    found.kind = read_int(&rows);
    copy(found.channel_id.bytes, read_fixed(&rows, 32), 32);
    return found;
}

static void on_objective_rejected(Fields *fields) {
    Objective found = find_objective(next_id(fields));
    if (found.kind != DIRECT_FUND && found.kind != VIRTUAL_FUND) return;
    Channel *channel = find_channel(found.channel_id.bytes);
    if (channel == NULL) return;
    channel->head.is_rejected = true;
    touch(channel);
}

static void on_objective_completed(Fields *fields) {
    Objective found = find_objective(next_id(fields));
    if (found.kind != VIRTUAL_DEFUND && found.kind != WITHDRAW) return;
    Channel *channel = find_channel(found.channel_id.bytes);
    if (channel == NULL) return;
    if (found.kind == VIRTUAL_DEFUND) channel->head.is_settled = true;
    else channel->head.is_left = channel->head.has_adjudicated = true;
    touch(channel);
}

#endif
