/* A board that two share: posts are added, and never changed or taken away.
 *
 *     ["post", text]              up to 1,000 bytes
 *     ["reply", post, text]       to one that is there
 *
 * Nobody is paid: each gets back what it paid in.
 */
#include "app.h"

enum { NO_SUCH_ACTION = 1, EMPTY = 2, TOO_LONG = 3, NO_SUCH_POST = 4 };

enum { TEXT_SIZE_MAX = 1000 };

static void begin(Reply *reply) {
    run(reply, "CREATE TABLE posts (number INTEGER PRIMARY KEY, author INTEGER NOT NULL, "
               "posted_ms INTEGER NOT NULL, reply_to INTEGER, text TEXT NOT NULL) "
               "STRICT, WITHOUT ROWID");
    run(reply, "CREATE INDEX posts_by_reply ON posts (reply_to)");
}

static u32 open(const Opening *opened, Reply *reply) { return (void)opened, (void)reply, 0; }

static i64 last_number(void) {
    Writer asked = question("SELECT ifnull(max(number), 0) FROM posts", 0);
    Reader answer = ask(&asked);
    if (!first_row(&answer)) give_up();
    return read_int(&answer);
}

static u32 take(const Said *said, Reader *payload, Reply *reply) {
    u32 count = read_array(payload);
    if (count == 0) return NO_SUCH_ACTION;
    Bytes action = read_text(payload);
    bool is_reply = count == 3 && is_text(action, "reply");
    if (!is_reply && !(count == 2 && is_text(action, "post"))) return NO_SUCH_ACTION;

    i64 last = last_number(), reply_to = is_reply ? read_int(payload) : 0;
    Bytes text = read_text(payload);
    if (is_reply && (reply_to < 1 || reply_to > last)) return NO_SUCH_POST;
    if (text.size == 0) return EMPTY;
    if (text.size > TEXT_SIZE_MAX) return TOO_LONG;

    Writer *values = row(statement(reply, "INSERT INTO posts VALUES (?, ?, ?, ?, ?)"), 5);
    put_int(values, last + 1);
    put_int(values, said->sender);
    put_int(values, (i64)said->timestamp_ms);
    if (is_reply) put_int(values, reply_to);
    else put_nil(values);
    put_text(values, text.at, text.size);
    return 0;
}

APP_REDUCER(begin, open, take)
