"""Stories: what happened to a channel, an objective or a payment, and why, in plain words.

Records in, story out: pure, without IO, clock or store. Who reads the records and who shows the
story are other rooms.
"""
