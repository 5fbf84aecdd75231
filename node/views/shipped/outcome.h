/* Outcomes in Solidity's ABI: the one canonical layout, read from front to back.
 *
 * Bytes of any other form are no outcome, as for the node itself (protocols/abi.py).
 */
#ifndef NODE_OUTCOME_H
#define NODE_OUTCOME_H

#include "memory.h"

enum { SIMPLE = 0, GUARANTEE_TYPE = 2 };

typedef struct {
    Reader reader;
    bool is_wrong;
} Abi;

static const u8 ZERO_WORD[32];

static const u8 *abi_take(Abi *abi, u32 size) {
    if (abi->is_wrong || size > (u32)(abi->reader.end - abi->reader.at)) {
        abi->is_wrong = true;
        return ZERO_WORD;
    }
    return read_raw(&abi->reader, size);
}

static u64 abi_number(Abi *abi, u64 most) {
    const u8 *word = abi_take(abi, 32);
    u64 value = 0;
    for (u32 i = 24; i < 32; i++) value = value << 8 | word[i];
    if (!equal(word, ZERO_WORD, 24) || value > most) {
        abi->is_wrong = true;
        return 0;
    }
    return value;
}

static void abi_expect(Abi *abi, u64 expected) {
    if (abi_number(abi, ~0ull) != expected) abi->is_wrong = true;
}

static Bytes abi_bytes(Abi *abi) {
    u32 size = (u32)abi_number(abi, 1u << 20);
    const u8 *at = abi_take(abi, size);
    u32 padding = (0u - size) & 31u;
    if (!equal(abi_take(abi, padding), ZERO_WORD, padding)) abi->is_wrong = true;
    return (Bytes){at, abi->is_wrong ? 0 : size};
}

/* The count of an array of values of any size, with where its offsets stand and count from. */
typedef struct {
    u32 count;
    Abi offsets;
    const u8 *base;
} AbiArray;

static AbiArray abi_array(Abi *abi) {
    u32 count = (u32)abi_number(abi, 4096);
    AbiArray made = {count, *abi, abi->reader.at};
    abi_take(abi, 32 * made.count);
    if (abi->is_wrong) made.count = 0;
    return made;
}

static void abi_at_next(Abi *abi, AbiArray *array) {
    if (abi_number(&array->offsets, ~0ull) != (u64)(abi->reader.at - array->base))
        abi->is_wrong = true;
}

typedef struct {
    Address asset;
    u32 first, count; /* of the shares, in the list they were added to */
    bool is_known;
} Exit;

static void abi_share(Abi *abi, List *shares, u32 outcome, U256 *total) {
    Share *share = list_add(shares);
    share->outcome = outcome;
    copy(share->destination.bytes, abi_take(abi, 32), 32);
    share->amount = u256_from(abi_take(abi, 32));
    share->type = (u8)abi_number(abi, 255);
    abi_expect(abi, 0x80);
    Bytes metadata = abi_bytes(abi);
    if (metadata.size == 64) {
        share->has_parties = true;
        copy(share->left.bytes, metadata.at, 32);
        copy(share->right.bytes, metadata.at + 32, 32);
    }
    if (u256_add_over(total, share->amount)) abi->is_wrong = true;
}

static void abi_exit(Abi *abi, List *shares, u32 outcome, Exit *exit) {
    if (!equal(abi_take(abi, 12), ZERO_WORD, 12)) abi->is_wrong = true;
    copy(exit->asset.bytes, abi_take(abi, 20), 20);
    const u8 *start = abi->reader.at - 32;
    abi_expect(abi, 0x60);
    u64 allocations_at = abi_number(abi, ~0ull);
    abi_number(abi, 255);
    abi_expect(abi, 0x40);
    abi_bytes(abi);
    if (allocations_at != (u64)(abi->reader.at - start)) abi->is_wrong = true;
    AbiArray array = abi_array(abi);
    U256 total = U256_ZERO;
    for (u32 i = 0; i < array.count && !abi->is_wrong; i++) {
        abi_at_next(abi, &array);
        abi_share(abi, shares, outcome, &total);
        exit->count++;
    }
}

/* The single asset's shares, added to the list under that number; nothing added if there is not
 * exactly one asset or the bytes are wrong. */
static Exit abi_exits(Abi *abi, List *shares, u32 outcome) {
    Exit found = {{{0}}, shares->count, 0, false};
    AbiArray exits = abi_array(abi);
    for (u32 i = 0; i < exits.count && !abi->is_wrong; i++) {
        abi_at_next(abi, &exits);
        abi_exit(abi, shares, outcome, &found);
    }
    found.is_known = !abi->is_wrong && exits.count == 1 && at_end(&abi->reader);
    if (!found.is_known) {
        shares->count = found.first;
        found.count = 0;
    }
    return found;
}

static Exit read_outcome(Bytes encoded, List *shares, u32 outcome) {
    Abi abi = {{encoded.at, encoded.at + encoded.size}, encoded.size == 0};
    abi_expect(&abi, 0x20);
    return abi_exits(&abi, shares, outcome);
}

typedef struct {
    u64 turn_num;
    bool is_final;
    Exit exit;
    List shares;
} State;

static State read_state(Bytes encoded) {
    State state = {.shares = {.item_size = sizeof(Share)}};
    Abi abi = {{encoded.at, encoded.at + encoded.size}, false};
    abi_take(&abi, 32);
    abi_expect(&abi, 0xa0);
    u64 outcome_at = abi_number(&abi, ~0ull);
    state.turn_num = abi_number(&abi, 0xffffffffffffull);
    state.is_final = abi_number(&abi, 1);
    abi_bytes(&abi);
    if (outcome_at != (u64)(abi.reader.at - encoded.at)) abi.is_wrong = true;
    state.exit = abi_exits(&abi, &state.shares, 0);
    return state;
}

/* --- what a channel keeps of outcomes ---------------------------------------------------------- */

static void forget_outcome(Channel *channel, u32 outcome) {
    for (u32 i = channel->shares.count; i-- > 0;)
        if (((Share *)list_at(&channel->shares, i))->outcome == outcome)
            list_remove(&channel->shares, i);
}

/* The outcome under another number, which is forgotten first. */
static void copy_outcome(Channel *channel, u32 from, u32 to) {
    forget_outcome(channel, to);
    for (u32 i = 0, count = channel->shares.count; i < count; i++) {
        Share share = *(Share *)list_at(&channel->shares, i);
        if (share.outcome != from) continue;
        share.outcome = to;
        *(Share *)list_add(&channel->shares) = share;
    }
}

/* What the outcome owes our address beside guarantees. */
static U256 own_rest(const Channel *channel, u32 outcome) {
    Id mine = me_destination(channel);
    U256 sum = U256_ZERO;
    EACH(Share, share, channel->shares)
        if (share->outcome == outcome && same_id(&mine, share->destination.bytes))
            sum = u256_add(sum, share->amount);
    return sum;
}

#endif
