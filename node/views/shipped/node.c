/* The node's own views: channels, payments, fees and balances over time, from its event log.
 *
 * message   an array of records, [version, seq, time_ms, cause_seq, name, payload], in order.
 *           Where a message ends changes nothing: any split of the same records gives the same rows.
 * codes     1: a record of a version that this reducer does not know
 *
 * It is a fold of its own, in C, beside the node's in protocols/; tests hold the two together.
 */
#include "on_apps.h"
#include "on_chain.h"
#include "on_lives.h"
#include "on_money.h"

enum { CODE_VERSION_UNKNOWN = 1, EVENT_VERSION = 1 };

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
    OF_CHANNEL("app-state-signed", on_app_signed),
    OF_CHANNEL("app-state-confirmed", on_app_countersigned),
    OF_CHANNEL("app-confirmation-received", on_app_countersigned),
    OF_CHANNEL("app-move-taken", on_app_move_taken),
    OF_CHANNEL("app-signature-shown", on_app_countersigned),
    OF_CHANNEL("app-move-shown", on_app_move_shown),
    OF_CHANNEL("app-standing-taken", on_app_standing),
    OF_CHANNEL("app-channel-recorded", on_app_recorded),
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
