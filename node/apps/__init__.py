"""Applications: reducers that are installed, and a view for each application channel.

The core decides on what a reducer runs (`protocols.app_judging`); here it runs. A view is derived:
what the log's messages do not explain is taken back, what is missing is applied again.

installed      reducers on disk, by the hash of their code
payouts        what the two ends get, out of the reducer's table
channel_view   one channel's view: brought to where the log is, and on
judge          all of them: what the engine asks, once a batch
asking         questions in SQL, in a process of their own
"""
