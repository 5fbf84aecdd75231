/* For reducers of app channels: who says what and when, who gets what, Ethereum's hash.
 *
 *     static void begin(Reply *reply);                                      tables, for `init`
 *     static u32 open(const Opening *opened, Reply *reply);                 0, or why not to play
 *     static u32 take(const Said *said, Reader *payload, Reply *reply);     0, or why to refuse
 *     APP_REDUCER(begin, open, take)
 *
 * The table `payouts` is made here: participant (0 the first, 1 the last) and amount, a row each. It
 * begins with what each paid in, and the node pays out what it holds. Its sum never changes: a
 * message after which it is another one is undone (`pay` keeps it).
 */
#ifndef TALLYSTICK_APP_H
#define TALLYSTICK_APP_H

#include "abi.h"

/* --- what a reducer is told ------------------------------------------------------------------ */

/* Before the first message: [channel id, nil, 0, [deposit of the first, deposit of the last]]. */
typedef struct {
    const u8 *channel_id; /* 32 bytes. */
    U256 first, last;     /* What each paid in. */
} Opening;

/* With each message: [channel id, sender, timestamp, payload]. */
typedef struct {
    const u8 *channel_id; /* 32 bytes. */
    u32 sender;           /* 0 the first participant, 1 the last. */
    u64 timestamp_ms;     /* Both agreed on it; never falls. 0 where a contract judges the game. */
} Said;

/* Nothing comes behind what was read. */
UNUSED static void no_more(const Reader *reader) {
    if (!at_end(reader)) give_up();
}

/* --- questions that one row answers ---------------------------------------------------------- */

/* Whether there is a row: the reader comes to its values next. */
UNUSED static bool first_row(Reader *answer) { return read_array(answer) && read_array(answer); }

/* --- amounts --------------------------------------------------------------------------------- */

/* amount * factor; gives up beyond 256 bits. */
UNUSED static U256 u256_times(U256 amount, u32 factor) {
    u64 carry = 0;
    for (u32 i = 32; i-- > 0;) {
        carry += (u64)amount.bytes[i] * factor;
        amount.bytes[i] = (u8)carry;
        carry >>= 8;
    }
    if (carry) give_up();
    return amount;
}

/* --- who gets what ---------------------------------------------------------------------------- */

#define PAYOUTS \
    "CREATE TABLE payouts (participant INTEGER PRIMARY KEY, amount BLOB NOT NULL) " \
    "STRICT, WITHOUT ROWID"

/* From now on: what the first gets and what the last gets, together all there is. */
UNUSED static void pay(Reply *reply, U256 first, U256 last) {
    Statement *put = statement(reply, "INSERT INTO payouts VALUES (?, ?) ON CONFLICT (participant) "
                                      "DO UPDATE SET amount = excluded.amount");
    Writer *values = row(put, 2);
    put_int(values, 0);
    u256_put(values, first);
    values = row(put, 2);
    put_int(values, 1);
    u256_put(values, last);
}

/* What a participant gets now, without what this message changes. */
UNUSED static U256 paid_to(u32 participant) {
    Writer asked = question("SELECT amount FROM payouts WHERE participant = ?", 1);
    put_int(&asked, participant);
    Reader answer = ask(&asked);
    if (!first_row(&answer)) give_up();
    return u256_read(&answer);
}

/* All there is: what both paid in. */
UNUSED static U256 pot(void) {
    Writer asked = question("SELECT amount FROM payouts ORDER BY participant", 0);
    Reader answer = ask(&asked);
    U256 all = U256_ZERO;
    for (u32 count = read_array(&answer); count--;) {
        read_array(&answer);
        all = u256_add(all, u256_read(&answer));
    }
    return all;
}

/* One gets all there is. */
UNUSED static void pay_all(Reply *reply, u32 winner) {
    if (winner == 0) pay(reply, pot(), U256_ZERO);
    else pay(reply, U256_ZERO, pot());
}

/* --- what the host calls ---------------------------------------------------------------------- */

#define APP_REDUCER(begin, open, take)                                                            \
    static void app_begin(Reply *reply) {                                                         \
        run(reply, PAYOUTS);                                                                      \
        begin(reply);                                                                             \
    }                                                                                             \
    static u32 app_open(const u8 *channel_id, Reader *message, Reply *reply) {                    \
        if (read_uint(message) != 0 || read_array(message) != 2) give_up();                       \
        Opening opened = {channel_id, U256_ZERO, U256_ZERO};                                      \
        opened.first = u256_read(message);                                                        \
        opened.last = u256_read(message);                                                         \
        no_more(message);                                                                         \
        pay(reply, opened.first, opened.last);                                                    \
        return open(&opened, reply);                                                              \
    }                                                                                             \
    static u32 app_take(Reader *message, Reply *reply) {                                          \
        if (read_array(message) != 4) give_up();                                                  \
        const u8 *channel_id = read_fixed(message, 32);                                           \
        if (read_nil(message)) return app_open(channel_id, message, reply);                       \
        Said said = {channel_id, (u32)read_uint(message), 0};                                     \
        if (said.sender > 1) give_up();                                                           \
        said.timestamp_ms = read_uint(message);                                                   \
        u32 code = take(&said, message, reply);                                                   \
        if (code == 0) no_more(message);                                                          \
        return code;                                                                              \
    }                                                                                             \
    REDUCER(app_begin, app_take)

/* --- Keccak-256 ------------------------------------------------------------------------------ */

UNUSED static void keccak_rounds(u64 lanes[25]) {
    static const u8 turns[24] = {1,  3,  6,  10, 15, 21, 28, 36, 45, 55, 2,  14,
                                 27, 41, 56, 8,  25, 43, 62, 18, 39, 61, 20, 44};
    static const u8 places[24] = {10, 7,  11, 17, 18, 3, 5,  16, 8,  21, 24, 4,
                                  15, 23, 19, 13, 12, 2, 20, 14, 22, 9,  6,  1};
    u64 column[5], carried;
    u32 lfsr = 1;
    for (u32 round = 0; round < 24; round++) {
        for (u32 x = 0; x < 5; x++)
            column[x] = lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20];
        for (u32 x = 0; x < 5; x++) {
            u64 next = column[(x + 1) % 5], mixed = column[(x + 4) % 5] ^ (next << 1 | next >> 63);
            for (u32 y = 0; y < 25; y += 5) lanes[y + x] ^= mixed;
        }
        carried = lanes[1];
        for (u32 i = 0; i < 24; i++) {
            u64 kept = lanes[places[i]];
            lanes[places[i]] = carried << turns[i] | carried >> (64 - turns[i]);
            carried = kept;
        }
        for (u32 y = 0; y < 25; y += 5) {
            for (u32 x = 0; x < 5; x++) column[x] = lanes[y + x];
            for (u32 x = 0; x < 5; x++)
                lanes[y + x] ^= ~column[(x + 1) % 5] & column[(x + 2) % 5];
        }
        for (u32 bit = 0; bit < 7; bit++) {
            if (lfsr & 1) lanes[0] ^= 1ull << ((1u << bit) - 1);
            lfsr = lfsr << 1 ^ (lfsr & 0x80 ? 0x171 : 0);
        }
    }
}

/* Ethereum's hash of some bytes: 32 bytes into `hash`. */
UNUSED static void keccak256(const void *data, u32 size, u8 *hash) {
    const u8 *at = data;
    u64 lanes[25] = {0};
    u32 place = 0;
    for (u32 i = 0; i < size; i++) {
        lanes[place / 8] ^= (u64)at[i] << (8 * (place % 8));
        if (++place < 136) continue;
        keccak_rounds(lanes);
        place = 0;
    }
    lanes[place / 8] ^= 1ull << (8 * (place % 8));
    lanes[16] ^= 1ull << 63;
    keccak_rounds(lanes);
    copy(hash, lanes, 32);
}

#endif
