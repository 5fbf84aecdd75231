/* What the chain told of a channel: observed, confirmed, read, taken back.
 *
 * As protocols/observation_reducers.py and protocols/adjudication.py: what is observed is kept
 * apart until it counts, and the outcome that stands is what finalised less what was paid.
 */
#ifndef NODE_CHAIN_H
#define NODE_CHAIN_H

#include "outcome.h"

typedef enum {
    LOG_OTHER,
    LOG_DEPOSITED,
    LOG_ALLOCATION_UPDATED,
    LOG_CHALLENGE_REGISTERED,
    LOG_CHALLENGE_CLEARED,
    LOG_CHECKPOINTED,
    LOG_CONCLUDED,
    LOG_OUTCOME_PAID,
    LOG_OUTCOME_RECLAIMED,
} LogName;

static LogName log_name(Bytes text) {
    static const char *const names[] = {
        "",          "Deposited",   "AllocationUpdated", "ChallengeRegistered", "ChallengeCleared",
        "Checkpointed", "Concluded", "OutcomePaid",      "OutcomeReclaimed"};
    for (u32 i = 1; i < sizeof names / sizeof *names; i++)
        if (is_text(text, names[i])) return (LogName)i;
    return LOG_OTHER;
}

static u8 status_after(u8 status, u8 name) {
    switch (name) {
    case LOG_CHALLENGE_REGISTERED: return CHAIN_CHALLENGED;
    case LOG_CHALLENGE_CLEARED:
    case LOG_CHECKPOINTED: return CHAIN_OPEN;
    case LOG_CONCLUDED: return CHAIN_CONCLUDED;
    default: return status;
    }
}

static u8 observed_status(const Channel *channel) {
    u8 status = channel->head.chain_status;
    EACH(Observed, log, channel->observed) status = status_after(status, log->name);
    return status;
}

static bool is_final_status(u8 status) {
    return status == CHAIN_EXPIRED || status == CHAIN_CONCLUDED;
}

static U256 held(const Channel *channel) {
    EACH(Holding, holding, channel->holdings)
        if (equal(holding->asset.bytes, channel->head.asset.bytes, 20)) return holding->amount;
    return U256_ZERO;
}

static void set_held(Channel *channel, const u8 *asset, U256 amount) {
    EACH(Holding, holding, channel->holdings)
        if (equal(holding->asset.bytes, asset, 20)) {
            holding->amount = amount;
            return;
        }
    Holding *added = list_add(&channel->holdings);
    copy(added->asset.bytes, asset, 20);
    added->amount = amount;
}

/* --- the fold of the adjudicator's logs --------------------------------------------------------- */

/* What the adjudicator keeps is anew, with the outcome of a log, or none. */
static void adjudicate(Channel *channel, u64 finalizes_at, const Observed *log) {
    Head *head = &channel->head;
    head->has_adjudicated = true;
    head->finalizes_at = finalizes_at;
    head->is_left = false;
    head->has_first_exit = head->has_exit = log != NULL && log->has_exit;
    u32 from = log == NULL ? 0 : log->number;
    copy_outcome(channel, from, FIRST_OUTCOME);
    copy_outcome(channel, from, OUTCOME);
}

static Share *share_at(Channel *channel, u32 outcome, u32 index) {
    EACH(Share, share, channel->shares)
        if (share->outcome == outcome && index-- == 0) return share;
    return NULL;
}

static void take_off_paid(Channel *channel, const Observed *log) {
    if (!channel->head.has_exit) return;
    EACH(PaidShare, paid, channel->paid_shares) {
        Share *share = paid->observed == log->number ? share_at(channel, OUTCOME, paid->index) : NULL;
        if (share) share->amount = u256_sub(share->amount, u256_min(share->amount, paid->amount));
    }
}

static Share *first_share_of(Channel *channel, const Id *party, const Share *but) {
    EACH(Share, share, channel->shares)
        if (share->outcome == OUTCOME && share != but && same_id(party, share->destination.bytes))
            return share;
    return NULL;
}

/* The guarantee goes to its two parties; nothing changes where the contract would refuse. */
static void give_back(Channel *channel, const Observed *log) {
    if (!channel->head.has_exit) return;
    for (u32 i = 0; i < channel->shares.count; i++) {
        Share *found = list_at(&channel->shares, i);
        if (found->outcome != OUTCOME || found->type != GUARANTEE_TYPE) continue;
        if (!same_id(&found->destination, log->target.bytes)) continue;
        if (!found->has_parties || u256_compare(log->amount, found->amount) > 0) return;
        Share *left = first_share_of(channel, &found->left, found);
        Share *right = first_share_of(channel, &found->right, found);
        if (left == NULL || right == NULL) return;
        left->amount = u256_add(left->amount, u256_sub(found->amount, log->amount));
        right->amount = u256_add(right->amount, log->amount);
        list_remove(&channel->shares, i);
        return;
    }
}

static void after_log(Channel *channel, const Observed *log) {
    channel->head.chain_status = status_after(channel->head.chain_status, log->name);
    switch (log->name) {
    case LOG_CHALLENGE_REGISTERED:
    case LOG_CONCLUDED: adjudicate(channel, log->finalizes_at, log); break;
    case LOG_CHALLENGE_CLEARED:
    case LOG_CHECKPOINTED: adjudicate(channel, 0, NULL); break;
    case LOG_OUTCOME_PAID: take_off_paid(channel, log); break;
    case LOG_OUTCOME_RECLAIMED:
        give_back(channel, log);
        channel->head.has_adjudicated = true;
        channel->head.is_left = false;
        break;
    }
}

static void forget_observed(Channel *channel, u32 place) {
    u32 number = ((Observed *)list_at(&channel->observed, place))->number;
    forget_outcome(channel, number);
    for (u32 i = channel->paid_shares.count; i-- > 0;)
        if (((PaidShare *)list_at(&channel->paid_shares, i))->observed == number)
            list_remove(&channel->paid_shares, i);
    list_remove(&channel->observed, place);
}

/* The first observed log of that name and transaction counts now. `log_index` -1: whichever. */
static void confirm(Channel *channel, LogName name, u64 block_num, Bytes tx_hash, i64 log_index) {
    for (u32 i = 0; i < channel->observed.count; i++) {
        Observed *log = list_at(&channel->observed, i);
        if (log->name != name || log->block_num != block_num || tx_hash.size != 32) continue;
        if (!same_id(&log->tx_hash, tx_hash.at)) continue;
        if (log_index >= 0 && log->log_index != (u64)log_index) continue;
        after_log(channel, log);
        forget_observed(channel, i);
        return;
    }
}

/* A fork: what was observed from that block on did not happen. */
static bool retract(Channel *channel, u64 fork_block_num) {
    u32 before = channel->observed.count;
    for (u32 i = before; i-- > 0;)
        if (((Observed *)list_at(&channel->observed, i))->block_num >= fork_block_num)
            forget_observed(channel, i);
    return channel->observed.count != before;
}

/* After a cut tail or a fork: the chain's word covers every log up to that block. */
static void word_read(Channel *channel, u64 block_num, u64 finalizes_at) {
    Head *head = &channel->head;
    for (u32 i = channel->observed.count; i-- > 0;)
        if (((Observed *)list_at(&channel->observed, i))->block_num <= block_num)
            forget_observed(channel, i);
    if (head->is_halted && finalizes_at == 0) head->withdrawn = U256_ZERO;
    if (finalizes_at && head->chain_status == CHAIN_OPEN) {
        head->chain_status = CHAIN_CHALLENGED;
        adjudicate(channel, finalizes_at, NULL);
    } else if (head->is_halted && !finalizes_at) {
        head->chain_status = CHAIN_OPEN;
        adjudicate(channel, 0, NULL);
        head->has_adjudicated = false;
    } else if (head->is_halted && head->has_adjudicated && head->finalizes_at != finalizes_at) {
        head->chain_status = CHAIN_CHALLENGED;
        adjudicate(channel, finalizes_at, NULL);
    }
}

/* True once the chain paid out all that is ours, as of the confirmed logs. */
static bool is_withdrawn(const Channel *channel) {
    const Head *head = &channel->head;
    if (!is_final_status(head->chain_status)) return false;
    if (head->is_left) return true;
    if (!head->has_exit) return u256_is_zero(held(channel));
    Id mine = me_destination(channel);
    EACH(Share, share, channel->shares)
        if (share->outcome == OUTCOME && share->type == GUARANTEE_TYPE &&
            (same_id(&share->left, mine.bytes) || same_id(&share->right, mine.bytes)))
            return false;
    if (head->chain_status != CHAIN_CONCLUDED) return u256_is_zero(own_rest(channel, OUTCOME));
    EACH(Share, share, channel->shares)
        if (share->outcome == OUTCOME && equal(share->destination.bytes, ZERO_WORD, 12) &&
            !u256_is_zero(share->amount))
            return false;
    return true;
}

#endif
