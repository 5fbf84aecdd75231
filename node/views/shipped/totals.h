/* What is ours in each asset over time: one row a minute in which it changed. */
#ifndef NODE_TOTALS_H
#define NODE_TOTALS_H

#include "tables.h"

enum { BUCKET_MS = 60000 };

/* The record that is folded. */
typedef struct {
    i64 seq, time_ms;
    u32 payment_place, fee_place;
} Record;

static Record record;

typedef struct {
    Address asset;
    u8 is_changed; /* since its row was put */
    i64 bucket_ms, seq;
    Balance balance;
} Total;

typedef struct {
    u8 is_known;
    Address me, consensus_app;
} Node;

static Node node;
static List totals = {.item_size = sizeof(Total)};

static void put_total(Total *total) {
    if (!total->is_changed) return;
    total->is_changed = false;
    Writer *to = row(writes.balances, 8);
    put_bytes(to, total->asset.bytes, 20);
    put_int(to, total->bucket_ms);
    put_int(to, total->seq);
    for (u32 i = 0; i < PART_COUNT; i++) u256_put(to, total->balance.parts[i]);
}

static Total *total_of(const Address *asset) {
    EACH(Total, total, totals)
        if (equal(total->asset.bytes, asset->bytes, 20)) return total;
    Total *added = list_add(&totals);
    added->asset = *asset;
    return added;
}

/* The totals with the channel as it is now; sums go modulo 2^256, and come back. */
static void count_in(Channel *channel, Balance now) {
    Head *head = &channel->head;
    if (equal(&now, &head->counted, sizeof now)) return;
    Total *total = total_of(&head->asset);
    i64 bucket_ms = record.time_ms - record.time_ms % BUCKET_MS;
    if (total->bucket_ms != bucket_ms) put_total(total);
    total->bucket_ms = bucket_ms;
    total->seq = record.seq;
    total->is_changed = true;
    for (u32 i = 0; i < PART_COUNT; i++) {
        U256 *part = &total->balance.parts[i];
        *part = u256_add(u256_sub(*part, head->counted.parts[i]), now.parts[i]);
    }
    head->counted = now;
}

/* --- what the current record touched ------------------------------------------------------------ */

static List touched = {.item_size = sizeof(Channel *)};

static void touch(Channel *channel) {
    if (channel->is_touched) return;
    channel->is_touched = channel->is_dirty = true;
    *(Channel **)list_add(&touched) = channel;
}

static Guarantee *find_guarantee(const Channel *ledger, const u8 *target) {
    EACH(Guarantee, guarantee, ledger->guarantees)
        if (same_id(&guarantee->target, target)) return guarantee;
    return NULL;
}

/* A ledger's part in a channel's money, as it moves in it. */
static void tell_ledger(const u8 *ledger_id, const Channel *target, U256 to_right) {
    Channel *ledger = find_channel(ledger_id);
    Guarantee *guarantee = ledger ? find_guarantee(ledger, target->head.id.bytes) : NULL;
    if (guarantee == NULL || u256_compare(guarantee->to_right, to_right) == 0) return;
    U256 before = share_of(guarantee);
    guarantee->to_right = to_right;
    ledger->head.promised =
        u256_add(u256_sub(ledger->head.promised, before), share_of(guarantee));
    touch(ledger);
}

static void tell_ledgers(const Channel *channel) {
    const Head *head = &channel->head;
    if (!head->has_left_ledger && !head->has_right_ledger) return;
    U256 to_right = to_last(channel);
    if (head->has_left_ledger) tell_ledger(head->left_ledger.bytes, channel, to_right);
    if (head->has_right_ledger) tell_ledger(head->right_ledger.bytes, channel, to_right);
}

/* After each record: its time for what it changed, and the totals. Ledgers come behind what they
 * carry, since they were touched by it. */
static void end_record(void) {
    for (u32 i = 0; i < touched.count; i++) {
        Channel *channel = *(Channel **)list_at(&touched, i);
        channel->is_touched = false;
        if (!channel->is_known) continue;
        tell_ledgers(channel);
        channel->head.changed_seq = record.seq;
        channel->head.changed_ms = record.time_ms;
        if (channel->head.has_prefund) count_in(channel, balance_of(channel, status_of(channel)));
    }
    touched.count = 0;
}

/* --- the node's own memory ------------------------------------------------------------------------ */

static void read_node(void) {
    Writer asked = question("SELECT memory FROM fold_node WHERE id = ?", 1);
    put_int(&asked, 0);
    Reader rows = ask(&asked);
    if (read_array(&rows) == 0) return;
    read_array(&rows);
    Bytes memory = read_bytes(&rows);
    Reader reader = {memory.at, memory.at + memory.size};
    copy(&node, read_raw(&reader, sizeof node), sizeof node);
    while (!at_end(&reader))
        copy(list_add(&totals), read_raw(&reader, sizeof(Total)), sizeof(Total));
}

static void put_node(void) {
    if (!node.is_known) return;
    EACH(Total, total, totals) put_total(total);
    Writer memory = {0};
    put_raw(&memory, &node, sizeof node);
    if (totals.count) put_raw(&memory, totals.items, totals.count * sizeof(Total));
    Writer *to = row(writes.node, 2);
    put_int(to, 0);
    put_bytes(to, memory.start, memory.size);
}

#endif
