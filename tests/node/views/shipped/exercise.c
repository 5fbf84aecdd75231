/* What the tests of abi.h run: it does what the message says and answers in rows.
 *
 * message   ["echo", value]           the value read and written again
 *           ["add" | "sub" | "compare" | "min", amount, amount]
 *           ["ask"]                   all rows, through the host
 *           ["refuse", code]
 *           ["take", size]            so much memory, touched at its ends
 */
#include "abi.h"

static void begin(Reply *reply) {
    run(reply, "CREATE TABLE result (id INTEGER PRIMARY KEY, number INTEGER, value BLOB) "
               "STRICT, WITHOUT ROWID");
}

static const char *const PUT =
    "INSERT INTO result VALUES (?, ?, ?) "
    "ON CONFLICT (id) DO UPDATE SET number = excluded.number, value = excluded.value";

static void result(Reply *reply, i64 number, const void *value, u32 size) {
    Writer *at = row(statement(reply, PUT), 3);
    put_int(at, 1);
    put_int(at, number);
    put_bytes(at, value, size);
}

static void echo(Reader *from, Writer *to) {
    switch (next_kind(from)) {
    case KIND_NIL: read_nil(from); put_nil(to); break;
    case KIND_BOOL: put_int(to, read_bool(from)); break;
    case KIND_INT: put_int(to, read_int(from)); break;
    case KIND_TEXT: { Bytes found = read_text(from); put_text(to, found.at, found.size); break; }
    case KIND_BYTES: { Bytes found = read_bytes(from); put_bytes(to, found.at, found.size); break; }
    case KIND_ARRAY: {
        u32 count = read_array(from);
        put_array(to, count);
        while (count--) echo(from, to);
    }
    }
}

static u32 take(Reader *message, Reply *reply) {
    read_array(message);
    Bytes word = read_text(message);
    if (is_text(word, "echo")) {
        Writer out = {0};
        Reader again = *message;
        echo(message, &out);
        skip_value(&again);
        result(reply, at_end(&again) && at_end(message), out.start, out.size);
    } else if (is_text(word, "ask")) {
        Writer asked = question("SELECT number, value FROM result WHERE id > ?", 1);
        put_int(&asked, 0);
        Reader answer = ask(&asked);
        result(reply, (i64)(answer.end - answer.at), answer.at, (u32)(answer.end - answer.at));
    } else if (is_text(word, "refuse")) {
        result(reply, 1, "lost", 4);
        return (u32)read_uint(message);
    } else if (is_text(word, "take")) {
        u32 size = (u32)read_uint(message);
        u8 *taken = take_memory(size);
        bool is_clean = taken[0] == 0 && taken[size - 1] == 0;
        taken[0] = taken[size - 1] = 1;
        result(reply, is_clean, "", 0);
    } else {
        U256 one = u256_read(message), other = u256_read(message);
        if (is_text(word, "add")) {
            bool is_over = u256_add_over(&one, other);
            result(reply, is_over, one.bytes, 32);
        } else if (is_text(word, "sub")) {
            bool is_under = u256_sub_under(&one, other);
            result(reply, is_under, one.bytes, 32);
        } else if (is_text(word, "compare")) {
            result(reply, u256_compare(one, other), "", 0);
        } else {
            U256 least = u256_min(one, other);
            result(reply, 0, least.bytes, 32);
        }
    }
    return 0;
}

REDUCER(begin, take)
