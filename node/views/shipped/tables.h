/* The tables of the four views, and the reply's statements that fill them. */
#ifndef NODE_TABLES_H
#define NODE_TABLES_H

#include "standing.h"

#define TABLE(text) text " STRICT, WITHOUT ROWID"

static void make_tables(Reply *reply) {
    run(reply, TABLE("CREATE TABLE channels (channel_id BLOB PRIMARY KEY, kind TEXT NOT NULL, "
                     "status TEXT NOT NULL, counterparty BLOB NOT NULL, my_index INTEGER NOT NULL, "
                     "asset BLOB, ours BLOB, theirs BLOB, guaranteed BLOB, held BLOB, "
                     "paid BLOB NOT NULL, payment_count INTEGER NOT NULL, "
                     "created_seq INTEGER NOT NULL, created_ms INTEGER NOT NULL, "
                     "changed_seq INTEGER NOT NULL, changed_ms INTEGER NOT NULL)"));
    run(reply, TABLE("CREATE TABLE payments (seq INTEGER, place INTEGER, time_ms INTEGER NOT NULL, "
                     "kind TEXT NOT NULL, direction TEXT NOT NULL, channel_id BLOB NOT NULL, "
                     "payment_id BLOB, amount BLOB NOT NULL, total BLOB, memo TEXT NOT NULL, "
                     "request_id TEXT NOT NULL, PRIMARY KEY (seq, place))"));
    run(reply, TABLE("CREATE TABLE fees (seq INTEGER, place INTEGER, time_ms INTEGER NOT NULL, "
                     "direction TEXT NOT NULL, is_hub INTEGER NOT NULL, "
                     "is_returned INTEGER NOT NULL, channel_id BLOB NOT NULL, "
                     "ledger_id BLOB NOT NULL, asset BLOB NOT NULL, amount BLOB NOT NULL, "
                     "PRIMARY KEY (seq, place))"));
    run(reply, TABLE("CREATE TABLE balances (asset BLOB, time_ms INTEGER, seq INTEGER NOT NULL, "
                     "on_chain BLOB NOT NULL, channels BLOB NOT NULL, ledgers BLOB NOT NULL, "
                     "guaranteed BLOB NOT NULL, withdrawn BLOB NOT NULL, "
                     "PRIMARY KEY (asset, time_ms))"));
    run(reply, TABLE("CREATE TABLE fold_channels (channel_id BLOB PRIMARY KEY, "
                     "observed_count INTEGER NOT NULL, memory BLOB NOT NULL)"));
    run(reply, TABLE("CREATE TABLE fold_objectives (objective_id BLOB PRIMARY KEY, "
                     "kind INTEGER NOT NULL, channel_id BLOB NOT NULL)"));
    run(reply, TABLE("CREATE TABLE fold_node (id INTEGER PRIMARY KEY, memory BLOB NOT NULL)"));
}

typedef struct {
    Statement *payments, *fees, *balances, *channels, *gone_channels, *fold_channels,
        *gone_fold_channels, *objectives, *node;
} Writes;

static Writes writes;

static void begin_writes(Reply *reply) {
    writes.payments =
        statement(reply, "INSERT INTO payments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    writes.fees = statement(reply, "INSERT INTO fees VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    writes.balances = statement(reply, "REPLACE INTO balances VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
    writes.channels =
        statement(reply, "REPLACE INTO channels VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    writes.fold_channels = statement(reply, "REPLACE INTO fold_channels VALUES (?, ?, ?)");
    writes.gone_channels = statement(reply, "DELETE FROM channels WHERE channel_id = ?");
    writes.gone_fold_channels = statement(reply, "DELETE FROM fold_channels WHERE channel_id = ?");
    writes.objectives = statement(reply, "REPLACE INTO fold_objectives VALUES (?, ?, ?)");
    writes.node = statement(reply, "REPLACE INTO fold_node VALUES (?, ?)");
}

static void put_channel_row(Channel *channel) {
    const Head *head = &channel->head;
    Writer *to = row(writes.channels, 16);
    put_bytes(to, head->id.bytes, 32);
    put_string(to, head->is_app         ? "app"
                   : head->is_consensus ? "ledger"
                   : head->is_virtual || head->participant_count > 2 ? "virtual" : "direct");
    put_string(to, STATUS_NAMES[status_of(channel)]);
    put_bytes(to, head->counterparty.bytes, 20);
    put_int(to, head->my_index);
    if (head->has_prefund) {
        Shares shares = shares_of(channel);
        put_bytes(to, head->asset.bytes, 20);
        u256_put(to, shares.ours);
        u256_put(to, shares.theirs);
        u256_put(to, shares.guaranteed);
        u256_put(to, held(channel));
    } else {
        for (u32 i = 0; i < 5; i++) put_nil(to);
    }
    u256_put(to, head->paid);
    put_int(to, (i64)head->payment_count);
    put_int(to, head->created_seq);
    put_int(to, head->created_ms);
    put_int(to, head->changed_seq);
    put_int(to, head->changed_ms);
}

/* What the message changed of the channels, in the order in which it named them. */
static void put_channels(void) {
    EACH(ChannelRef, place, channels.loaded) {
        Channel *channel = *place;
        if (!channel->is_dirty) continue;
        if (!channel->is_known) {
            put_bytes(row(writes.gone_channels, 1), channel->head.id.bytes, 32);
            put_bytes(row(writes.gone_fold_channels, 1), channel->head.id.bytes, 32);
            continue;
        }
        put_channel_row(channel);
        Writer *to = row(writes.fold_channels, 3);
        put_bytes(to, channel->head.id.bytes, 32);
        put_int(to, channel->observed.count);
        write_channel(channel, to);
    }
}

#endif
