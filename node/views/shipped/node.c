/* The node's own views: channels, payments, fees and balances over time, from its event log.
 *
 * message   an array of records, [version, seq, time_ms, cause_seq, name, payload], in order.
 *           Where a message ends changes nothing: any split of the same records gives the same rows.
 * codes     1: a record of a version that this reducer does not know
 *
 * It is a fold of its own, in C, beside the node's in protocols/; tests hold the two together.
 */
#include "ledger.h"

enum { CODE_VERSION_UNKNOWN = 1, EVENT_VERSION = 1 };

/* The fields of one event, read one after the other, as many as are wanted. */
typedef struct {
    Reader *reader;
    u32 left;
} Fields;

static Reader *next(Fields *fields) {
    if (fields->left == 0) give_up();
    fields->left--;
    return fields->reader;
}

static void skip(Fields *fields, u32 count) {
    while (count--) skip_value(next(fields));
}

static const u8 *next_id(Fields *fields) { return read_fixed(next(fields), 32); }
static u64 next_uint(Fields *fields) { return read_uint(next(fields)); }
static U256 next_amount(Fields *fields) { return u256_read(next(fields)); }
static Bytes next_text(Fields *fields) { return read_text(next(fields)); }
static Bytes next_bytes(Fields *fields) { return read_bytes(next(fields)); }

static Bytes next_hash(Fields *fields) {
    Reader *reader = next(fields);
    return read_nil(reader) ? (Bytes){NULL, 0} : read_bytes(reader);
}

/* --- lives of channels and objectives ------------------------------------------------------------ */

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

/* --- payments -------------------------------------------------------------------------------------- */

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

/* --- ledgers --------------------------------------------------------------------------------------- */

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

/* --- the chain -------------------------------------------------------------------------------------- */

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

/* --- which event does what ------------------------------------------------------------------------- */

typedef struct {
    const char *name;
    u32 size;
    void (*of_channel)(Channel *, Fields *);
    void (*of_node)(Fields *);
} Event;

#define OF_CHANNEL(name, function) {name, sizeof name - 1, function, NULL}
#define OF_NODE(name, function) {name, sizeof name - 1, NULL, function}

/* The most frequent first. All others mean nothing here. */
static const Event EVENTS[] = {
    OF_CHANNEL("voucher-issued", on_issued),
    OF_CHANNEL("voucher-received", on_received),
    OF_CHANNEL("payment-listed", on_listed),
    OF_CHANNEL("ledger-update-proposed", on_proposed),
    OF_CHANNEL("ledger-update-received", on_proposed),
    OF_CHANNEL("ledger-update-signed", on_agreed),
    OF_CHANNEL("ledger-update-confirmed", on_agreed),
    OF_CHANNEL("voucher-created", on_handed),
    OF_CHANNEL("voucher-taken", on_taken),
    OF_CHANNEL("state-stored", on_state_stored),
    OF_CHANNEL("state-signed", on_signature),
    OF_CHANNEL("state-received", on_signature),
    OF_CHANNEL("state-supported-updated", on_supported),
    OF_CHANNEL("final-state-requested", on_final_requested),
    OF_CHANNEL("final-state-refused", on_final_requested),
    OF_CHANNEL("virtual-channel-recorded", on_virtual_recorded),
    OF_CHANNEL("virtual-channel-pruned", on_pruned),
    OF_CHANNEL("ledger-countersignature-seen", on_agreed),
    OF_CHANNEL("ledger-update-refused", on_refused),
    OF_CHANNEL("ledger-refusal-received", on_refused),
    OF_CHANNEL("ledger-restored", on_restored),
    OF_CHANNEL("ledger-resumed", on_resumed),
    OF_CHANNEL("chain-log-observed", on_observed),
    OF_CHANNEL("chain-log-refuted", on_refuted),
    OF_CHANNEL("deposit-detected", on_deposited),
    OF_CHANNEL("allocation-updated", on_allocation),
    OF_CHANNEL("challenge-registered", on_challenged),
    OF_CHANNEL("challenge-cleared", on_cleared),
    OF_CHANNEL("channel-concluded", on_concluded),
    OF_CHANNEL("withdraw-completed", on_withdrawn),
    OF_CHANNEL("outcome-paid", on_outcome_paid),
    OF_CHANNEL("outcome-reclaimed", on_outcome_reclaimed),
    OF_CHANNEL("challenge-expired", on_expired),
    OF_CHANNEL("channel-halted", on_halted),
    OF_CHANNEL("channel-halt-lifted", on_lifted),
    OF_CHANNEL("holdings-read", on_holdings_read),
    OF_NODE("node-created", on_node_created),
    OF_NODE("channel-created", on_channel_created),
    OF_NODE("objective-created", on_objective_created),
    OF_NODE("objective-rejected", on_objective_rejected),
    OF_NODE("objective-completed", on_objective_completed),
    OF_NODE("chain-reorged", on_reorged),
};

static const Event *find_event(Bytes name) {
    for (u32 i = 0; i < sizeof EVENTS / sizeof *EVENTS; i++)
        if (EVENTS[i].size == name.size && equal(EVENTS[i].name, name.at, name.size))
            return &EVENTS[i];
    return NULL;
}

/* A record that means something here. */
typedef struct {
    const Event *event;
    Reader payload;
    i64 seq, time_ms;
} Found;

/* The records that mean something; false for one of a version that is not known. */
static bool find_records(Reader *message, List *found) {
    for (u32 left = read_array(message); left; left--) {
        if (read_array(message) != 6) give_up();
        u64 version = read_uint(message);
        i64 seq = read_int(message), time_ms = read_int(message);
        skip_value(message);
        const Event *event = find_event(read_text(message));
        Reader payload = *message;
        skip_value(message);
        if (event == NULL) continue;
        if (version != EVENT_VERSION) return false;
        *(Found *)list_add(found) = (Found){event, {payload.at, message->at}, seq, time_ms};
    }
    return true;
}

/* Ask for the channels of the whole message at once: a question costs more than many records. */
static void preload_all(const List *found) {
    const u8 *ids[PRELOAD_COUNT], *last = NULL;
    u32 count = 0;
    EACH(Found, item, *found) {
        Reader payload = item->payload;
        if (item->event->of_channel == NULL || read_array(&payload) == 0) continue;
        const u8 *id = read_fixed(&payload, 32);
        bool is_wanted = (last == NULL || !equal(last, id, 32)) && find_loaded(id) == NULL;
        last = id;
        for (u32 i = 0; i < count && is_wanted; i++) is_wanted = !equal(ids[i], id, 32);
        if (is_wanted) ids[count++] = id;
        if (count == PRELOAD_COUNT) {
            preload(ids, count);
            count = 0;
        }
    }
    preload(ids, count);
}

static void fold(const Event *event, Fields *fields) {
    if (event->of_node) {
        event->of_node(fields);
    } else {
        Channel *channel = find_channel(next_id(fields));
        if (channel != NULL) {
            touch(channel);
            event->of_channel(channel, fields);
        }
    }
    end_record();
}

static u32 take(Reader *message, Reply *reply) {
    begin_writes(reply);
    read_node();
    List found = {.item_size = sizeof(Found)};
    expect_rows(writes.payments, (u32)(message->end - message->at));
    if (!find_records(message, &found)) return CODE_VERSION_UNKNOWN;
    preload_all(&found);
    EACH(Found, item, found) {
        record = (Record){.seq = item->seq, .time_ms = item->time_ms};
        Fields fields = {&item->payload, 0};
        fields.left = read_array(&item->payload);
        fold(item->event, &fields);
    }
    put_channels();
    put_node();
    return 0;
}

static void begin(Reply *reply) { make_tables(reply); }

REDUCER(begin, take)
