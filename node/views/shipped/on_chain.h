/* What events of the chain make. */
#ifndef NODE_ON_CHAIN_H
#define NODE_ON_CHAIN_H

#include "fields.h"

static void on_observed(Channel *channel, Fields *fields) {
    Observed log = {.number = channel->head.next_number++};
    log.name = (u8)log_name(next_text(fields));
    log.block_num = next_uint(fields);
    copy(log.block_hash.bytes, next_id(fields), 32);
    copy(log.tx_hash.bytes, next_id(fields), 32);
    skip(fields, 1);
    log.log_index = next_uint(fields);
    copy(log.asset.bytes, read_fixed(next(fields), 20), 20);
    log.amount = next_amount(fields);
    log.finalizes_at = next_uint(fields);
    skip(fields, 2);
    log.has_exit = read_outcome(next_bytes(fields), &channel->shares, log.number).is_known;
    Reader *reader = next(fields);
    u32 count = read_array(reader), first = channel->paid_shares.count;
    for (u32 i = 0; i < count; i++) {
        PaidShare *paid = list_add(&channel->paid_shares);
        paid->observed = log.number;
        paid->index = (u32)read_uint(reader);
    }
    reader = next(fields);
    for (u32 i = 0, amounts = read_array(reader); i < amounts; i++) {
        U256 amount = u256_read(reader);
        if (i < count) ((PaidShare *)list_at(&channel->paid_shares, first + i))->amount = amount;
    }
    Bytes target = next_bytes(fields);
    if (target.size == 32) copy(log.target.bytes, target.at, 32);
    *(Observed *)list_add(&channel->observed) = log;
}

static void on_refuted(Channel *channel, Fields *fields) {
    skip(fields, 1);
    u64 block_num = next_uint(fields);
    const u8 *block_hash = next_id(fields);
    skip(fields, 1);
    u64 log_index = next_uint(fields);
    for (u32 i = channel->observed.count; i-- > 0;) {
        const Observed *log = list_at(&channel->observed, i);
        if (log->block_num == block_num && log->log_index == log_index &&
            same_id(&log->block_hash, block_hash))
            forget_observed(channel, i);
    }
}

/* A confirmed fact about holdings: [block_num, tx_index, asset, ..., now held, tx_hash]. */
static void on_holdings(Channel *channel, Fields *fields, LogName name, u32 skipped) {
    u64 block_num = next_uint(fields);
    skip(fields, 1);
    const u8 *asset = read_fixed(next(fields), 20);
    skip(fields, skipped);
    U256 now_held = next_amount(fields);
    confirm(channel, name, block_num, next_hash(fields), -1);
    set_held(channel, asset, now_held);
}

static void on_deposited(Channel *channel, Fields *fields) {
    on_holdings(channel, fields, LOG_DEPOSITED, 1);
}

static void on_allocation(Channel *channel, Fields *fields) {
    on_holdings(channel, fields, LOG_ALLOCATION_UPDATED, 0);
}

static void on_challenged(Channel *channel, Fields *fields) {
    u64 block_num = next_uint(fields);
    skip(fields, 6);
    confirm(channel, LOG_CHALLENGE_REGISTERED, block_num, next_hash(fields), -1);
}

static void on_cleared(Channel *channel, Fields *fields) {
    u64 block_num = next_uint(fields);
    skip(fields, 2);
    Bytes tx_hash = next_hash(fields);
    confirm(channel, LOG_CHALLENGE_CLEARED, block_num, tx_hash, -1);
    confirm(channel, LOG_CHECKPOINTED, block_num, tx_hash, -1);
}

static void on_concluded(Channel *channel, Fields *fields) {
    u64 block_num = next_uint(fields);
    skip(fields, 2);
    confirm(channel, LOG_CONCLUDED, block_num, next_hash(fields), -1);
    channel->head.chain_status = CHAIN_CONCLUDED;
}

static void on_withdrawn(Channel *channel, Fields *fields) {
    skip(fields, 2);
    const u8 *recipient = read_fixed(next(fields), 20);
    skip(fields, 1);
    U256 amount = next_amount(fields);
    if (equal(recipient, node.me.bytes, 20))
        channel->head.withdrawn = u256_add(channel->head.withdrawn, amount);
}

static void on_outcome(Channel *channel, Fields *fields, LogName name) {
    u64 block_num = next_uint(fields);
    skip(fields, 1);
    u64 log_index = next_uint(fields);
    skip(fields, 3);
    confirm(channel, name, block_num, next_hash(fields), (i64)log_index);
}

static void on_outcome_paid(Channel *channel, Fields *fields) {
    on_outcome(channel, fields, LOG_OUTCOME_PAID);
}

static void on_outcome_reclaimed(Channel *channel, Fields *fields) {
    on_outcome(channel, fields, LOG_OUTCOME_RECLAIMED);
}

static void on_expired(Channel *channel, Fields *fields) {
    (void)fields;
    channel->head.chain_status = CHAIN_EXPIRED;
}

static void on_halted(Channel *channel, Fields *fields) {
    (void)fields;
    channel->head.is_halted = true;
}

static void on_lifted(Channel *channel, Fields *fields) {
    (void)fields;
    channel->head.is_halted = false;
}

static void on_holdings_read(Channel *channel, Fields *fields) {
    const u8 *asset = read_fixed(next(fields), 20);
    U256 amount = next_amount(fields);
    u64 block_num = next_uint(fields);
    skip(fields, 1);
    word_read(channel, block_num, next_uint(fields));
    set_held(channel, asset, amount);
}

static void on_reorged(Fields *fields) {
    u64 fork_block_num = next_uint(fields);
    Writer asked = question(
        "SELECT channel_id, memory FROM fold_channels WHERE observed_count > ? ORDER BY channel_id", 1);
    put_int(&asked, 0);
    take_channels(ask(&asked));
    EACH(ChannelRef, place, channels.loaded)
        if ((*place)->is_known && retract(*place, fork_block_num)) touch(*place);
}

#endif
