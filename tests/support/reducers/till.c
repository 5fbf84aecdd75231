/* Each message is [n]: so much of what its sender has goes to the other end. 0 makes it give up. */
#include "app.h"

/* More than the sender has. */
enum { TOO_MUCH = 1 };

static void begin(Reply *reply) {
    run(reply, "CREATE TABLE said (id INTEGER PRIMARY KEY, sender INTEGER NOT NULL, "
               "amount INTEGER NOT NULL, at_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID");
}

static u32 open(const Opening *opened, Reply *reply) {
    (void)opened;
    (void)reply;
    return 0;
}

static u32 take(const Said *said, Reader *payload, Reply *reply) {
    if (read_array(payload) != 1) give_up();
    u64 amount = read_uint(payload);
    if (amount == 0) give_up();
    U256 moved = u256_of(amount), from = paid_to(said->sender), to = paid_to(1 - said->sender);
    if (u256_compare(from, moved) < 0) return TOO_MUCH;
    from = u256_sub(from, moved);
    to = u256_add(to, moved);
    if (said->sender == 0) pay(reply, from, to);
    else pay(reply, to, from);
    Writer *values = row(statement(reply, "INSERT INTO said SELECT coalesce(max(id), 0) + 1, ?, ?, ? "
                                          "FROM said"), 3);
    put_int(values, said->sender);
    put_int(values, (i64)amount);
    put_int(values, (i64)said->timestamp_ms);
    return 0;
}

APP_REDUCER(begin, open, take)
