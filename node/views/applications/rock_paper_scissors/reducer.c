/* Rock-paper-scissors for what both paid in: commit, commit, reveal, reveal (ADR 0079).
 *
 * A message is bytes: all that was shown in this round so far, and the sender's own part behind it.
 * The contract RockPaperScissorsApp judges the same bytes, so that who vanishes has lost.
 *
 *     step 0  first  commitment (32)        step 1  last   commitment (32)
 *     step 2  first  move (1), salt (32)    step 3  last   move (1), salt (32)
 *
 * A commitment is keccak256(channel id, player, move, salt).
 */
#include "app.h"

enum { NOT_YOUR_TURN = 1, WRONG_SIZE = 2, SHOWN_CHANGED = 3, NO_SUCH_MOVE = 4, NOT_COMMITTED = 5, IS_OVER = 6 };

enum { FIRST = 0, LAST = 1, TIE = 2 };
enum { ROCK = 1, SCISSORS = 3 };
enum { HASH_SIZE = 32, REVEAL_SIZE = 33, COMMITMENTS_SIZE = 64, ROUND_SIZE = 130 };

static void begin(Reply *reply) {
    run(reply, "CREATE TABLE stakes (participant INTEGER PRIMARY KEY, amount BLOB NOT NULL) "
               "STRICT, WITHOUT ROWID");
    run(reply, "CREATE TABLE rounds (number INTEGER PRIMARY KEY, shown BLOB NOT NULL, "
               "first_move INTEGER, last_move INTEGER, winner INTEGER) STRICT, WITHOUT ROWID");
}

static u32 open(const Opening *opened, Reply *reply) {
    Statement *stakes = statement(reply, "INSERT INTO stakes VALUES (?, ?)");
    const U256 amounts[] = {opened->first, opened->last};
    for (u32 participant = FIRST; participant <= LAST; participant++) {
        Writer *values = row(stakes, 2);
        put_int(values, participant);
        u256_put(values, amounts[participant]);
    }
    return 0;
}

/* The round that is played, or the one that was played last. */
typedef struct {
    i64 number;
    Bytes shown;
    bool is_decided;
    i64 winner;
} Round;

static Round newest_round(void) {
    Writer asked = question("SELECT number, shown, winner FROM rounds ORDER BY number DESC LIMIT 1", 0);
    Reader answer = ask(&asked);
    if (!first_row(&answer)) return (Round){0, {NULL, 0}, false, 0};
    Round found = {0};
    found.number = read_int(&answer);
    found.shown = read_bytes(&answer);
    found.is_decided = !read_nil(&answer);
    if (found.is_decided) found.winner = read_int(&answer);
    return found;
}

/* Bytes shown once so many steps are done. */
static u32 size_after(u32 step_count) {
    if (step_count <= 2) return step_count * HASH_SIZE;
    return COMMITMENTS_SIZE + (step_count - 2) * REVEAL_SIZE;
}

/* Whether the move and the salt are those that were committed to. */
static bool is_committed(const Said *said, const u8 *reveal, const u8 *commitment) {
    u8 data[HASH_SIZE + 1 + REVEAL_SIZE], hash[HASH_SIZE];
    copy(data, said->channel_id, HASH_SIZE);
    data[HASH_SIZE] = (u8)said->sender;
    copy(data + HASH_SIZE + 1, reveal, REVEAL_SIZE);
    keccak256(data, sizeof data, hash);
    return equal(hash, commitment, HASH_SIZE);
}

static u32 winner_of(u8 first, u8 last) {
    u32 lead = (u32)(first + 3 - last) % 3;
    return lead == 0 ? TIE : lead == 1 ? FIRST : LAST;
}

static U256 stake_of(u32 participant) {
    Writer asked = question("SELECT amount FROM stakes WHERE participant = ?", 1);
    put_int(&asked, participant);
    Reader answer = ask(&asked);
    if (!first_row(&answer)) give_up();
    return u256_read(&answer);
}

static void put_move(Writer *values, const u8 *reveal) {
    if (reveal) put_int(values, reveal[0]);
    else put_nil(values);
}

/* `first` and `last` are what was revealed; NULL before that, as 'winner' is nil. */
static void keep_round(Reply *reply, i64 number, Bytes shown, const u8 *first, const u8 *last) {
    Writer *values = row(statement(reply, "REPLACE INTO rounds VALUES (?, ?, ?, ?, ?)"), 5);
    put_int(values, number);
    put_bytes(values, shown.at, shown.size);
    put_move(values, first);
    put_move(values, last);
    if (last) put_int(values, winner_of(*first, *last));
    else put_nil(values);
}

static u32 take(const Said *said, Reader *payload, Reply *reply) {
    Bytes shown = read_bytes(payload);
    Round round = newest_round();
    if (round.is_decided && round.winner != TIE) return IS_OVER;
    if (round.number == 0 || round.is_decided) round = (Round){round.number + 1, {NULL, 0}, false, 0};

    u32 step = 0;
    while (size_after(step) < round.shown.size) step++;
    if (said->sender != step % 2) return NOT_YOUR_TURN;
    if (shown.size != size_after(step + 1)) return WRONG_SIZE;
    if (!equal(shown.at, round.shown.at, round.shown.size)) return SHOWN_CHANGED;

    const u8 *reveal = shown.at + round.shown.size, *first = shown.at + COMMITMENTS_SIZE;
    if (step >= 2) {
        if (reveal[0] < ROCK || reveal[0] > SCISSORS) return NO_SUCH_MOVE;
        if (!is_committed(said, reveal, shown.at + said->sender * HASH_SIZE)) return NOT_COMMITTED;
    }
    keep_round(reply, round.number, shown, step >= 2 ? first : NULL, step == 3 ? reveal : NULL);

    /* Until all is revealed the pot is for whoever moved last. */
    u32 winner = step == 3 ? winner_of(*first, *reveal) : said->sender;
    if (winner == TIE) pay(reply, stake_of(FIRST), stake_of(LAST));
    else pay_all(reply, winner);
    return 0;
}

APP_REDUCER(begin, open, take)
