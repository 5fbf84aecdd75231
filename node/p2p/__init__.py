"""Peers: authenticated, encrypted sessions over TCP, and the messages that travel in them.

    errors      what ends a session, by name
    limits      every bound of this room
    interface   what this room asks of the engine
    noise       the Noise XX handshake and the ciphers it leaves behind
    framing     records and frames: bytes to objects and back
    connection  a TCP stream with a finished handshake
    hello       the first frame each way, and what it must say
    session     one conversation: read, write, acknowledge, time out
    rate        the byte budget of a peer; the delay before the next dial
    service     listener, diallers, and who is connected

The room knows no channels and no policy: whoever proves an address may speak, and what is said is
the engine's to judge.
"""
