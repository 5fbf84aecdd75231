"""Sentences for channels: which state, which message, whose wish."""

from node.explain.channel_sentences import CHANNEL_SENTENCES, message_words, turn_name
from node.explain.story import Cast
from protocols import events, messages, virtual_messages
from tests.support.actors import ALICE, BOB

CAST = Cast(ALICE.address, b"\x01" * 32, "direct", (ALICE.address, BOB.address))


def test_turns_have_the_names_of_the_protocol() -> None:
    assert turn_name(0, is_final=False) == "prefund (turn 0)"
    assert turn_name(1, is_final=False) == "postfund (turn 1)"
    assert turn_name(2, is_final=False) == "redemption (turn 2)"
    assert turn_name(7, is_final=False) == "state (turn 7)"
    assert turn_name(3, is_final=True) == "final state (turn 3)"


def test_every_objective_message_there_is_has_words() -> None:
    kinds = [
        messages.ChannelProposal,
        messages.SignedState,
        messages.FinalStateRequest,
        messages.FinalStateRefusal,
        messages.ObjectiveRejection,
        *virtual_messages.MESSAGES,
    ]
    words = {message_words(kind.__name__) for kind in kinds}
    assert len(words) == len(kinds)
    assert not [text for text in words if text.startswith("a message")]
    assert message_words("Later\x1b") == "a message (Later )"


def test_an_approval_is_ours_or_our_policys() -> None:
    approve = CHANNEL_SENTENCES[events.ObjectiveApproved]
    policy = approve(events.ObjectiveApproved(bytes(32)), CAST)
    assert policy.what == "Our policy allowed it."
    owner = approve(events.ObjectiveApproved(bytes(32), ALICE.address), CAST)
    assert owner.what == "It was approved on our side."


def test_the_owners_request_is_named() -> None:
    asked = CHANNEL_SENTENCES[events.ObjectiveParamsRecorded]
    ours = asked(events.ObjectiveParamsRecorded(bytes(32), ALICE.address, "rent"), CAST)
    assert (ours.who, ours.what) == ("owner", 'Our owner asked for it (request "rent").')
    theirs = asked(events.ObjectiveParamsRecorded(bytes(32), BOB.address), CAST)
    assert (theirs.who, theirs.peer) == ("peer", BOB.address)


def test_a_redemption_that_the_chain_showed_is_told_as_what_it_is_good_for() -> None:
    received = CHANNEL_SENTENCES[events.StateReceived]
    shown = events.StateReceived(bytes(32), 2, bytes(32), BOB.address, bytes(65), False)
    told = received(shown, CAST)
    assert told.what.startswith("The chain showed the redemption (turn 2) that ")
    assert told.what.endswith(" signed: we can challenge with it.")
    final = received(events.StateReceived(bytes(32), 2, bytes(32), BOB.address, b"", True), CAST)
    assert "final state (turn 2) arrived" in final.what
