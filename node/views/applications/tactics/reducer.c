/* A tactics game on eight by eight squares: units spawn, move at most three squares, and attack.
 *
 *     ["spawn", x, y]              a new unit, in one's own two rows, until both have three
 *     ["move", unit, x, y]         at most three squares, along rows and columns
 *     ["attack", unit, target]     at most two squares away: 20 of its 100 points
 *     ["pass"]
 *     ["resign"]
 *
 * Players act in turn. Who has no unit left has lost, and the other gets what both paid in.
 */
#include "app.h"

enum {
    NOT_YOUR_TURN = 1, NO_SUCH_ACTION = 2, OUTSIDE = 3, OCCUPIED = 4, NOT_YOUR_UNIT = 5, TOO_FAR = 6,
    OUT_OF_RANGE = 7, NOT_AN_ENEMY = 8, NOT_NOW = 9, IS_OVER = 10, UNEQUAL_STAKES = 11,
};

enum { SIZE = 8, ROW_COUNT = 2, UNIT_COUNT = 3, MOVE_MAX = 3, RANGE = 2, POINTS = 100, DAMAGE = 20 };

static void begin(Reply *reply) {
    run(reply, "CREATE TABLE game (id INTEGER PRIMARY KEY, action_count INTEGER NOT NULL, "
               "winner INTEGER) STRICT, WITHOUT ROWID");
    run(reply, "CREATE TABLE units (id INTEGER PRIMARY KEY, owner INTEGER NOT NULL, x INTEGER NOT NULL, "
               "y INTEGER NOT NULL, points INTEGER NOT NULL, UNIQUE (x, y)) STRICT, WITHOUT ROWID");
    run(reply, "CREATE INDEX units_by_owner ON units (owner)");
    run(reply, "INSERT INTO game VALUES (0, 0, NULL)");
}

static u32 open(const Opening *opened, Reply *reply) {
    (void)reply;
    return u256_compare(opened->first, opened->last) ? UNEQUAL_STAKES : 0;
}

typedef struct {
    i64 action_count;
    bool is_over;
} Game;

typedef struct {
    bool is_there;
    i64 id, owner, x, y, points;
} Unit;

static Game read_game(void) {
    Writer asked = question("SELECT action_count, winner FROM game", 0);
    Reader answer = ask(&asked);
    if (!first_row(&answer)) give_up();
    i64 action_count = read_int(&answer);
    return (Game){action_count, !read_nil(&answer)};
}

static Unit read_unit(i64 id) {
    Writer asked = question("SELECT owner, x, y, points FROM units WHERE id = ?", 1);
    put_int(&asked, id);
    Reader answer = ask(&asked);
    Unit found = {.is_there = first_row(&answer), .id = id};
    if (!found.is_there) return found;
    found.owner = read_int(&answer);
    found.x = read_int(&answer);
    found.y = read_int(&answer);
    found.points = read_int(&answer);
    return found;
}

static i64 units_of(i64 owner) {
    Writer asked = question("SELECT count(*) FROM units WHERE owner = ?", 1);
    put_int(&asked, owner);
    Reader answer = ask(&asked);
    if (!first_row(&answer)) give_up();
    return read_int(&answer);
}

static bool is_occupied(i64 x, i64 y) {
    Writer asked = question("SELECT 1 FROM units WHERE x = ? AND y = ?", 2);
    put_int(&asked, x);
    put_int(&asked, y);
    Reader answer = ask(&asked);
    return first_row(&answer);
}

static bool is_inside(i64 x, i64 y) { return x >= 0 && x < SIZE && y >= 0 && y < SIZE; }

static i64 distance(i64 x, i64 y, i64 to_x, i64 to_y) {
    return (x < to_x ? to_x - x : x - to_x) + (y < to_y ? to_y - y : y - to_y);
}

static u32 spawn(u32 player, i64 action_count, Reader *payload, Reply *reply) {
    i64 x = read_int(payload), y = read_int(payload);
    i64 first_row_of = player == 0 ? 0 : SIZE - ROW_COUNT;
    if (!is_inside(x, y) || y < first_row_of || y >= first_row_of + ROW_COUNT) return OUTSIDE;
    if (is_occupied(x, y)) return OCCUPIED;
    Writer *values = row(statement(reply, "INSERT INTO units VALUES (?, ?, ?, ?, ?)"), 5);
    put_int(values, action_count);
    put_int(values, player);
    put_int(values, x);
    put_int(values, y);
    put_int(values, POINTS);
    return 0;
}

static u32 move(u32 player, Reader *payload, Reply *reply) {
    Unit unit = read_unit(read_int(payload));
    i64 x = read_int(payload), y = read_int(payload);
    if (!unit.is_there || unit.owner != player) return NOT_YOUR_UNIT;
    if (!is_inside(x, y)) return OUTSIDE;
    i64 squares = distance(unit.x, unit.y, x, y);
    if (squares == 0 || squares > MOVE_MAX) return TOO_FAR;
    if (is_occupied(x, y)) return OCCUPIED;
    Writer *values = row(statement(reply, "UPDATE units SET x = ?, y = ? WHERE id = ?"), 3);
    put_int(values, x);
    put_int(values, y);
    put_int(values, unit.id);
    return 0;
}

static void win(Reply *reply, u32 winner) {
    put_int(row(statement(reply, "UPDATE game SET winner = ?"), 1), winner);
    pay_all(reply, winner);
}

static u32 attack(u32 player, Reader *payload, Reply *reply) {
    Unit unit = read_unit(read_int(payload)), target = read_unit(read_int(payload));
    if (!unit.is_there || unit.owner != player) return NOT_YOUR_UNIT;
    if (!target.is_there || target.owner == player) return NOT_AN_ENEMY;
    if (distance(unit.x, unit.y, target.x, target.y) > RANGE) return OUT_OF_RANGE;
    if (target.points > DAMAGE) {
        Writer *values = row(statement(reply, "UPDATE units SET points = ? WHERE id = ?"), 2);
        put_int(values, target.points - DAMAGE);
        put_int(values, target.id);
        return 0;
    }
    put_int(row(statement(reply, "DELETE FROM units WHERE id = ?"), 1), target.id);
    if (units_of(target.owner) == 1) win(reply, player);
    return 0;
}

static u32 act(u32 player, i64 action_count, Reader *payload, Reply *reply) {
    u32 count = read_array(payload);
    if (count == 0) return NO_SUCH_ACTION;
    Bytes action = read_text(payload);
    if (count == 1 && is_text(action, "resign")) return win(reply, 1 - player), 0;
    bool is_setup = action_count < 2 * UNIT_COUNT;
    if (count == 3 && is_text(action, "spawn"))
        return is_setup ? spawn(player, action_count, payload, reply) : NOT_NOW;
    bool is_move = count == 4 && is_text(action, "move");
    bool is_attack = count == 3 && is_text(action, "attack");
    bool is_pass = count == 1 && is_text(action, "pass");
    if (!is_move && !is_attack && !is_pass) return NO_SUCH_ACTION;
    if (is_setup) return NOT_NOW;
    if (is_move) return move(player, payload, reply);
    return is_attack ? attack(player, payload, reply) : 0;
}

static u32 take(const Said *said, Reader *payload, Reply *reply) {
    Game game = read_game();
    if (game.is_over) return IS_OVER;
    if (said->sender != game.action_count % 2) return NOT_YOUR_TURN;
    run(reply, "UPDATE game SET action_count = action_count + 1");
    return act(said->sender, game.action_count, payload, reply);
}

APP_REDUCER(begin, open, take)
