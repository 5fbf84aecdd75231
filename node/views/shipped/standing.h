/* Where a channel is and whose its money is, as it stands.
 *
 * As protocols/channel.py (`status`) and node/balances.py: it takes every channel to end as things
 * are.
 */
#ifndef NODE_STANDING_H
#define NODE_STANDING_H

#include "chain.h"

typedef enum {
    PROPOSED, FUNDING, OPEN, CLOSING, CHALLENGED, EXPIRED, CONCLUDED, CLOSED, REJECTED
} Status;

static const char *const STATUS_NAMES[] = {"proposed",   "funding", "open",      "closing", "challenged",
                                           "expired", "concluded", "closed",  "rejected"};

enum { POSTFUND_TURN = 1 };

static Turn *find_turn(const Channel *channel, u64 turn_num) {
    EACH(Turn, turn, channel->turns)
        if (turn->turn_num == turn_num) return turn;
    return NULL;
}

static bool is_signed_by_all(const Channel *channel, const Turn *turn) {
    u32 all = channel->head.participant_count;
    return turn != NULL && turn->signers == (all >= 32 ? ~0u : (1u << all) - 1);
}

/* The newest final state that all signed. Turns stand in their order. */
static const Turn *supported_final(const Channel *channel) {
    const Turn *found = NULL;
    EACH(Turn, turn, channel->turns)
        if (turn->is_final && is_signed_by_all(channel, turn)) found = turn;
    return found;
}

static Status status_of(const Channel *channel) {
    const Head *head = &channel->head;
    u8 observed = observed_status(channel);
    if ((head->is_virtual && head->is_settled) || is_withdrawn(channel)) return CLOSED;
    if (observed == CHAIN_EXPIRED) return EXPIRED;
    if (observed == CHAIN_CONCLUDED) return CONCLUDED;
    if (observed == CHAIN_CHALLENGED) return CHALLENGED;
    if (head->is_final_requested) return CLOSING;
    EACH(Turn, turn, channel->turns)
        if (turn->is_final) return CLOSING;
    if (is_signed_by_all(channel, find_turn(channel, POSTFUND_TURN))) return OPEN;
    if (head->is_rejected) return REJECTED;
    if (is_signed_by_all(channel, find_turn(channel, 0))) return FUNDING;
    return PROPOSED;
}

static U256 deposit(const Channel *channel, u32 place) {
    return *(U256 *)list_at(&channel->deposits, place);
}

static U256 last_deposit(const Channel *channel) {
    return deposit(channel, channel->deposits.count - 1);
}

/* What the payee gets of the payer's deposit; modulo 2^256, for players lose deposits too. */
static U256 paid_in(const Channel *channel) {
    if (!channel->head.has_prefund) return U256_ZERO;
    const Turn *final = channel->head.has_ledger ? NULL : supported_final(channel);
    if (final != NULL) return u256_sub(final->last_amount, last_deposit(channel));
    if (!channel->head.is_app) return channel->head.paid;
    return u256_sub(channel->head.app_supported, last_deposit(channel));
}

/* What the last end has: what it put in, and what was paid. */
static U256 to_last(const Channel *channel) {
    if (!channel->head.has_prefund) return U256_ZERO;
    return u256_add(last_deposit(channel), paid_in(channel));
}

typedef struct {
    U256 ours, theirs, guaranteed;
} Shares;

static Shares shares_of(const Channel *channel) {
    const Head *head = &channel->head;
    Shares shares = {U256_ZERO, U256_ZERO, U256_ZERO};
    if (head->has_ledger) {
        shares.ours = head->my_index ? head->follower : head->leader;
        shares.theirs = head->my_index ? head->leader : head->follower;
        EACH(Guarantee, guarantee, channel->guarantees)
            shares.guaranteed = u256_add(shares.guaranteed, guarantee->amount);
    } else if (!is_end(channel)) {
        EACH(U256, amount, channel->deposits) shares.theirs = u256_add(shares.theirs, *amount);
    } else {
        U256 paid = paid_in(channel);
        U256 payer = u256_sub(deposit(channel, 0), paid);
        U256 payee = to_last(channel);
        shares.ours = head->my_index ? payee : payer;
        shares.theirs = head->my_index ? payer : payee;
    }
    return shares;
}

/* --- balances ------------------------------------------------------------------------------- */

enum { ON_CHAIN, CHANNELS, LEDGERS, GUARANTEED, WITHDRAWN, PART_COUNT };

static U256 share_of(const Guarantee *guarantee) {
    return guarantee->is_left_ours ? u256_sub(guarantee->amount, guarantee->to_right)
                                   : guarantee->to_right;
}

/* Kept with the ledger: it changes with a guarantee, or what was paid in its target. */
static void count_promised(Channel *ledger) {
    U256 sum = U256_ZERO;
    EACH(Guarantee, guarantee, ledger->guarantees) sum = u256_add(sum, share_of(guarantee));
    ledger->head.promised = sum;
}

/* Our part of the guarantees that a final ledger's outcome holds still. */
static U256 promised_still(const Channel *ledger) {
    U256 sum = U256_ZERO;
    EACH(Guarantee, guarantee, ledger->guarantees)
        EACH(Share, share, ledger->shares)
            if (share->outcome == OUTCOME && share->type == GUARANTEE_TYPE &&
                same_id(&share->destination, guarantee->target.bytes)) {
                sum = u256_add(sum, share_of(guarantee));
                break;
            }
    return sum;
}

static U256 left_outcome(const Channel *channel) {
    const Head *head = &channel->head;
    if (!head->has_first_exit || !head->has_exit || !is_final_status(head->chain_status))
        return U256_ZERO;
    U256 gone = own_rest(channel, FIRST_OUTCOME);
    return u256_sub_under(&gone, own_rest(channel, OUTCOME)) ? U256_ZERO : gone;
}

static U256 less(U256 from, U256 amount) { return u256_sub(from, u256_min(from, amount)); }

static U256 own_deposit(const Channel *channel) {
    bool is_first = channel->head.my_index == 0;
    U256 above = less(held(channel), is_first ? U256_ZERO : deposit(channel, 0));
    return u256_min(above, is_first ? deposit(channel, 0) : last_deposit(channel));
}

static U256 concluded_share(const Channel *channel) {
    const Turn *final = supported_final(channel);
    return final == NULL ? shares_of(channel).ours : final->own_amount;
}

static Balance balance_of(const Channel *channel, Status status) {
    const Head *head = &channel->head;
    Balance found = {{U256_ZERO}};
    if (!head->has_prefund || head->is_virtual || !is_end(channel)) return found;
    U256 left = left_outcome(channel);
    found.parts[WITHDRAWN] = u256_compare(left, head->withdrawn) > 0 ? left : head->withdrawn;
    if (status == PROPOSED || status == FUNDING || status == REJECTED) {
        found.parts[ON_CHAIN] = own_deposit(channel);
    } else if (status == CLOSED) {
        return found;
    } else if (status == EXPIRED && head->has_exit) {
        found.parts[ON_CHAIN] = own_rest(channel, OUTCOME);
        found.parts[GUARANTEED] = promised_still(channel);
    } else if (status == CONCLUDED) {
        found.parts[ON_CHAIN] = less(concluded_share(channel), found.parts[WITHDRAWN]);
    } else if (!head->is_consensus) {
        found.parts[CHANNELS] = shares_of(channel).ours;
    } else {
        found.parts[LEDGERS] = shares_of(channel).ours;
        if (head->has_ledger) found.parts[GUARANTEED] = head->promised;
    }
    return found;
}

#endif
