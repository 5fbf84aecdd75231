/* The meter of an API: who asked for what, what it costs, and what was paid for.
 *
 * The first participant is the client, the last the server. Money moves in a payment channel beside
 * this one, by vouchers that can be redeemed on chain; this channel is the account of it.
 *
 *     server  ["price", method, amount]     of requests from now on
 *     server  ["credit", amount]            how much may be owed and asked for; 0 at first
 *     client  ["request", method, bytes]    its number is the next one
 *     server  ["answer", number, bytes]     now it is owed
 *     server  ["paid", amount]              all that came in through the payment channel so far
 */
#include "app.h"

enum {
    NO_SUCH_ACTION = 1, NOT_THE_CLIENT = 2, NOT_THE_SERVER = 3, NO_SUCH_METHOD = 4, PAYMENT_DUE = 5,
    NO_SUCH_REQUEST = 6, ALREADY_ANSWERED = 7, PAID_LESS = 8, TOO_LONG = 9, TOO_MUCH = 10,
};

enum { CLIENT = 0, SERVER = 1 };
enum { METHOD_SIZE_MAX = 64, DATA_SIZE_MAX = 2048 };

typedef struct {
    i64 request_count;
    U256 credit, waiting, owed, paid; /* `owed` and `paid` are totals of all time. */
} Meter;

static void keep_meter(Reply *reply, const Meter *meter) {
    Writer *values = row(statement(reply, "REPLACE INTO meter VALUES (0, ?, ?, ?, ?, ?)"), 5);
    put_int(values, meter->request_count);
    u256_put(values, meter->credit);
    u256_put(values, meter->waiting);
    u256_put(values, meter->owed);
    u256_put(values, meter->paid);
}

static void begin(Reply *reply) {
    run(reply, "CREATE TABLE meter (id INTEGER PRIMARY KEY, request_count INTEGER NOT NULL, "
               "credit BLOB NOT NULL, waiting BLOB NOT NULL, owed BLOB NOT NULL, paid BLOB NOT NULL) "
               "STRICT, WITHOUT ROWID");
    run(reply, "CREATE TABLE prices (method TEXT PRIMARY KEY, price BLOB NOT NULL) STRICT, WITHOUT ROWID");
    run(reply, "CREATE TABLE requests (number INTEGER PRIMARY KEY, method TEXT NOT NULL, "
               "price BLOB NOT NULL, requested_ms INTEGER NOT NULL, argument BLOB NOT NULL, "
               "answered_ms INTEGER, answer BLOB) STRICT, WITHOUT ROWID");
    const Meter fresh = {0, {{0}}, {{0}}, {{0}}, {{0}}};
    keep_meter(reply, &fresh);
}

static u32 open(const Opening *opened, Reply *reply) { return (void)opened, (void)reply, 0; }

static Meter read_meter(void) {
    Writer asked = question("SELECT request_count, credit, waiting, owed, paid FROM meter", 0);
    Reader answer = ask(&asked);
    if (!first_row(&answer)) give_up();
    Meter found;
    found.request_count = read_int(&answer);
    found.credit = u256_read(&answer);
    found.waiting = u256_read(&answer);
    found.owed = u256_read(&answer);
    found.paid = u256_read(&answer);
    return found;
}

/* Whether all that is owed and waiting, less what was paid, is within the credit. */
static bool is_covered(const Meter *meter) {
    U256 all = meter->owed, covered = meter->paid;
    if (u256_add_over(&all, meter->waiting)) return false;
    if (u256_add_over(&covered, meter->credit)) return true;
    return u256_compare(all, covered) <= 0;
}

static u32 set_price(Reader *payload, Reply *reply) {
    Bytes method = read_text(payload);
    U256 price = u256_read(payload);
    if (method.size == 0 || method.size > METHOD_SIZE_MAX) return TOO_LONG;
    Writer *values = row(statement(reply, "REPLACE INTO prices VALUES (?, ?)"), 2);
    put_text(values, method.at, method.size);
    u256_put(values, price);
    return 0;
}

static u32 set_credit(Reader *payload, Reply *reply) {
    Meter meter = read_meter();
    meter.credit = u256_read(payload);
    keep_meter(reply, &meter);
    return 0;
}

static u32 request(const Said *said, Reader *payload, Reply *reply) {
    Bytes method = read_text(payload), argument = read_bytes(payload);
    if (argument.size > DATA_SIZE_MAX) return TOO_LONG;
    Writer asked = question("SELECT price FROM prices WHERE method = ?", 1);
    put_text(&asked, method.at, method.size);
    Reader answer = ask(&asked);
    if (!first_row(&answer)) return NO_SUCH_METHOD;
    U256 price = u256_read(&answer);

    Meter meter = read_meter();
    meter.request_count++;
    if (u256_add_over(&meter.waiting, price)) return TOO_MUCH;
    if (!is_covered(&meter)) return PAYMENT_DUE;
    keep_meter(reply, &meter);
    Writer *values = row(statement(reply, "INSERT INTO requests VALUES (?, ?, ?, ?, ?, NULL, NULL)"), 5);
    put_int(values, meter.request_count);
    put_text(values, method.at, method.size);
    u256_put(values, price);
    put_int(values, (i64)said->timestamp_ms);
    put_bytes(values, argument.at, argument.size);
    return 0;
}

static u32 answer_request(const Said *said, Reader *payload, Reply *reply) {
    i64 number = read_int(payload);
    Bytes data = read_bytes(payload);
    if (data.size > DATA_SIZE_MAX) return TOO_LONG;
    Writer asked = question("SELECT price, answered_ms FROM requests WHERE number = ?", 1);
    put_int(&asked, number);
    Reader answer = ask(&asked);
    if (!first_row(&answer)) return NO_SUCH_REQUEST;
    U256 price = u256_read(&answer);
    if (!read_nil(&answer)) return ALREADY_ANSWERED;

    Meter meter = read_meter();
    meter.waiting = u256_sub(meter.waiting, price);
    meter.owed = u256_add(meter.owed, price); /* The request was only taken if it all fits. */
    keep_meter(reply, &meter);
    Writer *values = row(statement(reply, "UPDATE requests SET answered_ms = ?, answer = ? WHERE number = ?"), 3);
    put_int(values, (i64)said->timestamp_ms);
    put_bytes(values, data.at, data.size);
    put_int(values, number);
    return 0;
}

static u32 note_paid(Reader *payload, Reply *reply) {
    Meter meter = read_meter();
    U256 paid = u256_read(payload);
    if (u256_compare(paid, meter.paid) < 0) return PAID_LESS;
    meter.paid = paid;
    keep_meter(reply, &meter);
    return 0;
}

static u32 take(const Said *said, Reader *payload, Reply *reply) {
    u32 count = read_array(payload);
    if (count == 0) return NO_SUCH_ACTION;
    Bytes action = read_text(payload);
    if (count == 3 && is_text(action, "request"))
        return said->sender == CLIENT ? request(said, payload, reply) : NOT_THE_CLIENT;
    bool is_price = count == 3 && is_text(action, "price");
    bool is_answer = count == 3 && is_text(action, "answer");
    bool is_credit = count == 2 && is_text(action, "credit");
    bool is_paid = count == 2 && is_text(action, "paid");
    if (!is_price && !is_answer && !is_credit && !is_paid) return NO_SUCH_ACTION;
    if (said->sender != SERVER) return NOT_THE_SERVER;
    if (is_price) return set_price(payload, reply);
    if (is_answer) return answer_request(said, payload, reply);
    return is_credit ? set_credit(payload, reply) : note_paid(payload, reply);
}

APP_REDUCER(begin, open, take)
