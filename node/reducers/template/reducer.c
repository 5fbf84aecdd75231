/* NAME: two players take one, two or three sticks of twenty-one, in turn. Who takes the last one wins
 * what both paid in.
 *
 * A message is [n]: how many sticks its sender takes.
 */
#include "app.h"

enum { STICKS = 21, MOST = 3 };

/* Why a message is refused. Both sides must give the same number, so never change one. */
enum { NOT_YOUR_TURN = 1, WRONG_NUMBER = 2, IS_OVER = 3, UNEQUAL_STAKES = 4 };

static void begin(Reply *reply) {
    run(reply, "CREATE TABLE game (id INTEGER PRIMARY KEY, sticks INTEGER NOT NULL, "
               "mover INTEGER NOT NULL, winner INTEGER) STRICT, WITHOUT ROWID");
    Writer *first = row(statement(reply, "INSERT INTO game VALUES (0, ?, 0, NULL)"), 1);
    put_int(first, STICKS);
}

static u32 open(const Opening *opened, Reply *reply) {
    (void)reply;
    return u256_compare(opened->first, opened->last) ? UNEQUAL_STAKES : 0;
}

static u32 take(const Said *said, Reader *payload, Reply *reply) {
    if (read_array(payload) != 1) give_up();
    i64 taken = read_int(payload);

    Writer asked = question("SELECT sticks, mover FROM game", 0);
    Reader answer = ask(&asked);
    first_row(&answer);
    i64 sticks = read_int(&answer), mover = read_int(&answer);

    if (sticks == 0) return IS_OVER;
    if (mover != said->sender) return NOT_YOUR_TURN;
    if (taken < 1 || taken > MOST || taken > sticks) return WRONG_NUMBER;

    Writer *now = row(statement(reply, "UPDATE game SET sticks = ?, mover = ?, winner = ?"), 3);
    put_int(now, sticks - taken);
    put_int(now, 1 - said->sender);
    if (sticks == taken) {
        put_int(now, said->sender);
        pay_all(reply, said->sender);
    } else put_nil(now);
    return 0;
}

APP_REDUCER(begin, open, take)
