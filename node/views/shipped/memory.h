/* What the fold remembers: channels, objectives and totals, between messages as rows of bytes.
 *
 * A channel is one plain structure and lists of plain items. Its row is the structure, then each
 * list's count and items: the same bytes wherever it is made, for WebAssembly has one byte order.
 */
#ifndef NODE_MEMORY_H
#define NODE_MEMORY_H

#include "abi.h"

typedef struct {
    u8 *items;
    u32 count, capacity, item_size;
} List;

static void *list_add(List *list) {
    if (list->count == list->capacity) {
        u32 capacity = list->capacity ? list->capacity * 2 : 4;
        u8 *moved = take_memory(capacity * list->item_size);
        if (list->count) copy(moved, list->items, list->count * list->item_size);
        list->items = moved;
        list->capacity = capacity;
    }
    u8 *added = list->items + list->count++ * list->item_size;
    __builtin_memset(added, 0, list->item_size);
    return added;
}

static void *list_at(const List *list, u32 place) { return list->items + place * list->item_size; }

static void list_remove(List *list, u32 place) {
    u8 *at = list_at(list, place);
    for (u8 *end = list_at(list, list->count - 1); at < end; at += list->item_size)
        copy(at, at + list->item_size, list->item_size);
    list->count--;
}

static void list_drop_first(List *list, u32 count) {
    list->items += count * list->item_size;
    list->count -= count;
    list->capacity -= count;
}

#define EACH(Type, item, list)                                                                    \
    for (Type *item = (Type *)(list).items, *item##_end = item + (list).count; item < item##_end; \
         item++)

typedef struct {
    u8 bytes[20];
} Address;

typedef struct {
    u8 bytes[32];
} Id;

static bool same_id(const Id *one, const u8 *other) { return equal(one->bytes, other, 32); }

/* --- items of lists ------------------------------------------------------------------------ */

typedef struct {
    u64 turn_num;
    u32 signers; /* one bit a participant */
    u8 is_final;
    U256 last_amount; /* of the last allocation: the payee's */
    U256 own_amount;  /* of simple allocations to us */
} Turn;

typedef struct {
    Address asset;
    U256 amount;
} Holding;

/* One allocation of an outcome; `outcome` says of which. */
typedef struct {
    u32 outcome;
    u8 type;
    u8 has_parties; /* 64 bytes of metadata */
    Id destination, left, right;
    U256 amount;
} Share;

typedef struct {
    u32 number; /* of the paid shares and of the outcome that belong to it */
    u8 name, has_exit;
    u64 block_num, log_index, finalizes_at;
    Id block_hash, tx_hash, target;
    Address asset;
    U256 amount;
} Observed;

typedef struct {
    u32 observed;
    u32 index;
    U256 amount;
} PaidShare;

typedef struct {
    u64 turn_num;
    u8 kind, is_left_ours, is_left_leader, is_refused, is_cancelled;
    Id target;
    U256 amount, left_amount, fee;
    u32 request_id_size;
    u8 request_id[160];
} Change;

typedef struct {
    Id target;
    u8 is_left_ours;
    U256 amount, to_right; /* to_right: of the target, as far as we know */
} Guarantee;

/* --- a channel ------------------------------------------------------------------------------ */

typedef enum { CHAIN_OPEN, CHAIN_CHALLENGED, CHAIN_EXPIRED, CHAIN_CONCLUDED } ChainStatus;

typedef struct {
    U256 parts[5]; /* as the columns of `balances`: on chain, channels, ledgers, ... */
} Balance;

typedef struct {
    Id id;
    u8 my_index, participant_count, is_consensus, has_prefund;
    u8 is_virtual, is_settled, has_left_ledger, has_right_ledger;
    u8 is_rejected, is_final_requested, has_ledger, is_halted;
    u8 chain_status, has_adjudicated, has_first_exit, has_exit, is_left;
    u8 is_app, is_judged;
    Address me, counterparty, asset;
    Id left_ledger, right_ledger;
    U256 paid, withdrawn, leader, follower, promised;
    U256 app_signed, app_supported; /* of an application: the last end's by the newest states */
    u64 payment_count, finalizes_at;
    i64 created_seq, created_ms, changed_seq, changed_ms;
    u32 next_number;
    Balance counted; /* what of it is in the totals, under its asset */
} Head;

enum { LIST_COUNT = 9 };

typedef struct Channel {
    struct Channel *next; /* in its bucket */
    Head head;
    union {
        struct {
            List participants, deposits, turns, holdings, shares, observed, paid_shares, queue,
                guarantees;
        };
        List lists[LIST_COUNT];
    };
    bool is_known, is_touched, is_dirty;
} Channel;

typedef Channel *ChannelRef;

static const u32 ITEM_SIZES[LIST_COUNT] = {
    sizeof(Address), sizeof(U256),     sizeof(Turn),      sizeof(Holding), sizeof(Share),
    sizeof(Observed), sizeof(PaidShare), sizeof(Change), sizeof(Guarantee)};

/* Numbers of outcomes: what stood when the channel finalised, what stands, then the observed. */
enum { FIRST_OUTCOME = 1, OUTCOME = 2, FIRST_FREE_NUMBER = 3 };

static Id me_destination(const Channel *channel) {
    Id made = {{0}};
    copy(made.bytes + 12, channel->head.me.bytes, 20);
    return made;
}

static bool is_end(const Channel *channel) {
    return channel->head.my_index == 0 ||
           channel->head.my_index + 1 == channel->head.participant_count;
}

/* --- all channels that the message names ----------------------------------------------------- */

enum { BUCKET_COUNT = 4096, PRELOAD_COUNT = 96 };

typedef struct {
    Channel *buckets[BUCKET_COUNT];
    List loaded; /* Channel *, in the order in which they were met */
} Channels;

static Channels channels;

static u32 bucket_of(const u8 *id) { return (id[0] | id[1] << 8) & (BUCKET_COUNT - 1); }

static Channel *find_loaded(const u8 *id) {
    for (Channel *at = channels.buckets[bucket_of(id)]; at; at = at->next)
        if (same_id(&at->head.id, id)) return at;
    return NULL;
}

static Channel *keep_channel(const u8 *id) {
    Channel *made = take_memory(sizeof *made), **bucket = &channels.buckets[bucket_of(id)];
    copy(made->head.id.bytes, id, 32);
    for (u32 i = 0; i < LIST_COUNT; i++) made->lists[i].item_size = ITEM_SIZES[i];
    made->next = *bucket;
    *bucket = made;
    channels.loaded.item_size = sizeof(Channel *);
    *(Channel **)list_add(&channels.loaded) = made;
    return made;
}

static void read_channel(Channel *channel, Bytes memory) {
    Reader reader = {memory.at, memory.at + memory.size};
    copy(&channel->head, read_raw(&reader, sizeof channel->head), sizeof channel->head);
    for (u32 i = 0; i < LIST_COUNT; i++) {
        List *list = &channel->lists[i];
        u32 count;
        copy(&count, read_raw(&reader, 4), 4);
        if (count > 65536) give_up();
        u32 size = count * list->item_size;
        const u8 *items = read_raw(&reader, size);
        list->items = take_memory(size);
        copy(list->items, items, size);
        list->count = list->capacity = count;
    }
    channel->is_known = true;
}

static void write_channel(const Channel *channel, Writer *to) {
    Writer memory = {0};
    put_raw(&memory, &channel->head, sizeof channel->head);
    for (u32 i = 0; i < LIST_COUNT; i++) {
        const List *list = &channel->lists[i];
        put_raw(&memory, &list->count, 4);
        if (list->count) put_raw(&memory, list->items, list->count * list->item_size);
    }
    put_bytes(to, memory.start, memory.size);
}

/* Rows of [id, memory]; a channel that is here already is newer here. */
static void take_channels(Reader rows) {
    for (u32 count = read_array(&rows); count; count--) {
        read_array(&rows);
        const u8 *id = read_fixed(&rows, 32);
        Bytes memory = read_bytes(&rows);
        Channel *channel = find_loaded(id);
        if (channel == NULL) channel = keep_channel(id);
        else if (channel->is_known || channel->is_dirty) continue;
        read_channel(channel, memory);
    }
}

/* The channels with these ids, all in one question: places without a row stay unknown. */
static void preload(const u8 *const *ids, u32 count) {
    if (count == 0) return;
    Writer sql = {0};
    static const char begin[] = "SELECT channel_id, memory FROM fold_channels WHERE channel_id IN (";
    put_raw(&sql, begin, sizeof begin - 1);
    for (u32 i = 0; i < count; i++) put_raw(&sql, i ? ",?" : "?", i ? 2 : 1);
    put_raw(&sql, ")", 2);
    Writer asked = question((const char *)sql.start, count);
    for (u32 i = 0; i < count; i++) {
        put_bytes(&asked, ids[i], 32);
        keep_channel(ids[i]);
    }
    // What is read is copied out of it.
    static Writer room;
    if (room.start == NULL) make_room(&room, 256 * 1024);
    take_channels(ask_into(&asked, &room));
}

/* The channel; NULL if there is none. */
static Channel *find_channel(const u8 *id) {
    Channel *found = find_loaded(id);
    if (found == NULL) {
        const u8 *ids[1] = {id};
        preload(ids, 1);
        found = find_loaded(id);
    }
    return found->is_known ? found : NULL;
}

#endif
