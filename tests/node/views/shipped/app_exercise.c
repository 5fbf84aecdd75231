/* Does what a message of an app channel says with the functions of app.h, and notes what came out. */
#include "app.h"

static void begin(Reply *reply) {
    run(reply, "CREATE TABLE result (id INTEGER PRIMARY KEY, sender INTEGER, stamp INTEGER, "
               "channel BLOB, value BLOB) STRICT, WITHOUT ROWID");
}

static u32 open(const Opening *opened, Reply *reply) {
    (void)reply;
    return u256_is_zero(opened->first) ? 8 : 0;
}

static u32 take(const Said *said, Reader *message, Reply *reply) {
    if (read_array(message) != 2) give_up();
    Bytes what = read_text(message);
    u8 value[32];
    if (is_text(what, "keccak")) {
        Bytes data = read_bytes(message);
        keccak256(data.at, data.size, value);
    } else if (is_text(what, "times")) {
        u64 factor = read_uint(message);
        U256 product = u256_times(u256_from(said->channel_id), (u32)factor);
        copy(value, product.bytes, 32);
    } else if (is_text(what, "has row")) {
        Writer asked = question("SELECT id FROM result WHERE sender = ?", 1);
        put_int(&asked, (i64)read_uint(message));
        Reader answer = ask(&asked);
        for (u32 i = 0; i < 32; i++) value[i] = 0;
        value[31] = first_row(&answer) && read_int(&answer) == 0;
    } else if (is_text(what, "pay all")) {
        U256 all = pot();
        copy(value, all.bytes, 32);
        pay_all(reply, (u32)read_uint(message));
    } else if (is_text(what, "paid to")) {
        U256 paid = paid_to((u32)read_uint(message));
        copy(value, paid.bytes, 32);
    } else return 9;
    Statement *note = statement(reply, "INSERT OR REPLACE INTO result VALUES (0, ?, ?, ?, ?)");
    Writer *values = row(note, 4);
    put_int(values, said->sender);
    put_int(values, (i64)said->timestamp_ms);
    put_bytes(values, said->channel_id, 32);
    put_bytes(values, value, 32);
    return 0;
}

APP_REDUCER(begin, open, take)
